package dev.chasqui.vision;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/// Finds the pages that a question is about, before a model sees any of them: of many pictures only the best go into the prompt. A page's score is the mean over
/// the question's tokens of the largest cosine with any of the page's rows, both centred ([TokenScores#rankParts]); URaG (2025) does the like inside a model.
///
/// {@snippet class="snippets.VisionSnippets" region="pages"}
///
/// In which direction scores point depends on the model: with some, rows that fit a text are the less like it. Try it on pages whose order is known, once for each
/// model, and say so with [Direction].
public final class PageRanking {

    private PageRanking() {
    }

    /// What a high score means.
    public enum Direction {

        /// The page fits.
        LIKE,

        /// The page does not fit.
        UNLIKE
    }

    /// @param page  its place in the list that was ranked
    /// @param score a cosine, -1 to 1; negative infinity for a page without rows
    public record RankedPage(int page, float score) { }

    /// @param pages    of one model, at least one
    /// @param question of the same model
    /// @return all pages, the best one first; of equal ones the earlier first
    /// @throws IllegalArgumentException without pages, or if rows differ in width
    public static List<RankedPage> rank(List<EncodedImage> pages, Question question, Direction direction) {
        Objects.requireNonNull(direction, "direction");
        if (pages.isEmpty()) {
            throw new IllegalArgumentException("there are no pages");
        }
        int width = (int) (question.rows().byteSize() / Float.BYTES / question.count());
        long rows = 0;
        for (EncodedImage page : pages) {
            for (EncodedImage.Rows chunk : page.chunks()) {
                if (chunk.width() != width) {
                    throw new IllegalArgumentException("rows of %d numbers, a question of %d".formatted(chunk.width(), width));
                }
                rows += chunk.count();
            }
        }
        float[] scores;
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment all = arena.allocate(Math.multiplyExact(Math.max(rows, 1), (long) width * Float.BYTES), Float.BYTES);
            int[] begin = new int[pages.size() + 1];
            for (int i = 0; i < pages.size(); i++) {
                begin[i + 1] = copy(pages.get(i), width, all, begin[i]);
            }
            ImageTokens tokens = ImageTokens.of(all, begin[pages.size()], width, width).withQuestion(question.rows(), question.count(), width)
                    .withVocabularyMean(question.mean().toArray(ValueLayout.JAVA_FLOAT));
            scores = TokenScores.rankParts(tokens, begin);
        }
        float sign = direction == Direction.LIKE ? -1 : 1;
        return IntStream.range(0, scores.length).mapToObj(i -> new RankedPage(i, scores[i]))
                .sorted(Comparator.comparing(page -> page.score() == Float.NEGATIVE_INFINITY ? Float.POSITIVE_INFINITY : sign * page.score())).toList();
    }

    /// The pages of the highest ranks, in the order in which they were given.
    ///
    /// @param most at least 1
    public static List<EncodedImage> best(List<EncodedImage> pages, Question question, Direction direction, int most) {
        if (most < 1) {
            throw new IllegalArgumentException("most is " + most + ", must be at least 1");
        }
        List<EncodedImage> best = new ArrayList<>();
        rank(pages, question, direction).stream().limit(most).mapToInt(RankedPage::page).sorted().forEach(page -> best.add(pages.get(page)));
        return best;
    }

    /// Puts the rows of a page, as far as they are kept, behind those before; returns where the next ones begin.
    private static int copy(EncodedImage page, int width, MemorySegment to, int row) {
        int next = row;
        for (EncodedImage.Rows chunk : page.chunks()) {
            MemorySegment data = chunk.keptData();
            for (int i = 0; i < chunk.count(); i++) {
                MemorySegment.copy(data, (long) i * chunk.stride() * Float.BYTES, to, (long) next++ * width * Float.BYTES, (long) width * Float.BYTES);
            }
        }
        return next;
    }
}
