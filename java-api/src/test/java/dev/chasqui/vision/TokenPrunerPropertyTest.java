package dev.chasqui.vision;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.FloatRange;
import net.jqwik.api.constraints.IntRange;

/// The built-in pruners against loops that look at everything, with the same arithmetic of floats.
@Tag("standalone")
class TokenPrunerPropertyTest {

    private interface Score {
        float of(int row, List<Integer> kept);
    }

    private static int[] greedy(int count, int keep, Score score) {
        List<Integer> kept = new ArrayList<>();
        while (kept.size() < Math.min(keep, count)) {
            int best = -1;
            float bestScore = 0;
            for (int i = 0; i < count; i++) {
                if (!kept.contains(i)) {
                    float s = score.of(i, kept);
                    if (best < 0 || s > bestScore) {
                        best = i;
                        bestScore = s;
                    }
                }
            }
            kept.add(best);
        }
        Collections.sort(kept);
        return kept.stream().mapToInt(i -> i).toArray();
    }

    private static float dot(float[] a, float[] b) {
        float[] lanes = new float[16];
        for (int i = 0; i < a.length; i++) {
            lanes[i % 16] += a[i] * b[i];
        }
        for (int half = 8; half > 0; half /= 2) {
            for (int i = 0; i < half; i++) {
                lanes[i] += lanes[i + half];
            }
        }
        return lanes[0];
    }

    private static float inverseNorm(float[] row) {
        float squared = dot(row, row);
        return squared < Float.MIN_NORMAL ? 0 : 1 / (float) Math.sqrt(squared);
    }

    private static float largestCosine(ImageTokens tokens, int row, List<Integer> kept) {
        float most = 0;
        float[] x = tokens.row(row);
        for (int other : kept) {
            float[] y = tokens.row(other);
            most = Math.max(most, dot(x, y) * (inverseNorm(x) * inverseNorm(y)));
        }
        return most;
    }

    /// Some rows are zeros, and some are multiples of others.
    private static ImageTokens picture(int count, int width, long seed) {
        Random random = new Random(seed);
        float[] rows = RandomRows.random(count, width, seed);
        for (int i = 1; i < count; i++) {
            int other = random.nextInt(i);
            float factor = switch (random.nextInt(6)) {
                case 0 -> 0f;
                case 1 -> 2f;
                case 2 -> 1f;
                default -> Float.NaN;
            };
            for (int k = 0; k < width && !Float.isNaN(factor); k++) {
                rows[i * width + k] = factor * rows[other * width + k];
            }
        }
        return ImageTokens.of(rows, count, width);
    }

    @Property(tries = 150)
    void mmrIsTheGreedyLoop(@ForAll @IntRange(min = 1, max = 40) int count, @ForAll @IntRange(min = 1, max = 50) int width,
            @ForAll @IntRange(min = 0, max = 20) int keep, @ForAll @FloatRange(max = 1) float lambda, @ForAll long seed) {
        ImageTokens tokens = picture(count, width, seed);
        float[] norms = TokenScores.norms(tokens);
        double least = Double.MAX_VALUE;
        double most = 0;
        for (float norm : norms) {
            least = Math.min(least, norm);
            most = Math.max(most, norm);
        }
        float[] importance = new float[count];
        for (int i = 0; i < count; i++) {
            importance[i] = most > least ? (float) ((norms[i] - least) / (most - least)) : 0;
        }
        assertThat(tokens.select(TokenPruner.mmr(lambda), keep)).containsExactly(greedy(count, keep,
                (row, kept) -> lambda * importance[row] - (1 - lambda) * largestCosine(tokens, row, kept)));
    }

    @Property(tries = 150)
    void productIsTheGreedyLoop(@ForAll @IntRange(min = 1, max = 40) int count, @ForAll @IntRange(min = 1, max = 50) int width,
            @ForAll @IntRange(min = 0, max = 20) int keep, @ForAll long seed) {
        ImageTokens tokens = picture(count, width, seed);
        assertThat(tokens.select(TokenPruner.product().withImportance(Importance.NONE), keep)).containsExactly(greedy(count, keep,
                (row, kept) -> Math.max(0, 1 - largestCosine(tokens, row, kept))));
    }

    @Property(tries = 100)
    void fewerRowsAreSomeOfMore(@ForAll @IntRange(min = 4, max = 60) int count, @ForAll @IntRange(min = 1, max = 40) int width, @ForAll long seed) {
        ImageTokens tokens = picture(count, width, seed);
        for (String name : List.of("mmr", "product", "k-center", "max-sum", "facility", "dpp", "coverage", "top", "random")) {
            TokenPruner pruner = TokenPruner.named(name);
            int[] more = tokens.select(pruner, count / 2);
            assertThat(more).contains(tokens.select(pruner, count / 4)).as(name);
        }
    }

    @Property(tries = 100)
    void largerRowsAreTheSameDirections(@ForAll @IntRange(min = 1, max = 40) int count, @ForAll @IntRange(min = 1, max = 40) int width,
            @ForAll @IntRange(min = -20, max = 20) int exponent, @ForAll long seed) {
        ImageTokens tokens = picture(count, width, seed);
        float[] larger = new float[count * width];
        for (int i = 0; i < count; i++) {
            float[] row = tokens.row(i);
            for (int k = 0; k < width; k++) {
                larger[i * width + k] = Math.scalb(row[k], exponent);
            }
        }
        for (String name : TokenPruner.names()) {
            TokenPruner pruner = TokenPruner.named(name);
            assertThat(ImageTokens.of(larger, count, width).select(pruner, count / 3)).as(name)
                    .containsExactly(tokens.select(pruner, count / 3));
        }
    }

    /// Whatever the floats are.
    @Property(tries = 200)
    void anyBitsAreRows(@ForAll @IntRange(min = 1, max = 30) int count, @ForAll @IntRange(min = 1, max = 30) int width,
            @ForAll @IntRange(min = 0, max = 30) int keep, @ForAll long seed) {
        Random random = new Random(seed);
        float[] rows = new float[count * width];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = Float.intBitsToFloat(random.nextInt());
        }
        ImageTokens tokens = ImageTokens.of(rows, count, width).withQuestion(Arrays.copyOf(rows, width), 1);
        for (String name : TokenPruner.names()) {
            assertThat(tokens.select(TokenPruner.named(name), keep)).as(name).hasSize(Math.min(keep, count));
        }
        assertThat(TokenScores.textRelevance(tokens, 1)).hasSize(count);
    }
}
