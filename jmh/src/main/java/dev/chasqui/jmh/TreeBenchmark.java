package dev.chasqui.jmh;

import static dev.chasqui.bindings.Chq.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// Token trees without a model: what growing and pruning one costs.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class TreeBenchmark {

    @Param({"8", "16", "64"})
    public int nodes;

    private Arena arena;
    private MemorySegment tree;
    private MemorySegment node;
    private int[] parents;
    private int[] tokens;

    @Setup(Level.Trial)
    public void create() {
        arena = Arena.ofConfined();
        MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
        node = arena.allocate(ValueLayout.JAVA_INT);
        check(chq_tree_create(out));
        tree = out.get(ValueLayout.ADDRESS, 0);
        SplittableRandom random = new SplittableRandom(1);
        parents = new int[nodes];
        tokens = new int[nodes];
        for (int i = 1; i < nodes; i++) {
            parents[i] = random.nextInt(i);
            tokens[i] = i;
        }
    }

    @TearDown(Level.Trial)
    public void free() {
        check(chq_tree_free(tree));
        arena.close();
    }

    @Benchmark
    public int grow() {
        check(chq_tree_reset(tree, 0));
        for (int i = 1; i < nodes; i++) {
            check(chq_tree_add(tree, parents[i], tokens[i], 0.5f, node));
        }
        return node.get(ValueLayout.JAVA_INT, 0);
    }

    @Benchmark
    public int growAndPrune() {
        int last = grow();
        check(chq_tree_prune(tree, nodes / 2));
        return last;
    }

    private static void check(int status) {
        if (status != CHQ_STATUS_OK()) {
            throw new IllegalStateException(chq_last_error().getString(0));
        }
    }
}
