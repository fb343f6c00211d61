package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/// Embeddings as rows of floats, `[rows, dimensions]`, outside of the heap.
///
/// Comparisons of one row with all others are one native call, with the same results on every machine.
///
/// Safe from any thread; whoever writes to [#data()] meanwhile gets scores of a mixture.
public final class EmbeddingMatrix implements AutoCloseable {

    private final Arena arena;
    private final boolean owned;
    private final MemorySegment data;
    private final int rows;
    private final int dimensions;

    /// A row that is near a query.
    ///
    /// @param index of the row
    /// @param score the dot product or the cosine
    public record Match(int index, float score) { }

    /// What makes rows near each other.
    public enum Similarity {

        /// The cosine of the angle between them, -1 to 1; 0 where one is all zeros.
        COSINE,

        /// The sum of the products of their numbers; the cosine if both have unit length.
        DOT
    }

    /// Rows of zeros.
    ///
    /// @throws IllegalArgumentException if one of the two is less than 1
    public EmbeddingMatrix(int rows, int dimensions) {
        this(Arena.ofShared(), true, rows, dimensions);
    }

    private EmbeddingMatrix(Arena arena, boolean owned, int rows, int dimensions) {
        this(arena, owned, checked(arena, rows, dimensions), rows, dimensions);
    }

    private EmbeddingMatrix(Arena arena, boolean owned, MemorySegment data, int rows, int dimensions) {
        this.arena = arena;
        this.owned = owned;
        this.data = data;
        this.rows = rows;
        this.dimensions = dimensions;
    }

    private static MemorySegment checked(Arena arena, int rows, int dimensions) {
        try {
            if (rows < 1 || dimensions < 1) {
                throw new IllegalArgumentException(rows + " rows of " + dimensions + " numbers");
            }
            return arena.allocate(ValueLayout.JAVA_FLOAT, (long) rows * dimensions);
        } catch (Throwable e) {
            arena.close();
            throw e;
        }
    }

    /// Copies of rows, all of one length.
    public static EmbeddingMatrix of(float[]... rows) {
        EmbeddingMatrix matrix = new EmbeddingMatrix(rows.length, rows.length == 0 ? 0 : rows[0].length);
        for (int i = 0; i < rows.length; i++) {
            if (rows[i].length != matrix.dimensions) {
                matrix.close();
                throw new IllegalArgumentException("row %d has %d numbers, row 0 has %d".formatted(i, rows[i].length, matrix.dimensions));
            }
            MemorySegment.copy(rows[i], 0, matrix.data, ValueLayout.JAVA_FLOAT, (long) i * matrix.rowBytes(), matrix.dimensions);
        }
        return matrix;
    }

    /// A view of memory that has another owner, such as a mapped file. Closing it does nothing.
    ///
    /// @param data native memory that any thread may use, whole rows of floats, at an address that is a multiple of 4
    public static EmbeddingMatrix over(MemorySegment data, int dimensions) {
        if (dimensions < 1 || data.byteSize() == 0 || data.byteSize() % (4L * dimensions) != 0 || data.byteSize() / (4L * dimensions) > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(data.byteSize() + " bytes are no rows of " + dimensions + " floats");
        }
        if (!data.isNative() || data.address() % 4 != 0 || !data.isAccessibleBy(Thread.ofPlatform().unstarted(() -> { }))) {
            throw new IllegalArgumentException("the memory is on the heap, not aligned, or of one thread");
        }
        return new EmbeddingMatrix(Arena.global(), false, data, (int) (data.byteSize() / (4L * dimensions)), dimensions);
    }

    public int rows() {
        return rows;
    }

    /// Numbers of a row.
    public int dimensions() {
        return dimensions;
    }

    /// A copy of a row.
    public float[] row(int index) {
        return slice(index).toArray(ValueLayout.JAVA_FLOAT);
    }

    /// The memory: row after row, floats. Usable until this is closed.
    public MemorySegment data() {
        return data;
    }

    /// The dot product of two rows.
    public float dot(int a, int b) {
        return compare(a, b, false);
    }

    /// The cosine of the angle between two rows; 0 where one is all zeros.
    public float cosine(int a, int b) {
        return compare(a, b, true);
    }

    /// The rows that are nearest to a query by their cosine, best first, equals by index.
    ///
    /// @param most 1 or more; there are not more than rows
    public List<Match> nearest(float[] query, int most) {
        return nearest(query, most, Similarity.COSINE);
    }

    /// The rows that are nearest to a query, best first, equals by index. Where a NaN comes out, the row is last.
    ///
    /// @param most 1 or more; there are not more than rows
    public List<Match> nearest(float[] query, int most, Similarity similarity) {
        try (EmbeddingMatrix queries = of(query)) {
            return nearest(queries, most, similarity).getFirst();
        }
    }

    /// As [#nearest(float[], int, Similarity)] for each row of `queries`, in its order.
    public List<List<Match>> nearest(EmbeddingMatrix queries, int most, Similarity similarity) {
        Objects.requireNonNull(similarity, "similarity");
        if (queries.dimensions != dimensions) {
            throw new IllegalArgumentException("the query has %d numbers, a row has %d".formatted(queries.dimensions, dimensions));
        }
        if (most < 1) {
            throw new IllegalArgumentException("most = " + most);
        }
        int k = Math.min(most, rows);
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment index = scratch.allocate(ValueLayout.JAVA_INT, (long) queries.rows * k);
            MemorySegment score = scratch.allocate(ValueLayout.JAVA_FLOAT, (long) queries.rows * k);
            search(queries.data, queries.rows, data, rows, similarity == Similarity.COSINE, k, index, score);
            List<List<Match>> all = new ArrayList<>(queries.rows);
            for (int query = 0; query < queries.rows; query++) {
                List<Match> matches = new ArrayList<>(k);
                for (long i = (long) query * k; i < (long) (query + 1) * k; i++) {
                    matches.add(new Match(index.getAtIndex(ValueLayout.JAVA_INT, i), score.getAtIndex(ValueLayout.JAVA_FLOAT, i)));
                }
                all.add(matches);
            }
            return all;
        }
    }

    private float compare(int a, int b, boolean cosine) {
        try (Arena scratch = Arena.ofConfined()) {
            MemorySegment index = scratch.allocate(ValueLayout.JAVA_INT);
            MemorySegment score = scratch.allocate(ValueLayout.JAVA_FLOAT);
            search(slice(a), 1, slice(b), 1, cosine, 1, index, score);
            return score.get(ValueLayout.JAVA_FLOAT, 0);
        }
    }

    private void search(MemorySegment queries, int queryCount, MemorySegment among, int count, boolean cosine, int k, MemorySegment index,
            MemorySegment score) {
        Native.load();
        try {
            Status.check(chq_rows_nearest(among, count, queries, queryCount, dimensions, cosine, k, index, score));
        } catch (IllegalStateException e) {
            throw arena.scope().isAlive() ? e : new IllegalStateException("the embeddings are closed", e);
        }
    }

    private MemorySegment slice(int index) {
        return data.asSlice(Objects.checkIndex(index, rows) * rowBytes(), rowBytes());
    }

    private long rowBytes() {
        return 4L * dimensions;
    }

    /// Gives the memory back, if it is its own. Idempotent.
    ///
    /// @throws IllegalStateException if a comparison is in progress
    @Override
    public void close() {
        if (owned && arena.scope().isAlive()) {
            arena.close();
        }
    }
}
