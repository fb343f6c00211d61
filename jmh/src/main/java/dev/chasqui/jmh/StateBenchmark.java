package dev.chasqui.jmh;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Model;
import dev.chasqui.Sequence;
import dev.chasqui.models.ModelStore;
import java.util.Arrays;
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

/// Saving a sequence to memory and restoring it. `jmh/sequence-store.sh` has files and longer texts.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class StateBenchmark {

    @Param("smollm2-135m")
    public String model;

    @Param({"128", "1024"})
    public int tokens;

    private Model loaded;
    private Context context;
    private Sequence sequence;
    private byte[] state;

    @Setup(Level.Trial)
    public void load() {
        loaded = Model.load(ModelStore.standard().get(model));
        context = loaded.newContext(ContextOptions.defaults().withContextSize(2 * tokens));
        sequence = context.newSequence();
        int[] text = loaded.vocabulary().tokenize("A runner came down from the mountains with a knotted string. ".repeat(tokens));
        sequence.append(Arrays.copyOf(text, tokens));
        state = sequence.save();
    }

    @TearDown(Level.Trial)
    public void close() {
        context.close();
        loaded.close();
    }

    @Benchmark
    public byte[] save() {
        return sequence.save();
    }

    @Benchmark
    public int restore() {
        sequence.rewind(0);
        return sequence.restore(state);
    }
}
