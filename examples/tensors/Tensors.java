package tensors;

import dev.chasqui.tensor.Rope;
import dev.chasqui.tensor.Tensor;
import dev.chasqui.tensor.TensorArena;
import java.util.Random;

/// A network of two layers and a block of attention, computed with tensors and with plain loops, which must agree.
public final class Tensors {

    private static final Random RANDOM = new Random(42);

    private Tensors() {}

    public static void main(String... args) {
        IO.println("network of two layers: largest difference %.0e".formatted(network()));
        IO.println("attention with causal mask: largest difference %.0e".formatted(attention()));
    }

    // ---- y = silu(x W1ᵀ + b1) W2ᵀ + b2 -------------------------------------------------------------------------------

    private static double network() {
        int rows = 5;
        int inputs = 48;
        int hidden = 96;
        int outputs = 12;
        float[] x = random(rows * inputs);
        float[] w1 = random(hidden * inputs);
        float[] b1 = random(hidden);
        float[] w2 = random(outputs * hidden);
        float[] b2 = random(outputs);

        float[] computed;
        try (var arena = TensorArena.confined()) {
            Tensor layer1 = arena.of(x, rows, inputs).matmulTransposed(arena.of(w1, hidden, inputs)).add(arena.of(b1, hidden)).silu();
            Tensor layer2 = layer1.matmulTransposed(arena.of(w2, outputs, hidden)).add(arena.of(b2, outputs));
            computed = layer2.compute().toFloats();
        }

        double[] h = new double[rows * hidden];
        for (int r = 0; r < rows; r++) {
            for (int j = 0; j < hidden; j++) {
                double sum = b1[j];
                for (int i = 0; i < inputs; i++) {
                    sum += x[r * inputs + i] * w1[j * inputs + i];
                }
                h[r * hidden + j] = sum / (1 + Math.exp(-sum));
            }
        }
        double[] expected = new double[rows * outputs];
        for (int r = 0; r < rows; r++) {
            for (int k = 0; k < outputs; k++) {
                double sum = b2[k];
                for (int j = 0; j < hidden; j++) {
                    sum += h[r * hidden + j] * w2[k * hidden + j];
                }
                expected[r * outputs + k] = sum;
            }
        }
        return largestDifference(computed, expected);
    }

    // ---- softmax(q kᵀ / √d + mask) v for each head, q and k with rotary positions ------------------------------------

    private static final int TOKENS = 7;
    private static final int HEADS = 4;
    private static final int WIDTH = 16; // of a head

    private static double attention() {
        int n = TOKENS * HEADS * WIDTH;
        float[] q = random(n);
        float[] k = random(n);
        float[] v = random(n);
        float[] mask = new float[TOKENS * TOKENS];
        int[] positions = new int[TOKENS];
        for (int i = 0; i < TOKENS; i++) {
            positions[i] = i;
            for (int j = 0; j < TOKENS; j++) {
                mask[i * TOKENS + j] = j <= i ? 0 : Float.NEGATIVE_INFINITY; // a token sees those before it
            }
        }

        float[] computed;
        try (var arena = TensorArena.confined()) {
            Tensor at = arena.of(positions, TOKENS);
            Tensor query = arena.of(q, TOKENS, HEADS, WIDTH).rope(at, Rope.defaults()).permute(1, 0, 2); // [heads, tokens, width]
            Tensor key = arena.of(k, TOKENS, HEADS, WIDTH).rope(at, Rope.defaults()).permute(1, 0, 2);
            Tensor value = arena.of(v, TOKENS, HEADS, WIDTH).permute(1, 0, 2);
            Tensor weights = query.matmulTransposed(key).softmaxMasked(arena.of(mask, TOKENS, TOKENS), (float) (1 / Math.sqrt(WIDTH)));
            computed = weights.matmul(value).permute(1, 0, 2).reshape(TOKENS, HEADS * WIDTH).compute().toFloats();
        }

        double[] rotatedQuery = rotated(q);
        double[] rotatedKey = rotated(k);
        double[] expected = new double[n];
        for (int head = 0; head < HEADS; head++) {
            for (int i = 0; i < TOKENS; i++) {
                double[] weight = new double[i + 1];
                double sum = 0;
                for (int j = 0; j <= i; j++) {
                    double score = 0;
                    for (int d = 0; d < WIDTH; d++) {
                        score += rotatedQuery[index(i, head, d)] * rotatedKey[index(j, head, d)];
                    }
                    weight[j] = Math.exp(score / Math.sqrt(WIDTH));
                    sum += weight[j];
                }
                for (int d = 0; d < WIDTH; d++) {
                    for (int j = 0; j <= i; j++) {
                        expected[index(i, head, d)] += weight[j] / sum * v[index(j, head, d)];
                    }
                }
            }
        }
        return largestDifference(computed, expected);
    }

    private static double[] rotated(float[] x) {
        double[] result = new double[x.length];
        for (int token = 0; token < TOKENS; token++) {
            for (int head = 0; head < HEADS; head++) {
                for (int d = 0; d < WIDTH; d += 2) {
                    double angle = token * Math.pow(10_000, -d / (double) WIDTH);
                    double a = x[index(token, head, d)];
                    double b = x[index(token, head, d + 1)];
                    result[index(token, head, d)] = a * Math.cos(angle) - b * Math.sin(angle);
                    result[index(token, head, d + 1)] = a * Math.sin(angle) + b * Math.cos(angle);
                }
            }
        }
        return result;
    }

    private static int index(int token, int head, int dimension) {
        return (token * HEADS + head) * WIDTH + dimension;
    }

    // ------------------------------------------------------------------------------------------------------------------

    private static float[] random(int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = (float) RANDOM.nextGaussian() / 4;
        }
        return values;
    }

    private static double largestDifference(float[] computed, double[] expected) {
        double largest = 0;
        for (int i = 0; i < expected.length; i++) {
            largest = Math.max(largest, Math.abs(computed[i] - expected[i]));
        }
        return largest;
    }
}
