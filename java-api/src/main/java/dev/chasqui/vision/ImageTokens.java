package dev.chasqui.vision;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.Chasqui;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// An image as the language model would see it: one row of floats for each image token, as the encoder's projector gives them, and what is known of
/// the rows.
///
/// Immutable as long as the memory of the rows is not written to; change a copy with the `with` methods. Rows that were given as native memory are
/// not copied: they are valid as long as that memory is, and using them later is an [IllegalStateException]. Safe from any thread that may access
/// that memory.
///
/// Rows that do not show a part of the image but belong to its layout, as Pixtral's `[IMG_BREAK]` at the end of each row of the grid, are *breaks*:
/// they are not compared with others, and each is kept if a row since the break before it is. The other rows are the cells of a grid, if that is
/// known.
public final class ImageTokens {

    private final Rows image;
    private final float @Nullable [] question;
    private final int gridWidth;
    private final int gridHeight;
    private final BitSet forced;
    private final BitSet breaks;
    private final float @Nullable [] importance;
    private final float @Nullable [] vocabularyMean;

    /// Rows in native memory.
    private record Rows(MemorySegment memory, int count, int stride, int width) {

        Rows {
            Objects.requireNonNull(memory, "rows");
            if (count < 0 || width < 0 || stride < width) {
                throw new IllegalArgumentException("%d rows of %d floats, %d apart".formatted(count, width, stride));
            }
            long bytes = (long) count * stride * Float.BYTES;
            if (bytes / Float.BYTES != (long) count * stride || memory.byteSize() < bytes) {
                throw new IllegalArgumentException("%d rows, %d floats apart, in %d bytes".formatted(count, stride, memory.byteSize()));
            }
            if (memory.isNative() && memory.address() % Float.BYTES != 0) {
                throw new IllegalArgumentException("rows at an address that is no multiple of 4");
            }
            if (!memory.isNative()) {
                memory = Arena.ofAuto().allocate(Math.max(bytes, Float.BYTES), Float.BYTES).copyFrom(memory.asSlice(0, bytes));
            }
            memory = memory.asReadOnly();
        }

        float[] row(int index) {
            return memory.asSlice((long) index * stride * Float.BYTES, (long) width * Float.BYTES).toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    private ImageTokens(Rows image, float @Nullable [] question, int gridWidth, int gridHeight, BitSet forced, BitSet breaks, float @Nullable [] importance,
            float @Nullable [] vocabularyMean) {
        this.image = image;
        this.question = question;
        this.gridWidth = gridWidth;
        this.gridHeight = gridHeight;
        this.forced = forced;
        this.breaks = breaks;
        this.importance = importance;
        this.vocabularyMean = vocabularyMean;
    }

    /// Rows in memory, which is not copied if it is native.
    ///
    /// @param rows   fp32, `[count, stride]`
    /// @param stride floats from one row to the next, at least `width`: rows of models with a deep stack are wider than what is compared
    /// @param width  floats of each row that are compared, the width of the language model's embeddings
    /// @throws IllegalArgumentException if that is more than the memory holds
    public static ImageTokens of(MemorySegment rows, int count, int stride, int width) {
        if (width < 1) {
            throw new IllegalArgumentException("width = " + width);
        }
        return new ImageTokens(new Rows(rows, count, stride, width), null, 0, 0, new BitSet(), new BitSet(), null, null);
    }

    /// A copy of rows without gaps.
    ///
    /// @param rows `[count, width]`
    /// @throws IllegalArgumentException if that is more than there is
    public static ImageTokens of(float[] rows, int count, int width) {
        return of(MemorySegment.ofArray(rows), count, width, width);
    }

    /// The rows are the cells of a grid, row by row; breaks do not count.
    ///
    /// @throws IllegalArgumentException for less than one cell
    public ImageTokens withGrid(int width, int height) {
        if (width < 1 || height < 1) {
            throw new IllegalArgumentException("a grid of %d x %d".formatted(width, height));
        }
        return new ImageTokens(image, question, width, height, forced, breaks, importance, vocabularyMean);
    }

    /// How important each row is, the larger the better: what [Importance#GIVEN] means. A row whose importance is not finite is kept only after all
    /// others.
    ///
    /// @throws IllegalArgumentException if there is not one number for each row
    public ImageTokens withImportance(float... values) {
        if (values.length != count()) {
            throw new IllegalArgumentException("importance of %d rows for %d".formatted(values.length, count()));
        }
        return new ImageTokens(image, question, gridWidth, gridHeight, forced, breaks, values.clone(), vocabularyMean);
    }

    /// Copies of the embeddings of the tokens that are asked about the image, without those of the template.
    ///
    /// @param rows   fp32, `[count, stride]`, of which [#width()] floats are compared
    /// @throws IllegalArgumentException if that is more than the memory holds
    public ImageTokens withQuestion(MemorySegment rows, int count, int stride) {
        Rows embeddings = new Rows(rows, count, stride, width());
        float[] values = new float[Math.multiplyExact(count, width())];
        for (int i = 0; i < count; i++) {
            System.arraycopy(embeddings.row(i), 0, values, i * width(), width());
        }
        return new ImageTokens(image, values, gridWidth, gridHeight, forced, breaks, importance, vocabularyMean);
    }

    /// Copies of such embeddings, `[count, width]`.
    public ImageTokens withQuestion(float[] rows, int count) {
        return withQuestion(MemorySegment.ofArray(rows), count, width());
    }

    /// The mean of all embeddings of the vocabulary, which is taken off the question where it is compared after centring.
    ///
    /// @throws IllegalArgumentException if it is not [#width()] long
    public ImageTokens withVocabularyMean(float... values) {
        if (values.length != width()) {
            throw new IllegalArgumentException("a mean of %d floats for rows of %d".formatted(values.length, width()));
        }
        return new ImageTokens(image, question, gridWidth, gridHeight, forced, breaks, importance, values.clone());
    }

    /// Rows that are kept in any case. They count, and the others are chosen with regard to them.
    ///
    /// @throws IllegalArgumentException for a number that is no row's
    public ImageTokens withForced(BitSet rows) {
        return new ImageTokens(image, question, gridWidth, gridHeight, checked(rows), breaks, importance, vocabularyMean);
    }

    /// Rows that belong to the layout.
    ///
    /// @throws IllegalArgumentException for a number that is no row's
    public ImageTokens withBreaks(BitSet rows) {
        return new ImageTokens(image, question, gridWidth, gridHeight, forced, checked(rows), importance, vocabularyMean);
    }

    private BitSet checked(BitSet rows) {
        if (rows.length() > count()) {
            throw new IllegalArgumentException("row %d of %d".formatted(rows.length() - 1, count()));
        }
        return (BitSet) rows.clone();
    }

    /// Finds the breaks: of a grid with exactly one more row after each of its rows (but maybe the last), those, if they are identical to the bit;
    /// otherwise rows that are identical to another row, unless that is every second row or more.
    public ImageTokens withBreaksFound() {
        return withBreaksFound(0);
    }

    /// With the breaks of a grid whose rows are `rowStride` tokens apart: whatever follows the [#gridWidth()] cells of each.
    ///
    /// @throws IllegalArgumentException if that is less than the width of the grid, or no grid is known
    public ImageTokens withBreaksAfterGridRows(int rowStride) {
        if (rowStride < 1) {
            throw new IllegalArgumentException("rowStride = " + rowStride);
        }
        return withBreaksFound(rowStride);
    }

    private ImageTokens withBreaksFound(int rowStride) {
        Chasqui.load();
        BitSet found = breaks();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment marks = arena.allocate(Math.max(count(), 1));
            Calls.check(chq_mark_breaks(rows(), Calls.info(arena, this, null), rowStride, marks));
            for (int i = 0; i < count(); i++) {
                if (marks.get(ValueLayout.JAVA_BYTE, i) == CHQ_ROW_BREAK()) {
                    found.set(i);
                }
            }
        }
        return withBreaks(found);
    }

