package dev.chasqui.vision;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// A picture as a language model takes it: rows of embeddings, framed by tokens. Encode it once, ask about it as often as you like.
///
/// Immutable and thread-safe; its memory goes when nothing refers to it any more. It belongs to the [dev.chasqui.VisionModel] that made it, or rather to that one's
/// language model: other models read rows of the same width as noise.
public final class EncodedImage {

    /// A stretch of a picture's prompt.
    public sealed interface Part permits Frame, Rows {
    }

    /// Tokens around and between rows.
    public record Frame(List<Integer> tokens) implements Part {

        public Frame {
            tokens = List.copyOf(tokens);
        }
    }

    /// Rows of embeddings that belong together: a picture, one of the tiles that it was cut into, or a stretch of sound.
    public static final class Rows implements Part {

        private final MemorySegment data;
        private final int count;
        private final int stride;
        private final int width;
        private final int gridWidth;
        private final int gridHeight;
        private final boolean causal;
        private final int @Nullable [] grid;
        private final int positions;
        private final float @Nullable [] importance;
        private final int[] kept;
        private final RowPositions policy;
        private final String key;

        /// @param data       `[count, stride]` floats
        /// @param width      numbers of a row that enter the first layer, at most `stride`
        /// @param gridWidth  rows in a line of the picture, 0 if that is unknown
        /// @param grid       `t, y, x` of each row relative to the first; null where positions have one dimension
        /// @param positions  how many positions all rows together take
        /// @param importance how much each row matters, e.g. the share of the encoder's attention that it gets; null if unknown
        /// @param key        names picture and projector
        public Rows(MemorySegment data, int count, int stride, int width, int gridWidth, int gridHeight, boolean causal,
                int @Nullable [] grid, int positions, float @Nullable [] importance, String key) {
            this(data, count, stride, width, gridWidth, gridHeight, causal, grid, positions, importance, allOf(count), RowPositions.PROJECTOR, key);
        }

        private Rows(MemorySegment data, int count, int stride, int width, int gridWidth, int gridHeight, boolean causal,
                int @Nullable [] grid, int positions, float @Nullable [] importance, int[] kept, RowPositions policy, String key) {
            if (width < 1 || stride < width || count < 1 || data.byteSize() != (long) count * stride * Float.BYTES) {
                throw new IllegalArgumentException("%d rows of %d numbers, %d apart, in %d bytes".formatted(count, width, stride, data.byteSize()));
            }
            if (grid != null && grid.length != 3 * count || importance != null && importance.length != count) {
                throw new IllegalArgumentException("there must be a position and an importance for each of the " + count + " rows");
            }
            this.data = data.asReadOnly();
            this.count = count;
            this.stride = stride;
            this.width = width;
            this.gridWidth = gridWidth;
            this.gridHeight = gridHeight;
            this.causal = causal;
            this.grid = grid;
            this.positions = positions;
            this.importance = importance;
            this.kept = kept;
            this.policy = policy;
            this.key = Objects.requireNonNull(key, "key");
        }

        private static int[] allOf(int count) {
            int[] all = new int[count];
            Arrays.setAll(all, i -> i);
            return all;
        }

        /// The rows, `[total, stride]` floats, those too that are not kept; read-only.
        public MemorySegment data() {
            return data;
        }

        /// Number of rows that the model sees.
        public int count() {
            return kept.length;
        }

        /// Number of rows before anything was dropped.
        public int total() {
            return count;
        }

        /// Numbers from one row to the next.
        public int stride() {
            return stride;
        }

        /// Numbers of a row that enter the first layer; what follows them up to [#stride()] enters layers further up.
        public int width() {
            return width;
        }

        /// Rows in a line of the picture, 0 if the rows are in no known grid.
        public int gridWidth() {
            return gridWidth;
        }

        public int gridHeight() {
            return gridHeight;
        }

        /// Whether rows attend only to those before them.
        public boolean causal() {
            return causal;
        }

        /// How much each of the [#total()] rows matters: as an encoder gives it, the mean share of its attention. A copy, null if unknown.
        public float @Nullable [] importance() {
            return importance == null ? null : importance.clone();
        }

