package snippets;

import dev.chasqui.tensor.Graph;
import dev.chasqui.tensor.Tensor;
import dev.chasqui.tensor.TensorArena;

/// Code that the documentation of tensors shows.
final class TensorSnippets {

    private TensorSnippets() {}

    static void arena() {
        // @start region="arena"
        try (TensorArena arena = TensorArena.confined()) {
            Tensor x = arena.of(new float[] {1, 2, 3}, 1, 3);
            Tensor w = arena.of(new float[] {1, 0, 0, 0, 1, 1}, 2, 3);
            float[] y = x.matmulTransposed(w).relu().compute().toFloats(); // 1, 5
        }
        // @end
    }

    static void graph(TensorArena arena, Tensor x, Tensor w) {
        // @start region="graph"
        try (Graph graph = arena.graph(x.matmulTransposed(w).softmax())) {
            for (int step = 0; step < 10; step++) {
                x.set(new float[] {step, 2, 3});
                graph.compute();
            }
        }
        // @end
    }
}