    /// How many rows there are.
    public int count() {
        return image.count;
    }

    /// Floats of a row that are compared.
    public int width() {
        return image.width;
    }

    /// Floats from one row to the next.
    public int stride() {
        return image.stride;
    }

    /// All rows, read-only: fp32, `[count, stride]`.
    public MemorySegment rows() {
        return image.memory;
    }

    /// A copy of what is compared of a row.
    ///
    /// @throws IndexOutOfBoundsException if there is no such row
    public float[] row(int index) {
        Objects.checkIndex(index, count());
        return image.row(index);
    }

    /// Cells in a row of the grid; 0 if no grid is known.
    public int gridWidth() {
        return gridWidth;
    }

    /// Rows of the grid; 0 if no grid is known.
    public int gridHeight() {
        return gridHeight;
    }

    /// A copy of the rows that are kept in any case.
    public BitSet forced() {
        return (BitSet) forced.clone();
    }

    /// A copy of the rows that belong to the layout.
    public BitSet breaks() {
        return (BitSet) breaks.clone();
    }

    /// A copy of the importance that was given.
    public Optional<float[]> importance() {
        return Optional.ofNullable(importance).map(float[]::clone);
    }

    /// How many tokens the question has; 0 if it is not known.
    public int questionCount() {
        return question == null ? 0 : question.length / width();
    }

    /// A copy of what is compared of the question's tokens, `[questionCount, width]`.
    public float[] question() {
        return question == null ? new float[0] : question.clone();
    }

    /// Lets a pruner choose, and checks what it gives.
    ///
    /// @param keep how many rows to keep; all of them if there are not more
    /// @return numbers of rows, ascending, each once, at most `keep`
    /// @throws IllegalArgumentException for a negative number, and what the pruner refuses
    /// @throws IllegalStateException    if the pruner gives anything else than that
    public int[] select(TokenPruner pruner, int keep) {
        if (keep < 0) {
            throw new IllegalArgumentException("keep = " + keep);
        }
        int[] kept = pruner.select(this, keep);
        if (kept == null) {
            throw new IllegalStateException("pruner %s gave null".formatted(pruner.name()));
        }
        kept = kept.clone();
        if (kept.length > keep) {
            throw new IllegalStateException("pruner %s kept %d rows where %d were asked for".formatted(pruner.name(), kept.length, keep));
        }
        for (int i = 0; i < kept.length; i++) {
            if (kept[i] < 0 || kept[i] >= count()) {
                throw new IllegalStateException("pruner %s gave row %d of %d".formatted(pruner.name(), kept[i], count()));
            }
            if (i > 0 && kept[i] <= kept[i - 1]) {
                throw new IllegalStateException("pruner %s gave row %d after row %d".formatted(pruner.name(), kept[i], kept[i - 1]));
            }
        }
        return kept;
    }

    float @Nullable [] questionOrNull() {
        return question;
    }

    float @Nullable [] importanceOrNull() {
        return importance;
    }

    float @Nullable [] vocabularyMeanOrNull() {
        return vocabularyMean;
    }
}
