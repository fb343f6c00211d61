package dev.chasqui;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.Random;

/// An adapter with random weights for the default [TinyGguf].
final class TinyLora {

    private static final int RANK = 4;

    private TinyLora() {
    }

    static Path write(Path file, long seed) {
        Random random = new Random(seed);
        TinyGgufWriter out = new TinyGgufWriter()
                .put("general.architecture", "llama")
                .put("general.type", "adapter")
                .put("adapter.type", "lora")
                .put("adapter.lora.alpha", 8f);
        for (int layer = 0; layer < 2; layer++) {
            String weight = "blk." + layer + ".ffn_down.weight";
            out.tensor(weight + ".lora_a", gaussians(random, 128 * RANK), 128, RANK);
            out.tensor(weight + ".lora_b", gaussians(random, RANK * 64), RANK, 64);
        }
        try {
            return out.write(file);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static float[] gaussians(Random random, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = 0.5f * (float) random.nextGaussian();
        }
        return values;
    }
}
