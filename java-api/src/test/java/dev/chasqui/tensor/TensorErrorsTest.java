package dev.chasqui.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.chasqui.GgmlType;
import dev.chasqui.InsufficientMemoryException;
import dev.chasqui.UnsupportedFeatureException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What does not fit is refused when it is asked for, with the shapes in the message.
@Tag("standalone")
class TensorErrorsTest {

    private final TensorArena arena = TensorArena.shared();
    private final Tensor matrix = arena.tensor(GgmlType.F32, 3, 4);
    private final Tensor other = arena.tensor(GgmlType.F32, 5, 6);
    private final Tensor ints = arena.tensor(GgmlType.I32, 3);
    private final Tensor half = arena.tensor(GgmlType.F16, 3, 4);
    private final Tensor quantized = arena.tensor(GgmlType.Q4_0, 2, 32);

    @AfterEach
    void close() {
        arena.close();
    }

    private static void refused(Runnable call, String... parts) {
        assertThatIllegalArgumentException().isThrownBy(call::run).satisfies(e -> assertThat(e.getMessage()).contains(parts));
    }

    @Test
    void shapesThatDoNotFit() {
        refused(() -> matrix.add(other), "add", "F32 [3, 4]", "F32 [5, 6]");
        refused(() -> matrix.sub(other), "sub", "F32 [3, 4]", "F32 [5, 6]");
        refused(() -> matrix.mul(other), "mul", "F32 [3, 4]", "F32 [5, 6]");
        refused(() -> matrix.div(other), "div", "F32 [3, 4]", "F32 [5, 6]");
        refused(() -> matrix.matmul(other), "matmul", "F32 [3, 4]", "F32 [5, 6]");
        refused(() -> matrix.matmulTransposed(other), "F32 [3, 4]", "F32 [5, 6]", "rows of 4 and rows of 6");
        refused(() -> matrix.concat(other, 0), "concat", "F32 [3, 4]", "F32 [5, 6]");
        refused(() -> matrix.softmaxMasked(other, 1), "softmax", "F32 [3, 4]", "F32 [5, 6]");
        refused(() -> matrix.rope(ints, Rope.defaults().withDimensions(6)), "F32 [3, 4]", "I32 [3]", "6 of 4");
        refused(() -> other.rope(ints, Rope.defaults()), "F32 [5, 6]", "I32 [3]", "5 tokens");
        refused(() -> matrix.conv1d(other), "F32 [3, 4]", "F32 [5, 6]");
        refused(() -> matrix.conv2d(other), "F32 [3, 4]", "F32 [5, 6]");
        Tensor image = arena.tensor(GgmlType.F32, 3, 8, 8);
        refused(() -> image.conv2d(arena.tensor(GgmlType.F32, 2, 4, 3, 3)), "[3, 8, 8]", "[2, 4, 3, 3]", "3 channels");
        refused(() -> image.conv2d(arena.tensor(GgmlType.F32, 2, 3, 9, 9)), "[3, 8, 8]", "[2, 3, 9, 9]", "larger than the data");
        refused(() -> image.rows(ints), "F32 [3, 8, 8]", "I32 [3]");
        refused(() -> image.groupNorm(2, 0), "2 groups of 3");
        Tensor batch = arena.tensor(GgmlType.F32, 4, 3, 4);
        refused(() -> batch.matmul(arena.tensor(GgmlType.F32, 3, 4, 5)), "F32 [4, 3, 4]", "F32 [3, 4, 5]", "in front");
        refused(() -> matrix.matmul(arena.tensor(GgmlType.F32, 4)), "F32 [3, 4]", "F32 [4]");
    }

