package dev.chasqui.jmh;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.Chasqui;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/// What a call of native code costs by itself: one that gives a number, one that is guarded and writes its result, and a guarded one that fails.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class CallBenchmark {

    private Arena arena;
    private MemorySegment tree;
    private MemorySegment node;

    @Setup(Level.Trial)
    public void create() {
        Chasqui.version();
        arena = Arena.ofConfined();
        MemorySegment out = arena.allocate(ValueLayout.ADDRESS);
        if (chq_tree_create(out) != CHQ_STATUS_OK()) {
            throw new IllegalStateException(chq_last_error().getString(0));
        }
        tree = out.get(ValueLayout.ADDRESS, 0);
        node = arena.allocate(ValueLayout.JAVA_INT);
    }

    @TearDown(Level.Trial)
    public void free() {
        chq_tree_free(tree);
        arena.close();
    }

    @Benchmark
    public int number() {
        return chq_log_pending();
    }

    @Benchmark
    public int guarded() {
        return chq_tree_reset(tree, 0);
    }

    @Benchmark
    public int failing() {
        return chq_tree_add(tree, -2, 0, 0.5f, node);
    }
}
