package dev.chasqui;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Random;

/// Adapters with random weights.
final class TinyLora {

    private static final int RANK = 4;

    private TinyLora() {
    }

    /// For the default [TinyGguf].
    static Path write(Path file, long seed) {
        Random random = new Random(seed);
        TinyGgufWriter out = new TinyGgufWriter()
                .put("general.architecture", "llama")
                .put("general.type", "adapter")
                .put("adapter.type", "lora")
                .put("adapter.lora.alpha", 8f);
        for (int layer = 0; layer < 2; layer++) {
            String weight = "blk." + layer + ".ffn_down.weight";
            out.tensor(weight + ".lora_a", gaussians(random, 128 * RANK, 0.5f), 128, RANK);
            out.tensor(weight + ".lora_b", gaussians(random, RANK * 64, 0.5f), RANK, 64);
        }
        try {
            return out.write(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /// For a model of a file: its answers become others, and remain sentences.
    static Path write(Path file, GgufFile model, long seed) throws IOException {
        Random random = new Random(seed);
        GgufWriter out = GgufWriter.empty()
                .put("general.architecture", model.architecture().orElseThrow())
                .put("general.type", "adapter")
                .put("adapter.type", "lora")
                .put("adapter.lora.alpha", (float) RANK);
        for (GgufTensor weight : model.tensors()) {
            if (weight.name().endsWith("ffn_down.weight")) {
                int inputs = (int) weight.shape()[0];
                int outputs = (int) weight.shape()[1];
                out.tensor(weight.name() + ".lora_a", new long[] {inputs, RANK}, gaussians(random, inputs * RANK, 0.08f));
                out.tensor(weight.name() + ".lora_b", new long[] {RANK, outputs}, gaussians(random, RANK * outputs, 0.08f));
            }
        }
        return out.write(file).path();
    }

    private static float[] gaussians(Random random, int count, float deviation) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = deviation * (float) random.nextGaussian();
        }
        return values;
    }
}