        /// Which of the [#total()] rows the model sees, ascending. A copy.
        public int[] kept() {
            return kept.clone();
        }

        /// How many positions they take.
        public int positions() {
            boolean compact = policy == RowPositions.COMPACT || grid == null;
            return compact ? kept.length : policy == RowPositions.LINEAR ? count : positions;
        }

        /// `t, y, x` of each kept row relative to the first, null where the rows simply follow each other.
        public int @Nullable [] gridPositions() {
            if (grid == null) {
                return null;
            }
            int[] wanted = new int[3 * kept.length];
            for (int i = 0; i < kept.length; i++) {
                switch (policy) {
                    case PROJECTOR -> System.arraycopy(grid, 3 * kept[i], wanted, 3 * i, 3);
                    case LINEAR -> Arrays.fill(wanted, 3 * i, 3 * i + 3, kept[i]);
                    case COMPACT -> Arrays.fill(wanted, 3 * i, 3 * i + 3, i);
                }
            }
            return wanted;
        }

        /// The kept rows, `[count, stride]` floats.
        public MemorySegment keptData() {
            if (kept.length == count) {
                return data;
            }
            MemorySegment gathered = Arena.ofAuto().allocate((long) kept.length * stride * Float.BYTES, Float.BYTES);
            long row = (long) stride * Float.BYTES;
            for (int i = 0; i < kept.length; i++) {
                MemorySegment.copy(data, kept[i] * row, gathered, i * row, row);
            }
            return gathered;
        }

        /// Names what the model sees: equal keys mean equal rows at equal positions.
        public String key() {
            return key;
        }

        /// As a pruner sees them: all rows, whether they are kept or not. What is known of their grid, breaks in it, their importance, and the question comes along.
        public ImageTokens tokens(@Nullable Question question) {
            ImageTokens tokens = ImageTokens.of(data, count, stride, width);
            if (gridWidth > 0) {
                tokens = tokens.withGrid(gridWidth, gridHeight);
            } else {
                tokens = tokens.withBreaksFound();
            }
            if (importance != null) {
                tokens = tokens.withImportance(importance);
            }
            if (question != null) {
                tokens = tokens.withQuestion(question.rows(), question.count(), width)
                        .withVocabularyMean(question.mean().toArray(ValueLayout.JAVA_FLOAT));
            }
            return tokens;
        }

        private Rows pruned(VisionOptions options, int budget, @Nullable Question question) {
            TokenPruner pruner = options.pruner();
            String asked = question != null && pruner.usesQuestion() ? "?" + question.text() : "";
            ImageTokens tokens = tokens(question);
            int[] chosen = tokens.select(pruner, budget);
            for (int more = budget + 1; chosen.length == 0 && more <= count; more++) {
                chosen = tokens.select(pruner, more); // a row and the break that comes along with it need room for two
            }
            return with(chosen, options.positions(), pruner.key() + asked);
        }

        /// The same with another importance of each row, for pruners that go by what is given ([Importance#GIVEN]).
        ///
        /// @param values one for each of the [#total()] rows
        public Rows withImportance(float... values) {
            if (values.length != count) {
                throw new IllegalArgumentException(values.length + " numbers for " + count + " rows");
            }
            return new Rows(data, count, stride, width, gridWidth, gridHeight, causal, grid, positions, values.clone(), kept, policy,
                    key + "|importance " + Integer.toHexString(Arrays.hashCode(values)));
        }

        /// The same with only some of the rows, or other positions.
        ///
        /// @param wanted which of the [#total()] rows, ascending
        /// @param reason names what chose them, for the [#key()]
        /// @throws IllegalArgumentException if these are not ascending rows
        public Rows with(int[] wanted, RowPositions positionPolicy, String reason) {
            return with(data, wanted, positionPolicy, reason);
        }

