package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.EmbeddingMatrix.Match;
import dev.chasqui.EmbeddingMatrix.Similarity;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class EmbeddingMatrixTest {

    @Property(tries = 50)
    void nearestAsSorted(@ForAll @IntRange(min = 1, max = 200) int rows, @ForAll @IntRange(min = 1, max = 100) int dimensions,
            @ForAll @IntRange(min = 1, max = 250) int most, @ForAll long seed, @ForAll Similarity similarity) {
        Random random = new Random(seed);
        float[][] all = new float[rows][];
        for (int i = 0; i < rows; i++) {
            all[i] = random(random, dimensions);
        }
        float[] query = random(random, dimensions);
        try (EmbeddingMatrix matrix = EmbeddingMatrix.of(all)) {
            List<Match> matches = matrix.nearest(query, most, similarity);
            List<Double> scores = new ArrayList<>();
            for (float[] row : all) {
                scores.add(score(query, row, similarity));
            }
            assertThat(matches).hasSize(Math.min(most, rows)).isSortedAccordingTo(Comparator.comparing(Match::score).reversed());
            for (Match match : matches) {
                assertThat((double) match.score()).isEqualTo(scores.get(match.index()), within(1e-3));
            }
            scores.sort(Comparator.reverseOrder());
            for (int i = 0; i < matches.size(); i++) {
                assertThat((double) matches.get(i).score()).isEqualTo(scores.get(i), within(1e-3));
            }
        }
    }

    @Test
    void pairsOfRows() {
        try (EmbeddingMatrix matrix = EmbeddingMatrix.of(new float[] {3, 4}, new float[] {4, 3}, new float[] {0, 0})) {
            assertThat(matrix.dot(0, 1)).isEqualTo(24);
            assertThat(matrix.cosine(0, 1)).isEqualTo(0.96f, within(1e-6f));
            assertThat(matrix.cosine(0, 2)).isZero();
            assertThat(matrix.row(1)).containsExactly(4, 3);
            assertThat(matrix.nearest(new float[] {1, 1}, 5)).extracting(Match::index).containsExactly(0, 1, 2);
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> matrix.row(3));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> matrix.dot(0, -1));
            assertThatIllegalArgumentException().isThrownBy(() -> matrix.nearest(new float[3], 1)).withMessageContaining("3 numbers");
            assertThatIllegalArgumentException().isThrownBy(() -> matrix.nearest(new float[2], 0));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> EmbeddingMatrix.of(new float[2], new float[3]));
        assertThatIllegalArgumentException().isThrownBy(EmbeddingMatrix::of);
    }

    @Test
    void memoryOfAnother() {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_FLOAT, 1, 0, 0, 1, 1, 1);
            EmbeddingMatrix matrix = EmbeddingMatrix.over(memory, 2);
            assertThat(matrix.rows()).isEqualTo(3);
            matrix.close();
            assertThat(matrix.nearest(new float[] {0, 1}, 1)).containsExactly(new Match(1, 1));
            assertThatIllegalArgumentException().isThrownBy(() -> EmbeddingMatrix.over(memory, 4));
            assertThatIllegalArgumentException().isThrownBy(() -> EmbeddingMatrix.over(MemorySegment.ofArray(new float[4]), 2));
            assertThatIllegalArgumentException().isThrownBy(() -> EmbeddingMatrix.over(memory.asSlice(2, 8), 2));
        }
        try (Arena confined = Arena.ofConfined()) {
            MemorySegment memory = confined.allocate(ValueLayout.JAVA_FLOAT, 4);
            assertThatIllegalArgumentException().isThrownBy(() -> EmbeddingMatrix.over(memory, 2));
        }
    }

    private static float[] random(Random random, int length) {
        float[] row = new float[length];
        for (int i = 0; i < length; i++) {
            row[i] = (float) random.nextGaussian();
        }
        return row;
    }

    private static double score(float[] a, float[] b, Similarity similarity) {
        double dot = 0;
        double lengthA = 0;
        double lengthB = 0;
        for (int i = 0; i < a.length; i++) {
            dot += (double) a[i] * b[i];
            lengthA += (double) a[i] * a[i];
            lengthB += (double) b[i] * b[i];
        }
        return similarity == Similarity.DOT ? dot : dot / Math.sqrt(lengthA * lengthB);
    }
}
