package dev.chasqui.jmh;

import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
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

    private static final int ALIGNMENT = 32;
    private static final int TYPE_F32 = 0;
    private static final int TYPE_F16 = 1;
    private static final int VALUE_UINT32 = 4;
    private static final int VALUE_INT32 = 5;
    private static final int VALUE_FLOAT32 = 6;
    private static final int VALUE_BOOL = 7;
    private static final int VALUE_STRING = 8;
    private static final int VALUE_ARRAY = 9;

    /// @param spread standard deviation of its numbers, around `mean`
    private record Tensor(String name, int type, long[] shape, double mean, double spread) {

        long count() {
            long count = 1;
            for (long n : shape) {
                count *= n;
            }
            return count;
        }

        long bytes() {
            return count() * (type == TYPE_F16 ? Short.BYTES : Float.BYTES);
        }

        long padded() {
            return (bytes() + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        }
    }

    private final List<Tensor> tensors = new ArrayList<>();
    private final ByteArrayOutputStream head = new ByteArrayOutputStream();
    private int values;

    private RandomProjector() {
    }

    /// @param layers     of the encoder
    /// @param width      of its rows, a multiple of 64, which is the width of a head
    /// @param projection numbers of a row of the language model
    static void write(Path file, int layers, int width, int projection) throws IOException {
        RandomProjector projector = new RandomProjector();
        projector.describe(layers, width, projection);
        projector.addTensors(layers, width, projection);
        projector.write(file);
    }

    private void describe(int layers, int width, int projection) {
        text("general.architecture", "clip");
        text("general.type", "mmproj");
        flag("clip.has_vision_encoder");
        text("clip.projector_type", "mlp");
        flag("clip.use_gelu");
        number("image_size", TILE);
        number("patch_size", PATCH);
        number("embedding_length", width);
        number("feed_forward_length", 4 * width);
        number("block_count", layers);
        number("projection_dim", projection);
        number("attention.head_count", width / 64);
        key("clip.vision.attention.layer_norm_epsilon", VALUE_FLOAT32);
        int32(Float.floatToIntBits(1e-5f));
        for (String name : List.of("image_mean", "image_std")) {
            array("clip.vision." + name, VALUE_FLOAT32, 3);
            for (int channel = 0; channel < 3; channel++) {
                int32(Float.floatToIntBits(0.5f));
            }
        }
        array("clip.vision.image_grid_pinpoints", VALUE_INT32, 2);
        int32(2 * TILE);
        int32(2 * TILE);
    }

    private void addTensors(int layers, int width, int projection) {
        add("v.patch_embd.weight", TYPE_F16, 0, 0.02, PATCH, PATCH, 3, width);
        add("v.class_embd", TYPE_F32, 0, 1, width);
        add("v.position_embd.weight", TYPE_F32, 0, 0.3, width, TILE_ROWS + 1);
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
        add(name + ".weight", TYPE_F16, 0, 1 / Math.sqrt(from), from, to);
        add(name + ".bias", TYPE_F32, 0, 0.02, to);
    }

    private void norm(String name, int width) {
        add(name + ".weight", TYPE_F32, 1, 0.02, width);
        add(name + ".bias", TYPE_F32, 0, 0.02, width);
    }

    private void add(String name, int type, double mean, double spread, long... shape) {
        tensors.add(new Tensor(name, type, shape, mean, spread));
    }

    private void write(Path file) throws IOException {
        ByteArrayOutputStream infos = new ByteArrayOutputStream();
        long offset = 0;
        for (Tensor tensor : tensors) {
            put(infos, tensor.name());
            put(infos, Integer.BYTES, tensor.shape().length);
            for (long n : tensor.shape()) {
                put(infos, Long.BYTES, n);
            }
            put(infos, Integer.BYTES, tensor.type());
            put(infos, Long.BYTES, offset);
            offset += tensor.padded();
        }
        try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(file), 1 << 20)) {
            out.write("GGUF".getBytes(StandardCharsets.US_ASCII));
            put(out, Integer.BYTES, 3);
            put(out, Long.BYTES, tensors.size());
            put(out, Long.BYTES, values);
            head.writeTo(out);
            infos.writeTo(out);
            int written = 24 + head.size() + infos.size();
            out.write(new byte[(ALIGNMENT - written % ALIGNMENT) % ALIGNMENT]);
            SplittableRandom random = new SplittableRandom(1);
            for (Tensor tensor : tensors) {
                out.write(numbers(tensor, random));
            }
        }
    }

    private static byte[] numbers(Tensor tensor, SplittableRandom random) {
        ByteBuffer bytes = ByteBuffer.allocate(Math.toIntExact(tensor.padded())).order(ByteOrder.LITTLE_ENDIAN);
        for (long i = 0; i < tensor.count(); i++) {
            float number = (float) (tensor.mean() + tensor.spread() * (random.nextDouble() - 0.5) * Math.sqrt(12));
            if (tensor.type() == TYPE_F16) {
                bytes.putShort(Float.floatToFloat16(number));
            } else {
                bytes.putFloat(number);
            }
        }
        return bytes.array();
    }

    private void text(String name, String value) {
        key(name, VALUE_STRING);
        put(head, value);
    }

    private void flag(String name) {
        key(name, VALUE_BOOL);
        put(head, 1, 1);
    }

    private void number(String name, int value) {
        key("clip.vision." + name, VALUE_UINT32);
        int32(value);
    }

    private void array(String name, int type, int count) {
        key(name, VALUE_ARRAY);
        int32(type);
        put(head, Long.BYTES, count);
    }

    private void key(String name, int type) {
        put(head, name);
        int32(type);
        values++;
    }

    private void int32(int value) {
        put(head, Integer.BYTES, value);
    }

    private static void put(ByteArrayOutputStream out, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        put(out, Long.BYTES, bytes.length);
        out.writeBytes(bytes);
    }

    private static void put(ByteArrayOutputStream out, int width, long value) {
        out.writeBytes(littleEndian(width, value));
    }

    private static void put(OutputStream out, int width, long value) throws IOException {
        out.write(littleEndian(width, value));
    }

    private static byte[] littleEndian(int width, long value) {
        byte[] bytes = new byte[width];
        for (int i = 0; i < width; i++) {
            bytes[i] = (byte) (value >>> 8 * i);
        }
        return bytes;
    }
}
