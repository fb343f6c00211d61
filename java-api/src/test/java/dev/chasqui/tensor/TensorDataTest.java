package dev.chasqui.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.chasqui.Chasqui;
import dev.chasqui.Device;
import dev.chasqui.GgmlType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.FloatBuffer;
import java.nio.ReadOnlyBufferException;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What tensors hold, in every type, and where it is.
@Tag("standalone")
class TensorDataTest {

    /// Root of the mean squared error of numbers with standard deviation 1, rounded up.
    private static final Map<GgmlType, Double> ERRORS = Map.ofEntries(
            Map.entry(GgmlType.F16, 0.001), Map.entry(GgmlType.BF16, 0.005), Map.entry(GgmlType.Q8_0, 0.01),
            Map.entry(GgmlType.Q4_0, 0.12), Map.entry(GgmlType.Q4_1, 0.11), Map.entry(GgmlType.Q5_0, 0.06), Map.entry(GgmlType.Q5_1, 0.06),
            Map.entry(GgmlType.Q2_K, 0.4), Map.entry(GgmlType.Q3_K, 0.2), Map.entry(GgmlType.Q4_K, 0.1), Map.entry(GgmlType.Q5_K, 0.05),
            Map.entry(GgmlType.Q6_K, 0.03), Map.entry(GgmlType.IQ4_NL, 0.1), Map.entry(GgmlType.IQ4_XS, 0.1),
            Map.entry(GgmlType.MXFP4, 0.2), Map.entry(GgmlType.NVFP4, 0.2));

    private final TensorArena arena = TensorArena.shared(TensorOptions.defaults().withThreads(2));

    @AfterEach
    void close() {
        arena.close();
    }

    private static double error(float[] actual, double[] expected) {
        assertThat(actual).hasSameSizeAs(expected);
        double sum = 0;
        for (int i = 0; i < actual.length; i++) {
            sum += (actual[i] - expected[i]) * (actual[i] - expected[i]);
        }
        return Math.sqrt(sum / actual.length);
    }

    @Test
    void everyTypeThatCanBeWritten() {
        NdArray x = NdArray.random(new Random(1), 3, 5, 512);
        ERRORS.forEach((type, bound) -> {
            Tensor t = arena.tensor(type, 3, 5, 512).set(x.floats());
            assertThat(t.byteSize()).isEqualTo(type.bytes(3 * 5 * 512));
            double error = error(t.toFloats(), x.data());
            assertThat(error).as("%s", type).isBetween(bound / 50, bound);
            assertThat(t.slice(1, 1, 3).permute(1, 0, 2).toFloats()).as("view of %s", type)
                    .isEqualTo(NdArray.of(t.toFloats(), 3, 5, 512).slice(1, 1, 3).permute(1, 0, 2).floats());
            assertThat(error(arena.of(x.floats(), x.longShape()).cast(type).compute().toFloats(), x.data())).as("cast to %s", type).isLessThanOrEqualTo(bound);
            assertThat(t.cast(GgmlType.F32).compute().toFloats()).as("cast from %s", type).isEqualTo(t.toFloats());
        });
        for (GgmlType type : new GgmlType[] {GgmlType.TQ1_0, GgmlType.TQ2_0}) {
            float[] ternary = NdArray.generate(new int[] {256}, i -> i[0] % 3 - 1).floats();
            assertThat(arena.tensor(type, 256).set(ternary).toFloats()).as("%s", type).isEqualTo(ternary);
        }
    }

    /// A product with quantised weights is one with the weights that they stand for, up to the rounding of the other operand to 8 or 16 bits.
    @Test
    void productsWithEveryType() {
        Random random = new Random(2);
        NdArray x = NdArray.random(random, 7, 512);
        NdArray w = NdArray.random(random, 9, 512);
        Tensor rows = arena.of(x.floats(), 7, 512);
        double size = Math.sqrt(512);
        ERRORS.keySet().forEach(type -> {
            Tensor weights = arena.tensor(type, 9, 512).set(w.floats());
            NdArray expected = x.matmul(NdArray.of(weights.toFloats(), 9, 512).transpose());
            double error = error(rows.matmulTransposed(weights).compute().toFloats(), expected.data());
            assertThat(error / size).as("%s", type).isLessThan(0.02);
            Tensor one = rows.slice(0, 2, 3);
            assertThat(error(one.matmulTransposed(weights).compute().toFloats(), expected.slice(0, 2, 3).data()) / size).as("a row times %s", type).isLessThan(0.02);
        });
    }

    @Test
    void rowsOfEveryType() {
        NdArray table = NdArray.random(new Random(3), 6, 256);
        Tensor ids = arena.of(new int[] {5, 0, 5}, 3);
        ERRORS.keySet().forEach(type -> {
            Tensor t = arena.tensor(type, 6, 256).set(table.floats());
            NdArray known = NdArray.of(t.toFloats(), 6, 256);
            NdArray expected = known.slice(0, 5, 6).concat(known.slice(0, 0, 1), 0).concat(known.slice(0, 5, 6), 0);
            assertThat(t.rows(ids).compute().toFloats()).as("%s", type).isEqualTo(expected.floats());
            assertThat(t.slice(0, 1, 6).rows(arena.of(new int[] {4}, 1)).compute().toFloats()).isEqualTo(known.slice(0, 5, 6).floats());
        });
        assertThat(arena.of(new int[] {1, 2, 3, 4}, 2, 2).rows(arena.of(new int[] {1}, 1)).compute().toInts()).containsExactly(3, 4);
    }

