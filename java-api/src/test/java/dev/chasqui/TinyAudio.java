package dev.chasqui;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;

/// Projectors of random weights with which [TinyVlm]'s language model hears noise. They stay open for the life of the test process.
final class TinyAudio {

    /// Samples a second that the encoders take.
    static final int RATE = 16_000;

    /// Numbers of a row of the language model.
    static final int ROW = 192;

    /// Samples of a row of `gemma4ua`.
    static final int FRAME = 640;

    /// The weights of `gemma4ua`, one matrix `[ROW, FRAME]`.
    static final float[] MATRIX = numbers(new SplittableRandom(7), 0, 0.1, ROW * FRAME);

    private static final int WIDTH = 64;
    private static final int MELS = 16;
    private static final int POSITIONS = 1500;

    private TinyAudio() {
    }

    /// `gemma4ua`: each 40 ms of sound are a row, by a matrix alone.
    static VisionModel frames() {
        return Frames.MODEL;
    }

    /// `qwen2a`: Whisper's encoder, 750 rows for each half minute that is begun.
    static VisionModel windows() {
        return Windows.MODEL;
    }

    /// The eyes of [TinyVlm] and the ears of [#frames()] in one file.
    static VisionModel both() {
        return Both.MODEL;
    }

    /// [#frames()] for the model whose positions have several dimensions.
    static VisionModel gridFrames() {
        return GridFrames.MODEL;
    }

    private static final class Frames {
        static final VisionModel MODEL = TinyVlm.model().vision(written(frames(GgufWriter.empty())));
    }

    private static final class Windows {
        static final VisionModel MODEL = TinyVlm.model().vision(written(windows(GgufWriter.empty())));
    }

    private static final class Both {
        static final VisionModel MODEL = TinyVlm.model().vision(written(frames(GgufWriter.copyOf(GgufFile.read(TinyVlm.projector())).remove("clip.projector_type")
                .put("clip.vision.projector_type", "janus_pro"))));
    }

    private static final class GridFrames {
        static final VisionModel MODEL = TinyVlm.gridModel().vision(Frames.MODEL.path());
    }

    private static GgufWriter frames(GgufWriter out) {
        return described(out, "gemma4ua", 128, 0).tensor("mm.a.input_projection.weight", new long[] {FRAME, ROW}, MATRIX);
    }

    private static GgufWriter windows(GgufWriter out) {
        SplittableRandom random = new SplittableRandom(8);
        described(out, "qwen2a", MELS, 1);
        add(out, random, "a.conv1d.1.weight", 0, 0.1, 3, MELS, WIDTH);
        add(out, random, "a.conv1d.1.bias", 0, 0.1, 1, WIDTH);
        add(out, random, "a.conv1d.2.weight", 0, 0.1, 3, WIDTH, WIDTH);
        add(out, random, "a.conv1d.2.bias", 0, 0.1, 1, WIDTH);
        add(out, random, "a.position_embd.weight", 0, 0.3, WIDTH, POSITIONS);
        for (String name : List.of("attn_q", "attn_k", "attn_v", "attn_out", "ffn_up", "ffn_down")) {
            add(out, random, "a.blk.0." + name + ".weight", 0, 0.1, WIDTH, WIDTH);
            if (!name.equals("attn_k")) {
                add(out, random, "a.blk.0." + name + ".bias", 0, 0.1, WIDTH);
            }
        }
        for (String name : List.of("a.blk.0.ln1", "a.blk.0.ln2", "a.post_ln")) {
            add(out, random, name + ".weight", 1, 0.1, WIDTH);
            add(out, random, name + ".bias", 0, 0.1, WIDTH);
        }
        add(out, random, "mm.a.fc.weight", 0, 0.1, WIDTH, ROW);
        add(out, random, "mm.a.fc.bias", 0, 0.1, ROW);
        return out;
    }

    private static GgufWriter described(GgufWriter out, String type, int mels, int layers) {
        return out.put("general.architecture", "clip").put("general.type", "mmproj").put("clip.has_audio_encoder", true)
                .put("clip.audio.projector_type", type).put("clip.audio.num_mel_bins", mels)
                .put("clip.audio.embedding_length", WIDTH).put("clip.audio.feed_forward_length", WIDTH)
                .put("clip.audio.block_count", layers).put("clip.audio.projection_dim", ROW)
                .put("clip.audio.attention.head_count", 4).put("clip.audio.attention.layer_norm_epsilon", 1e-5f);
    }

    private static void add(GgufWriter out, SplittableRandom random, String name, double mean, double spread, long... shape) {
        int count = 1;
        for (long n : shape) {
            count *= (int) n;
        }
        out.tensor(name, shape, numbers(random, mean, spread, count));
    }

    private static float[] numbers(SplittableRandom random, double mean, double spread, int count) {
        float[] numbers = new float[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = (float) random.nextGaussian(mean, spread);
        }
        return numbers;
    }

    private static Path written(GgufWriter projector) {
        try {
            Path file = Files.createTempFile("chasqui-hears-", ".gguf");
            file.toFile().deleteOnExit();
            projector.write(file);
            return file;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