        /// The same with other numbers in some rows.
        ///
        /// @param replaced `[total, stride]` floats
        public Rows with(MemorySegment replaced, int[] wanted, RowPositions positionPolicy, String reason) {
            if (wanted.length == 0) {
                throw new IllegalArgumentException("no row is kept");
            }
            for (int i = 0; i < wanted.length; i++) {
                if (wanted[i] < 0 || wanted[i] >= count || i > 0 && wanted[i] <= wanted[i - 1]) {
                    throw new IllegalArgumentException("row %d, number %d of those to keep, is not an ascending one of 0..%d".formatted(wanted[i], i, count - 1));
                }
            }
            if (positionPolicy == RowPositions.LINEAR && grid == null) {
                throw new IllegalArgumentException("the model's positions have one dimension: rows cannot stay where they were");
            }
            return new Rows(replaced, count, stride, width, gridWidth, gridHeight, causal, grid, positions, importance, wanted.clone(), positionPolicy,
                    key + "|" + positionPolicy + "|" + reason + "|" + Integer.toHexString(Arrays.hashCode(wanted)) + "," + wanted.length);
        }
    }

    private final Image image;
    private final List<Part> parts;
    private final Duration encodeTime;
    private final Duration selectTime;

    /// @param encodeTime what the encoder took
    public EncodedImage(Image image, List<Part> parts, Duration encodeTime) {
        this(image, parts, encodeTime, Duration.ZERO);
    }

    private EncodedImage(Image image, List<Part> parts, Duration encodeTime, Duration selectTime) {
        this.image = Objects.requireNonNull(image, "image");
        this.parts = List.copyOf(parts);
        this.encodeTime = Objects.requireNonNull(encodeTime, "encodeTime");
        this.selectTime = selectTime;
        if (chunks().isEmpty()) {
            throw new IllegalArgumentException("there are no rows");
        }
    }

    /// The picture.
    public Image image() {
        return image;
    }

    /// What it becomes in a prompt, in order.
    public List<Part> parts() {
        return parts;
    }

    /// Those of the parts that are rows: one, or one for each tile and one for the whole.
    public List<Rows> chunks() {
        List<Rows> chunks = new ArrayList<>();
        for (Part part : parts) {
            if (part instanceof Rows rows) {
                chunks.add(rows);
            }
        }
        return chunks;
    }

    /// Rows that the model sees, in all chunks.
    public int count() {
        return chunks().stream().mapToInt(Rows::count).sum();
    }

    /// Rows before anything was dropped, in all chunks.
    public int total() {
        return chunks().stream().mapToInt(Rows::total).sum();
    }

    /// What was kept, and what that took.
    public VisionStats stats() {
        return new VisionStats(total(), count(), encodeTime, selectTime);
    }

    /// The same with some of its tokens only.
    ///
    /// @throws IllegalArgumentException if the options do not fit the picture's model, or the pruner needs a question
    public EncodedImage pruned(VisionOptions options) {
        return pruned(options, null);
    }

    /// The same with some of its tokens only, those that matter for a question if the pruner looks at it.
    ///
    /// @throws IllegalArgumentException if the options do not fit the picture's model, or the pruner gives what are no rows of it
    public EncodedImage pruned(VisionOptions options, @Nullable Question question) {
        long start = System.nanoTime();
        List<Rows> chunks = chunks();
        int[] budgets = options.budgets(chunks.stream().mapToInt(Rows::total).toArray());
        List<Rows> kept = new ArrayList<>();
        for (int i = 0; i < budgets.length; i++) {
            Rows rows = chunks.get(i);
            kept.add(budgets[i] < rows.total() ? rows.pruned(options, budgets[i], question) : rows.with(Rows.allOf(rows.total()), options.positions(), "all"));
        }
        return new EncodedImage(image, replaced(kept), encodeTime, selectTime.plusNanos(System.nanoTime() - start));
    }

    /// The same with other chunks, as many as there are.
    public EncodedImage withChunks(List<Rows> chunks) {
        if (chunks.size() != chunks().size()) {
            throw new IllegalArgumentException(chunks.size() + " chunks for a picture of " + chunks().size());
        }
        return new EncodedImage(image, replaced(chunks), encodeTime, selectTime);
    }

    private List<Part> replaced(List<Rows> chunks) {
        List<Part> replaced = new ArrayList<>();
        int next = 0;
        for (Part part : parts) {
            replaced.add(part instanceof Rows ? chunks.get(next++) : part);
        }
        return replaced;
    }

    @Override
    public String toString() {
        return "EncodedImage[" + image + ", " + count() + " of " + total() + " rows]";
    }
}