    @Test
    void zeroesAtFirst() {
        for (GgmlType type : new GgmlType[] {GgmlType.F32, GgmlType.F16, GgmlType.Q4_0, GgmlType.Q6_K, GgmlType.I8, GgmlType.I16, GgmlType.I64, GgmlType.F64}) {
            float[] values = arena.tensor(type, 2, 256).toFloats();
            assertThat(values).as("%s", type).hasSize(512);
            for (float value : values) {
                assertThat(value == 0).as("%s", type).isTrue(); // some types have a negative zero there
            }
        }
        Tensor single = arena.tensor(GgmlType.F32);
        assertThat(single.rank()).isZero();
        assertThat(single.elementCount()).isOne();
        assertThat(single.set(2.5f).toFloat()).isEqualTo(2.5f);
    }

    @Test
    void integersAndBytes() {
        assertThat(arena.of(new int[] {1, -2, Integer.MAX_VALUE}, 3).toInts()).containsExactly(1, -2, Integer.MAX_VALUE);
        Tensor wide = arena.tensor(GgmlType.I64, 2);
        wide.setBytes(MemorySegment.ofArray(new long[] {1L << 40, -5}));
        assertThat(wide.toFloats()).containsExactly(0x1p40f, -5);
        try (Arena scratch = Arena.ofConfined()) {
            wide.setBytes(scratch.allocateFrom(ValueLayout.JAVA_LONG, 7, 8));
        }
        assertThat(wide.toFloats()).containsExactly(7, 8);
        assertThat(arena.of(new int[] {1, 2, 3, 4, 5, 6}, 2, 3).transpose().toInts()).containsExactly(1, 4, 2, 5, 3, 6);
    }

    @Test
    void theMemoryItself() {
        Tensor x = arena.of(new float[] {1, 2, 3, 4}, 2, 2);
        MemorySegment segment = x.segment();
        FloatBuffer buffer = x.floatBuffer();
        assertThat(segment.byteSize()).isEqualTo(16);
        segment.setAtIndex(ValueLayout.JAVA_FLOAT, 3, 40);
        buffer.put(0, 10);
        assertThat(x.toFloats()).containsExactly(10, 2, 3, 40);
        x.slice(0, 1, 2).set(7f, 8f);
        assertThat(buffer.get(2)).isEqualTo(7);
        assertThat(x.slice(0, 1, 2).floatBuffer().get(1)).isEqualTo(8);
        assertThat(x.reshape(4).segment().address()).isEqualTo(segment.address());

        Tensor y = x.mul(2).compute();
        MemorySegment result = y.segment();
        assertThat(result.isReadOnly()).isTrue();
        assertThat(result.getAtIndex(ValueLayout.JAVA_FLOAT, 0)).isEqualTo(20);
        assertThatExceptionOfType(ReadOnlyBufferException.class).isThrownBy(() -> y.floatBuffer().put(0, 1));
        buffer.put(0, 100);
        y.compute();
        assertThat(result.getAtIndex(ValueLayout.JAVA_FLOAT, 0)).isEqualTo(200);
    }

    @Test
    void aDeviceByName() {
        Device cpu = Chasqui.devices().stream().filter(device -> device.type() == Device.Type.CPU).findFirst().orElseThrow();
        try (TensorArena there = TensorArena.confined(TensorOptions.defaults().withDevice(cpu).withThreads(1)); TensorArena child = there.child()) {
            assertThat(there.options()).isEqualTo(new TensorOptions(cpu.name(), 1));
            assertThat(child.options()).isEqualTo(there.options());
            assertThat(there.of(new float[] {2}, 1).mul(child.of(new float[] {3}, 1)).compute().segment().get(ValueLayout.JAVA_FLOAT, 0)).isEqualTo(6);
        }
    }

    @Test
    void descriptions() {
        Tensor t = arena.tensor(GgmlType.Q4_K, 2, 3, 256);
        assertThat(t).hasToString("Q4_K [2, 3, 256]");
        assertThat(t.rank()).isEqualTo(3);
        assertThat(t.size(0)).isEqualTo(2);
        assertThat(t.size(-1)).isEqualTo(256);
        assertThat(t.elementCount()).isEqualTo(1536);
        assertThat(t.type()).isEqualTo(GgmlType.Q4_K);
        assertThat(t.arena()).isSameAs(arena);
        long[] shape = t.shape();
        shape[0] = 100;
        assertThat(t.shape()).containsExactly(2, 3, 256);
        assertThat(t.contiguous()).isSameAs(t);
        assertThat(arena.byteSize()).isGreaterThanOrEqualTo(t.byteSize());
    }
}
