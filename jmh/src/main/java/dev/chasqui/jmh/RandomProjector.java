package dev.chasqui.jmh;

import dev.chasqui.GgmlType;
import dev.chasqui.GgufValue;
import dev.chasqui.GgufWriter;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;

/// A projector of LLaVA's kind (`mlp`) with random weights, as a GGUF file: an encoder of 336 x 336 pixels in patches of 14, so 24 x 24 rows a tile, and pictures
/// cut into 2 x 2 tiles beside the whole. What it sees is noise; what it costs is what an encoder of that size costs.
final class RandomProjector {

    static final int TILE = 336;
    static final int PATCH = 14;
    static final int TILE_ROWS = (TILE / PATCH) * (TILE / PATCH);
    /// Rows of a picture of twice the side of a tile: four tiles and the whole.
    static final int ROWS = 5 * TILE_ROWS;

    private final GgufWriter out = GgufWriter.empty();
    private final SplittableRandom random = new SplittableRandom(1);

    private RandomProjector() {
    }

    /// @param layers     of the encoder
    /// @param width      of its rows, a multiple of 64, which is the width of a head
    /// @param projection numbers of a row of the language model
    static void write(Path file, int layers, int width, int projection) throws IOException {
        RandomProjector projector = new RandomProjector();
        projector.describe(layers, width, projection);
        projector.addTensors(layers, width, projection);
        projector.out.write(file);
    }

    private void describe(int layers, int width, int projection) {
        out.put("general.architecture", "clip").put("general.type", "mmproj")
                .put("clip.has_vision_encoder", true).put("clip.projector_type", "mlp").put("clip.use_gelu", true)
                .put("clip.vision.image_size", TILE).put("clip.vision.patch_size", PATCH)
                .put("clip.vision.embedding_length", width).put("clip.vision.feed_forward_length", 4 * width)
                .put("clip.vision.block_count", layers).put("clip.vision.projection_dim", projection)
                .put("clip.vision.attention.head_count", width / 64).put("clip.vision.attention.layer_norm_epsilon", 1e-5f)
                .put("clip.vision.image_mean", GgufValue.numbers(0.5f, 0.5f, 0.5f)).put("clip.vision.image_std", GgufValue.numbers(0.5f, 0.5f, 0.5f))
                .put("clip.vision.image_grid_pinpoints", GgufValue.numbers(2 * TILE, 2 * TILE));
    }

    private void addTensors(int layers, int width, int projection) {
        add("v.patch_embd.weight", GgmlType.F16, 0, 0.02, PATCH, PATCH, 3, width);
        add("v.class_embd", GgmlType.F32, 0, 1, width);
        add("v.position_embd.weight", GgmlType.F32, 0, 0.3, width, TILE_ROWS + 1);
        norm("v.pre_ln", width);
        for (int layer = 0; layer < layers; layer++) {
            String block = "v.blk." + layer + ".";
            norm(block + "ln1", width);
            norm(block + "ln2", width);
            for (String name : List.of("attn_q", "attn_k", "attn_v", "attn_out")) {
                linear(block + name, width, width);
            }
            linear(block + "ffn_up", width, 4 * width);
            linear(block + "ffn_down", 4 * width, width);
        }
        linear("mm.0", width, projection);
        linear("mm.2", projection, projection);
    }

    private void linear(String name, int from, int to) {
        add(name + ".weight", GgmlType.F16, 0, 1 / Math.sqrt(from), from, to);
        add(name + ".bias", GgmlType.F32, 0, 0.02, to);
    }

    private void norm(String name, int width) {
        add(name + ".weight", GgmlType.F32, 1, 0.02, width);
        add(name + ".bias", GgmlType.F32, 0, 0.02, width);
    }

    /// @param spread standard deviation of the numbers around `mean`
    private void add(String name, GgmlType type, double mean, double spread, long... shape) {
        long count = 1;
        for (long n : shape) {
            count *= n;
        }
        int numbers = Math.toIntExact(count);
        out.tensor(name, type, shape, channel -> fill(channel, type, numbers, mean, spread));
    }

    private void fill(WritableByteChannel channel, GgmlType type, int count, double mean, double spread) throws IOException {
        boolean half = type == GgmlType.F16;
        ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(count, half ? Short.BYTES : Float.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = 0; i < count; i++) {
            float number = (float) (mean + spread * (random.nextDouble() - 0.5) * Math.sqrt(12));
            if (half) {
                bytes.putShort(Float.floatToFloat16(number));
            } else {
                bytes.putFloat(number);
            }
        }
        bytes.flip();
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }
}
