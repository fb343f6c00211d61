package dev.chasqui.vision;

import java.util.Random;

/// Rows for tests.
final class RandomRows {

    private RandomRows() {
    }

    static float[] random(int count, int width, long seed) {
        Random random = new Random(seed);
        float[] rows = new float[count * width];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = (float) random.nextGaussian();
        }
        return rows;
    }

    static ImageTokens tokens(int count, int width, long seed) {
        return ImageTokens.of(random(count, width, seed), count, width);
    }
}
