package dev.chasqui.jmh;

import dev.chasqui.vision.ImageTokens;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;

/// Rows like those of a picture's tokens: as many and as wide as those of large models with tiles.
final class VisualRows {

    static final int WIDTH = 60;
    static final int HEIGHT = 48;
    static final int DIMENSION = 4096;

    private VisualRows() {
    }

    /// 60 x 48 rows of 4096 floats.
    ///
    /// @param kind `patches`: sixty regions around random centres, each with a direction of its own beside the one that all share, and noise; cosines are 0.2 to
    ///             0.9. `independent`: nothing but noise, where every row is as unlike the others as every other one: the hardest case for a selection.
    static ImageTokens of(String kind) {
        SplittableRandom random = new SplittableRandom(1);
        int count = WIDTH * HEIGHT;
        float[] rows = new float[count * DIMENSION];
        if (kind.equals("independent")) {
            fill(rows, 0, rows.length, 1, random);
        } else if (kind.equals("patches")) {
            patches(rows, random);
        } else {
            throw new IllegalArgumentException("rows are patches or independent");
        }
        float[] question = new float[16 * DIMENSION];
        fill(question, 0, question.length, 1, random);
        return ImageTokens.of(rows, count, DIMENSION).withGrid(WIDTH, HEIGHT).withQuestion(question, 16);
    }

    private static void patches(float[] rows, RandomGenerator random) {
        int regions = 60;
        float[] shared = new float[DIMENSION];
        fill(shared, 0, DIMENSION, 0.6, random);
        float[] own = new float[regions * DIMENSION];
        fill(own, 0, own.length, 0.8, random);
        int[] x = random.ints(regions, 0, WIDTH).toArray();
        int[] y = random.ints(regions, 0, HEIGHT).toArray();
        float[] noise = new float[DIMENSION];
        for (int i = 0; i < WIDTH * HEIGHT; i++) {
            int column = i % WIDTH;
            int row = i / WIDTH;
            int[] distances = new int[regions];
            Arrays.setAll(distances, r -> (column - x[r]) * (column - x[r]) + (row - y[r]) * (row - y[r]));
            int region = 0;
            for (int r = 1; r < regions; r++) {
                region = distances[r] < distances[region] ? r : region;
            }
            fill(noise, 0, DIMENSION, 0.5, random);
            float scale = (float) Math.exp(0.2 * random.nextGaussian());
            for (int k = 0; k < DIMENSION; k++) {
                rows[i * DIMENSION + k] = scale * (shared[k] + own[region * DIMENSION + k] + noise[k]);
            }
        }
    }

    private static void fill(float[] values, int from, int to, double deviation, RandomGenerator random) {
        for (int i = from; i < to; i++) {
            values[i] = (float) (deviation * random.nextGaussian());
        }
    }
}
