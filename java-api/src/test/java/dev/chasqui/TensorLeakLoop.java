package dev.chasqui;

import dev.chasqui.tensor.Graph;
import dev.chasqui.tensor.Tensor;
import dev.chasqui.tensor.TensorArena;
import dev.chasqui.tensor.TensorOptions;
import java.io.IOException;
import java.nio.file.Path;

/// Makes, uses and closes arenas, children and graphs again and again, and prints how the memory of the process grew after the first rounds.
final class TensorLeakLoop {

    private TensorLeakLoop() {
    }

    public static void main(String[] args) throws IOException {
        Path file = Path.of(args[0]);
        int rounds = Integer.parseInt(args[1]);
        long before = 0;
        for (int round = 1; round <= rounds; round++) {
            try (TensorArena arena = round % 2 == 0 ? TensorArena.confined() : TensorArena.shared(TensorOptions.defaults().withThreads(2))) {
                Tensor weights = arena.map(file, "matrix").get("matrix");
                Tensor large = arena.tensor(GgmlType.F32, 300, 300);
                try (TensorArena child = arena.child()) {
                    Tensor y = child.of(new float[8], 2, 4).matmulTransposed(weights).softmax();
                    try (Graph graph = Graph.of(y, large.add(child.of(new float[] {1}, 1)))) {
                        graph.compute();
                        graph.compute();
                    }
                    Graph.of(y.neg()); // goes with its arena
                    y.floatBuffer().get(0);
                    try {
                        y.add(large);
                        throw new AssertionError("that does not fit");
                    } catch (IllegalArgumentException e) {
                        // as it should be
                    }
                }
            }
            if (round == rounds / 3) {
                before = LeakLoop.residentKib();
            }
        }
        System.out.println("growth KiB: " + (LeakLoop.residentKib() - before));
    }
}