    @Test
    void typesThatDoNotFit() {
        refused(() -> matrix.add(half), "add", "F32 [3, 4]", "F16 [3, 4]", "both must be F32");
        refused(() -> ints.relu(), "I32 [3]", "must be F32");
        refused(() -> half.softmax(), "F16 [3, 4]", "must be F32");
        refused(() -> half.matmul(matrix), "F16 [3, 4]", "F32 [3, 4]", "must be F32");
        refused(() -> matrix.matmul(quantized), "F32 [3, 4]", "Q4_0 [2, 32]", "transposed");
        refused(() -> matrix.matmulTransposed(ints.reshape(1, 3)), "no products with I32");
        refused(() -> matrix.rows(matrix), "rows", "F32 [3, 4]", "must be I32");
        refused(() -> matrix.rope(matrix, Rope.defaults()), "positions", "must be I32");
        refused(() -> quantized.transpose(), "Q4_0 [2, 32]", "last axis");
        refused(() -> quantized.slice(1, 0, 16), "Q4_0", "blocks of 32");
        refused(() -> quantized.reshape(4, 16), "Q4_0", "blocks of 32");
        refused(() -> quantized.broadcastTo(3, 2, 32), "Q4_0", "cannot be repeated");
        refused(() -> matrix.cast(GgmlType.Q4_0), "blocks of 32");
        refused(() -> arena.tensor(GgmlType.F32, 32).cast(GgmlType.IQ2_XXS), "IQ2_XXS");
        refused(() -> half.cast(GgmlType.I32), "I32 cannot be made of it");
        refused(() -> matrix.concat(half, 0), "F32 [3, 4]", "F16 [3, 4]");
        refused(() -> matrix.softmaxMasked(quantized, 1), "mask");
    }

