package dev.chasqui.jmh;

import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.SamplerChain;
import dev.chasqui.Sequence;
import dev.chasqui.models.ModelStore;
import java.util.Iterator;
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

/// One generated token. Run with `-prof gc`: `gc.alloc.rate.norm` is the heap allocation per token.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 5)
@Measurement(iterations = 5, time = 5)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class TokenLoopBenchmark {

    private static final int CONTEXT = 512;
    private static final String PROMPT = "The history of the roads of the Incas begins";

    @Param("smollm2-135m")
    public String model;

    private Model loaded;
    private Context context;
    private Sequence sequence;
    private SamplerChain chain;
    private int promptLength;
    private Iterator<String> pieces;

    @Setup(Level.Trial)
    public void load() {
        loaded = Model.load(ModelStore.standard().get(model));
        context = loaded.newContext(ContextOptions.defaults().withContextSize(CONTEXT));
        sequence = context.newSequence();
        chain = loaded.newSamplerChain(Sampler.greedy());
        sequence.append(PROMPT);
        promptLength = sequence.length();
    }

    @TearDown(Level.Trial)
    public void close() {
        chain.close();
        context.close();
        loaded.close();
    }

    /// The low-level loop: one native call per token.
    @Benchmark
    public int next() {
        if (sequence.length() >= CONTEXT) {
            sequence.rewind(promptLength);
        }
        return sequence.next(chain);
    }

    /// The same through a generation, with text.
    @Benchmark
    public String piece() {
        if (pieces == null || !pieces.hasNext()) {
            sequence.rewind(promptLength);
            Generation generation = sequence.generate(GenerationOptions.defaults().withSampler(Sampler.greedy()).withIgnoreEnd(true)
                    .withMaxTokens(CONTEXT - promptLength - 1));
            pieces = generation.iterator();
        }
        return pieces.next();
    }
}
