package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.vision.EncodedImage;
import dev.chasqui.vision.Image;
import dev.chasqui.vision.PageRanking;
import dev.chasqui.vision.PageRanking.Direction;
import dev.chasqui.vision.PageRanking.RankedPage;
import dev.chasqui.vision.Question;
import dev.chasqui.vision.RowPositions;
import java.awt.image.BufferedImage;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class PageRankingTest {

    private static final Image BLANK = Image.of(new BufferedImage(8, 8, BufferedImage.TYPE_INT_RGB));

    /// Rows wider than what is compared, of which some are not kept.
    private static EncodedImage page(float[][] rows, int width, int... kept) {
        int stride = width + 3;
        float[] data = new float[rows.length * stride];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, data, i * stride, width);
            data[i * stride + width] = 1e6f;
        }
        var all = new EncodedImage.Rows(Arena.ofAuto().allocateFrom(ValueLayout.JAVA_FLOAT, data), rows.length, stride, width, 0, 0, true, null, rows.length, null, "page");
        return new EncodedImage(BLANK, List.of(kept.length == 0 ? all : all.with(kept, RowPositions.COMPACT, "test")), Duration.ZERO);
    }

    @Test
    void scoresAreTheMeanOfTheBestCentredCosines() {
        try (TokenEmbeddings embeddings = TinyVlm.model().tokenEmbeddings()) {
            Question question = Question.of("what color is the circle", embeddings);
            int width = embeddings.size();
            var random = new Random(5);
            List<EncodedImage> pages = new ArrayList<>();
            List<float[][]> seen = new ArrayList<>();
            for (int p = 0; p < 6; p++) {
                float[][] rows = new float[4 + p][width];
                for (float[] row : rows) {
                    for (int k = 0; k < width; k++) {
                        row[k] = (float) random.nextGaussian() + 2;
                    }
                }
                boolean part = p % 2 == 1;
                pages.add(part ? page(rows, width, 0, 2, 3) : page(rows, width));
                seen.add(part ? new float[][] {rows[0], rows[2], rows[3]} : rows);
            }
            double[] expected = scores(seen, question.rows().toArray(ValueLayout.JAVA_FLOAT), embeddings.mean(), width);

            List<RankedPage> ranked = PageRanking.rank(pages, question, Direction.LIKE);
            assertThat(ranked).extracting(RankedPage::page)
                    .isEqualTo(IntStream.range(0, 6).boxed().sorted(Comparator.comparingDouble(p -> -expected[p])).toList());
            ranked.forEach(page -> assertThat((double) page.score()).isCloseTo(expected[page.page()], within(1e-4)));
            assertThat(PageRanking.rank(pages, question, Direction.UNLIKE)).isEqualTo(ranked.reversed());

            List<Integer> bestTwo = ranked.subList(0, 2).stream().map(RankedPage::page).sorted().toList();
            assertThat(PageRanking.best(pages, question, Direction.LIKE, 2)).containsExactly(pages.get(bestTwo.get(0)), pages.get(bestTwo.get(1)));
            assertThat(PageRanking.best(pages, question, Direction.LIKE, 99)).isEqualTo(pages);

            assertThatIllegalArgumentException().isThrownBy(() -> PageRanking.rank(List.of(), question, Direction.LIKE));
            assertThatIllegalArgumentException().isThrownBy(() -> PageRanking.best(pages, question, Direction.LIKE, 0));
            assertThatIllegalArgumentException().isThrownBy(() -> PageRanking.rank(List.of(page(new float[2][width + 1], width + 1)), question, Direction.LIKE));
        }
    }

    private static double[] scores(List<float[][]> pages, float[] question, float[] vocabularyMean, int width) {
        double[] mean = new double[width];
        long rows = pages.stream().mapToLong(page -> page.length).sum();
        pages.forEach(page -> {
            for (float[] row : page) {
                for (int k = 0; k < width; k++) {
                    mean[k] += (double) row[k] / rows;
                }
            }
        });
        return pages.stream().mapToDouble(page -> {
            double sum = 0;
            int tokens = question.length / width;
            for (int t = 0; t < tokens; t++) {
                double best = -1;
                for (float[] row : page) {
                    double dot = 0;
                    double a = 0;
                    double b = 0;
                    for (int k = 0; k < width; k++) {
                        double x = row[k] - mean[k];
                        double y = question[t * width + k] - vocabularyMean[k];
                        dot += x * y;
                        a += x * x;
                        b += y * y;
                    }
                    best = Math.max(best, dot / Math.sqrt(a * b));
                }
                sum += best / tokens;
            }
            return sum;
        }).toArray();
    }
}