    @Test
    void axesAndRangesThatAreNotThere() {
        refused(() -> matrix.slice(2, 0, 1), "[3, 4]", "axis 2");
        refused(() -> matrix.slice(-3, 0, 1), "[3, 4]", "axis -3");
        refused(() -> matrix.slice(0, 2, 2), "[3, 4]", "[2, 2)");
        refused(() -> matrix.slice(0, -1, 2), "[-1, 2)");
        refused(() -> matrix.slice(1, 0, 5), "[0, 5)");
        refused(() -> matrix.permute(0), "1 axes");
        refused(() -> matrix.permute(0, 0), "twice");
        refused(() -> matrix.permute(0, 2), "axis 2");
        refused(() -> matrix.reshape(3, 5), "F32 [3, 4]", "[3, 5]");
        refused(() -> matrix.reshape(-1, 5), "[2, 5]");
        refused(() -> matrix.reshape(-1, -1), "[-1, -1]");
        refused(() -> matrix.reshape(0, 4), "[0, 4]");
        refused(() -> matrix.reshape(1, 1, 1, 3, 4), "5 axes");
        refused(() -> matrix.reshape(Long.MAX_VALUE, 2), "F32 [3, 4]");
        refused(() -> matrix.broadcastTo(3), "F32 [3, 4]", "[3]");
        refused(() -> matrix.broadcastTo(2, 3, 5), "F32 [3, 4]", "[2, 3, 5]");
        refused(() -> matrix.sum(2), "axis 2");
        refused(() -> matrix.topK(0), "k = 0");
        refused(() -> matrix.topK(5), "k = 5 of 4");
        refused(() -> matrix.squeeze(0), "axis 0");
        refused(() -> ints.transpose(), "no two axes");
        refused(() -> arena.tensor(GgmlType.F32).softmax(), "1 to 4 axes");
        refused(() -> arena.tensor(GgmlType.F32).argMax(), "no axis");
        refused(() -> arena.tensor(GgmlType.F32, 1, 1, 1, 1).unsqueeze(0), "5 axes");
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> matrix.size(2));
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> matrix.unsqueeze(4));
    }

    @Test
    void valuesThatMeanNothing() {
        refused(() -> matrix.rmsNorm(-1), "eps = -1");
        refused(() -> matrix.layerNorm(Float.NaN), "eps");
        refused(() -> matrix.clamp(2, 1), "2..1");
        refused(() -> matrix.clamp(Float.NaN, 1), "clamp");
        refused(() -> matrix.softmaxMasked(matrix, Float.POSITIVE_INFINITY), "scale");
        refused(() -> matrix.softmaxMasked(matrix, 1, -1), "max_bias");
        refused(() -> matrix.rope(ints, Rope.defaults().withBase(0)), "freq_base");
        refused(() -> matrix.rope(ints, Rope.defaults().withScale(Float.NaN)), "finite");
        refused(() -> new Convolution(0, 0, 1), "stride = 0");
        refused(() -> new Convolution(1, -1, 1), "padding = -1");
        refused(() -> new TensorOptions(null, 1000), "threads = 1000");
        refused(() -> TensorArena.confined(TensorOptions.defaults().withDevice("no such device")), "no such device");
        refused(() -> TensorArena.confined(TensorOptions.defaults().withDevice("a\0b")), "NUL");
        refused(() -> TensorArena.confined(TensorOptions.defaults().withDevice("Chasqui")), "holds no tensors");
        assertThatNullPointerException().isThrownBy(() -> matrix.add((Tensor) null));
        assertThatNullPointerException().isThrownBy(() -> arena.tensor(null, 1));
        assertThatNullPointerException().isThrownBy(() -> arena.tensor(GgmlType.F32, (long[]) null));
        assertThatNullPointerException().isThrownBy(() -> matrix.set((float[]) null));
        assertThatNullPointerException().isThrownBy(() -> matrix.cast(null));
        assertThatNullPointerException().isThrownBy(() -> Graph.of((Tensor) null));
        assertThatNullPointerException().isThrownBy(() -> matrix.rope(null, Rope.defaults()));
    }

    @Test
    void sizesThatNobodyHas() {
        refused(() -> arena.tensor(GgmlType.F32, 0), "[0]");
        refused(() -> arena.tensor(GgmlType.F32, -3, 2), "[-3, 2]");
        refused(() -> arena.tensor(GgmlType.F32, 1L << 40), "2^31");
        refused(() -> arena.tensor(GgmlType.F32, Long.MAX_VALUE, Long.MAX_VALUE), "2^31");
        refused(() -> arena.tensor(GgmlType.F32, 1 << 16, 1 << 15), "2^31");
        refused(() -> arena.tensor(GgmlType.F32, 1, 1, 1, 1, 1), "5 axes");
        refused(() -> arena.tensor(GgmlType.Q4_K, 2, 128), "[2, 128]", "multiple of 256");
        refused(() -> arena.of(new float[3], 2, 2), "3 values", "[2, 2]");
        refused(() -> arena.of(new int[0], 0), "0 values");
        refused(() -> arena.of(new float[1], Long.MAX_VALUE, Long.MAX_VALUE), "1 values");

        Tensor column = arena.tensor(GgmlType.F32, 40_000, 1);
        Tensor row = arena.tensor(GgmlType.F32, 1, 50_000);
        Tensor large = column.add(row);
        assertThat(large.byteSize()).isEqualTo(8_000_000_000L);
        refused(() -> large.unsqueeze(0).broadcastTo(2, 40_000, 50_000), "2^31");
        refused(() -> large.matmul(arena.tensor(GgmlType.F32, 50_000, 60_000 / 4 * 4).slice(1, 0, 60_000)), "2^31");
        refused(() -> large.concat(large, 0), "2^31");
    }

    /// Some terabytes, all needed at the same time: known before anything is allocated.
    @Test
    void intermediateResultsThatDoNotFit() {
        Tensor column = arena.tensor(GgmlType.F32, 40_000, 1);
        Tensor row = arena.tensor(GgmlType.F32, 1, 50_000);
        Tensor sum = column.add(row);
        for (int i = 0; i < 2_000; i++) {
            sum = column.mul(row).sub(sum.neg());
        }
        Tensor result = sum.sum();
        long before = arena.byteSize();
        assertThatExceptionOfType(InsufficientMemoryException.class).isThrownBy(result::compute).withMessageContaining("bytes are needed");
        assertThat(arena.byteSize()).isLessThanOrEqualTo(before + (1 << 20));
        assertThatIllegalStateException().isThrownBy(result::toFloats).withMessageContaining("not stored");
        assertThat(matrix.add(1).compute().toFloats()).containsOnly(1);
    }

    @Test
    void graphsThatAreTooLong() {
        Tensor sum = matrix;
        for (int i = 0; i < 16_384; i++) {
            sum = sum.add(1);
        }
        Tensor longest = sum;
        refused(longest::compute, "16384");
        assertThat(Graph.of(matrix).compute().operations()).isZero();
        refused(() -> Graph.of(), "at least one");
    }

    @Test
    void numbersThatCannotBeWritten() {
        refused(() -> matrix.set(1, 2, 3), "3 values", "F32 [3, 4]", "12");
        refused(() -> ints.setInts(1, 2), "2", "I32 [3]");
        refused(() -> quantized.set(filled(64, Float.NaN)), "Q4_0");
        refused(() -> quantized.set(filled(64, Float.NEGATIVE_INFINITY)), "Q4_0");
        assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> ints.set(1, 2, 3)).withMessageContaining("I32");
        assertThatExceptionOfType(UnsupportedFeatureException.class)
                .isThrownBy(() -> arena.tensor(GgmlType.IQ2_XXS, 256).set(new float[256])).withMessageContaining("IQ2_XXS");
        assertThatExceptionOfType(UnsupportedFeatureException.class)
                .isThrownBy(() -> arena.tensor(GgmlType.Q8_K, 256).toFloats()).withMessageContaining("Q8_K");
        assertThatIllegalStateException().isThrownBy(() -> matrix.setInts(1)).withMessageContaining("F32 [3, 4] is not of type I32");
        assertThatIllegalStateException().isThrownBy(() -> matrix.transpose().set(new float[12])).withMessageContaining("another order");
        assertThatIllegalStateException().isThrownBy(() -> matrix.slice(1, 0, 2).set(new float[6])).withMessageContaining("gaps");
        assertThatIllegalStateException().isThrownBy(() -> matrix.add(1).set(new float[12])).withMessageContaining("not stored");
        assertThatIllegalStateException().isThrownBy(() -> matrix.add(1).compute().set(new float[12])).withMessageContaining("a result");
    }

    @Test
    void numbersThatAreNotThere() {
        Tensor lazy = matrix.add(1);
        assertThatIllegalStateException().isThrownBy(lazy::toFloats).withMessageContaining("F32 [3, 4] is not stored");
        assertThatIllegalStateException().isThrownBy(lazy::segment).withMessageContaining("not stored");
        assertThatIllegalStateException().isThrownBy(lazy::floatBuffer).withMessageContaining("not stored");
        assertThatIllegalStateException().isThrownBy(() -> lazy.transpose().toFloats()).withMessageContaining("F32 [4, 3] is not stored");
        assertThatIllegalStateException().isThrownBy(matrix::toInts).withMessageContaining("not of type I32");
        assertThatIllegalStateException().isThrownBy(matrix::toFloat).withMessageContaining("not a single number");
        assertThatIllegalStateException().isThrownBy(ints::floatBuffer).withMessageContaining("not of type F32");
        assertThatIllegalStateException().isThrownBy(() -> matrix.transpose().segment()).withMessageContaining("another order");
        try (Graph graph = Graph.of(lazy)) {
            assertThatIllegalStateException().isThrownBy(lazy::toFloats).withMessageContaining("not been computed yet");
            assertThatIllegalStateException().isThrownBy(() -> lazy.add(1).compute()).withMessageContaining("another graph");
            graph.compute();
        }
        assertThat(lazy.add(1).compute().toFloats()).containsOnly(2);
    }

    @Test
    void idsOutOfRange() {
        for (int wrong : new int[] {-1, 3, Integer.MAX_VALUE, Integer.MIN_VALUE}) {
            Tensor rows = matrix.rows(arena.of(new int[] {0, wrong}, 2));
            refused(rows::compute, "id " + wrong, "0..2");
        }
        refused(() -> matrix.rows(matrix.argSort().flatten()), "positions among 4", "3 rows");
        refused(() -> matrix.rows(matrix.flatten().cast(GgmlType.I32)), "compute them first");
        List<Tensor> unchecked = new ArrayList<>();
        Tensor cast = arena.of(new float[] {5}, 1).cast(GgmlType.I32);
        refused(() -> unchecked.add(matrix.rows(cast)), "compute them first");
        Tensor rows = matrix.rows(cast.compute());
        refused(rows::compute, "id 5");
        refused(() -> Graph.of(cast, rows), "compute them first");
        assertThat(unchecked).isEmpty();
    }

    private static float[] filled(int count, float value) {
        float[] values = new float[count];
        values[count - 1] = value;
        return values;
    }
}
