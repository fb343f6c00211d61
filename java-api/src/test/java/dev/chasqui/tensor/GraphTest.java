package dev.chasqui.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.offset;

import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class GraphTest {

    private final TensorArena arena = TensorArena.shared(TensorOptions.defaults().withThreads(2));

    @AfterEach
    void close() {
        arena.close();
    }

    @Test
    void newNumbersEachTime() {
        Tensor x = arena.of(new float[] {1, 2}, 2);
        Tensor y = x.mul(10).add(1);
        try (Graph graph = Graph.of(y)) {
            for (int i = 0; i < 5; i++) {
                x.set(i, 2 * i);
                graph.compute();
                assertThat(y.toFloats()).containsExactly(10 * i + 1, 20 * i + 1);
            }
        }
        assertThat(y.toFloats()).containsExactly(41, 81);
    }

    @Test
    void severalOutputsOfOneComputation() {
        Tensor x = arena.of(new float[] {1, 2, 3, 4}, 2, 2);
        Tensor doubled = x.mul(2);
        Tensor square = doubled.square();
        Tensor column = square.transpose().slice(0, 0, 1);
        try (Graph graph = arena.graph(doubled, square, column, doubled)) {
            graph.compute();
            assertThat(graph.operations()).isEqualTo(2);
            assertThat(graph.splits()).isOne();
            assertThat(doubled.toFloats()).containsExactly(2, 4, 6, 8);
            assertThat(square.toFloats()).containsExactly(4, 16, 36, 64);
            assertThat(column.toFloats()).containsExactly(4, 36);
            assertThat(column.shape()).containsExactly(1, 2);
        }
    }

    /// The norm and the product after it may run as one kernel, which must not leave the norm out when it is wanted too.
    @Test
    void anIntermediateResultThatIsAnOutputToo() {
        NdArray x = NdArray.random(new Random(1), 3, 64);
        NdArray w = NdArray.random(new Random(2), 64);
        Tensor normed = arena.of(x.floats(), 3, 64).rmsNorm(1e-5f);
        Tensor scaled = normed.mul(arena.of(w.floats(), 64));
        Graph.of(scaled, normed).compute();
        NdArray expected = x.rmsNorm(1e-5f);
        for (int i = 0; i < 192; i++) {
            assertThat(normed.toFloats()[i]).isCloseTo((float) expected.data()[i], offset(1e-5f));
            assertThat(scaled.toFloats()[i]).isCloseTo((float) (expected.data()[i] * w.data()[i % 64]), offset(1e-4f));
        }
    }

    @Test
    void resultsOfEarlierGraphsAreTakenAsTheyAre() {
        Tensor x = arena.of(new float[] {1}, 1);
        Tensor state = x.add(1).compute();
        Tensor next = state.mul(2);
        x.set(100);
        assertThat(next.compute().toFloats()).containsExactly(4);
        assertThat(state.compute().toFloats()).containsExactly(101);
        assertThat(next.compute().toFloats()).containsExactly(202);
        try (Graph both = Graph.of(next, state)) {
            x.set(5);
            both.compute();
            assertThat(next.toFloats()).containsExactly(12);
        }
    }

    @Test
    void intermediateResultsShareMemory() {
        Tensor x = arena.of(new float[1 << 16], 1 << 16);
        Tensor y = x;
        for (int i = 0; i < 100; i++) {
            y = y.add(1).sin();
        }
        try (Graph graph = Graph.of(y)) {
            assertThat(graph.operations()).isEqualTo(200);
            assertThat(graph.byteSize()).isBetween(1L << 18, 4L << 18);
        }
    }

    @Test
    void outputsOfOtherArenas() {
        try (TensorArena stranger = TensorArena.shared()) {
            Tensor mine = arena.of(new float[] {1}, 1);
            Tensor other = stranger.of(new float[] {1}, 1);
            assertThatIllegalArgumentException().isThrownBy(() -> Graph.of(mine.add(1), other.add(1))).withMessageContaining("another arena");
            assertThatIllegalArgumentException().isThrownBy(() -> mine.add(other)).withMessageContaining("not of this arena");
            assertThatIllegalArgumentException().isThrownBy(() -> other.add(mine)).withMessageContaining("not of this arena");
        }
    }

    @Test
    void children() {
        Tensor weights = arena.of(new float[] {1, 2, 3, 4}, 2, 2);
        Tensor lazy = weights.mul(2);
        for (int i = 0; i < 3; i++) {
            try (TensorArena child = arena.child(); TensorArena grandchild = child.child()) {
                Tensor x = grandchild.of(new float[] {i, 1}, 2);
                Tensor y = x.matmulTransposed(weights);
                assertThat(y.arena()).isSameAs(grandchild);
                assertThat(y.compute().toFloats()).containsExactly(i + 2, 3 * i + 4);
                assertThat(weights.add(x).arena()).isSameAs(grandchild);
                assertThat(weights.transpose().arena()).isSameAs(arena);
                assertThatIllegalArgumentException().isThrownBy(() -> lazy.add(x)).withMessageContaining("compute it there first");
                Tensor inner = child.of(new float[] {1, 1}, 2).add(1);
                assertThatIllegalArgumentException().isThrownBy(() -> inner.add(x)).withMessageContaining("compute it there first");
                assertThat(inner.compute().add(x).compute().toFloats()).containsExactly(i + 2, 3);
            }
        }
    }

    @Test
    void aClosedGraph() {
        Tensor y = arena.of(new float[] {1}, 1).add(1);
        Graph graph = Graph.of(y).compute();
        graph.close();
        graph.close();
        assertThat(y.toFloats()).containsExactly(2);
        assertThatIllegalStateException().isThrownBy(graph::compute).withMessage("the graph is closed");
    }
}
