package dev.chasqui.jmh;

import dev.chasqui.Model;
import dev.chasqui.ModelOptions;
import dev.chasqui.Sampler;
import dev.chasqui.SamplerChain;
import dev.chasqui.Vocabulary;
import dev.chasqui.models.ModelStore;
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

/// Between text and tokens, without a model's weights: tokenising about a thousand characters and back, and a pick from a row of logits by the standard and by the greedy
/// sampler.
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
public class TextBenchmark {

    private static final String TEXT = "The chasquis carried messages, and fresh fish, from the coast to the mountains in two days: each ran a few miles, uphill. ".repeat(8);

    @Param("smollm2-135m")
    public String model;

    private Model loaded;
    private Vocabulary vocabulary;
    private SamplerChain standard;
    private SamplerChain greedy;
    private int[] tokens;
    private float[] logits;

    @Setup(Level.Trial)
    public void load() {
        loaded = Model.load(ModelStore.standard().get(model), ModelOptions.defaults().withVocabularyOnly(true));
        vocabulary = loaded.vocabulary();
        standard = loaded.newSamplerChain(Sampler.standard(0.8f, 1));
        greedy = loaded.newSamplerChain(Sampler.greedy());
        tokens = vocabulary.tokenize(TEXT);
        SplittableRandom random = new SplittableRandom(1);
        logits = new float[vocabulary.size()];
        for (int i = 0; i < logits.length; i++) {
            logits[i] = (float) random.nextGaussian() * 3;
        }
    }

    @TearDown(Level.Trial)
    public void close() {
        greedy.close();
        standard.close();
        loaded.close();
    }

    @Benchmark
    public int[] tokenize() {
        return vocabulary.tokenize(TEXT);
    }

    @Benchmark
    public String detokenize() {
        return vocabulary.detokenize(tokens);
    }

    @Benchmark
    public int pickStandard() {
        return standard.pick(logits);
    }

    @Benchmark
    public int pickGreedy() {
        return greedy.pick(logits);
    }
}
