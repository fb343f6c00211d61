package dev.chasqui;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;

/// A recurrent model with random weights and the vocabulary of [TinyGguf].
final class TinyMamba {

    private static final int EMBEDDING = 64;
    private static final int INNER = 2 * EMBEDDING;
    private static final int STATE = 16;
    private static final int CONVOLUTION = 4;
    private static final int RANK = 4;
    private static final int LAYERS = 2;
    private static final int VOCABULARY = 320;

    private final Random random = new Random(3);
    private final TinyGgufWriter out = TinyGguf.builder().writer().withoutTensors();

    private TinyMamba() {
    }

    static Path write(Path file) {
        try {
            return new TinyMamba().writer().write(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private TinyGgufWriter writer() {
        out.put("general.architecture", "mamba")
                .put("mamba.block_count", LAYERS)
                .put("mamba.context_length", 512)
                .put("mamba.embedding_length", EMBEDDING)
                .put("mamba.feed_forward_length", 0)
                .put("mamba.attention.head_count", 0)
                .put("mamba.attention.layer_norm_rms_epsilon", 1e-5f)
                .put("mamba.ssm.conv_kernel", CONVOLUTION)
                .put("mamba.ssm.inner_size", INNER)
                .put("mamba.ssm.state_size", STATE)
                .put("mamba.ssm.time_step_rank", RANK)
                .put("mamba.vocab_size", VOCABULARY);
        tensor("token_embd.weight", 0, 1, EMBEDDING, VOCABULARY);
        for (int layer = 0; layer < LAYERS; layer++) {
            String block = "blk." + layer + ".";
            ones(block + "attn_norm.weight");
            tensor(block + "ssm_in.weight", 0, 0.1f, EMBEDDING, 2 * INNER);
            tensor(block + "ssm_conv1d.weight", 0, 0.5f, CONVOLUTION, INNER);
            tensor(block + "ssm_conv1d.bias", 0, 0.1f, INNER);
            tensor(block + "ssm_x.weight", 0, 0.1f, INNER, RANK + 2 * STATE);
            tensor(block + "ssm_dt.weight", 0, 0.5f, RANK, INNER);
            tensor(block + "ssm_dt.bias", -2, 0.1f, INNER);
            tensor(block + "ssm_a", -1, 0.1f, STATE, INNER);
            tensor(block + "ssm_d", 1, 0.1f, INNER);
            tensor(block + "ssm_out.weight", 0, 0.1f, INNER, EMBEDDING);
        }
        ones("output_norm.weight");
        tensor("output.weight", 0, 0.5f, EMBEDDING, VOCABULARY);
        return out;
    }

    private void ones(String name) {
        float[] values = new float[EMBEDDING];
        Arrays.fill(values, 1);
        out.tensor(name, values, EMBEDDING);
    }

    private void tensor(String name, float mean, float spread, long... shape) {
        float[] values = new float[(int) Arrays.stream(shape).reduce(1, (a, b) -> a * b)];
        for (int i = 0; i < values.length; i++) {
            values[i] = mean + spread * (float) random.nextGaussian();
        }
        out.tensor(name, values, shape);
    }
}
