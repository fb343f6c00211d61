package dev.chasqui;

import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.util.Iterator;
import org.junit.jupiter.api.Test;

/// What one generated token costs on the Java heap, as the JVM counts it for this thread.
class AllocationTest {

    private static final int CONTEXT = 512;
    private static final int PROMPT = 8;
    private static final int ROUND = CONTEXT - PROMPT - 1;
    private static final int WARM_UP = 40;
    private static final int ROUNDS = 10;

    private final ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    @Test
    void theTokenLoopAllocatesNothing() {
        try (Context context = context(); Sequence sequence = context.newSequence();
                SamplerChain chain = TestModels.tiny().newSamplerChain(Sampler.greedy())) {
            sequence.append(tokens(PROMPT, 1));
            int sum = 0;
            long before = 0;
            for (int round = 0; round < WARM_UP + ROUNDS; round++) {
                if (round == WARM_UP) {
                    before = threads.getCurrentThreadAllocatedBytes();
                }
                sequence.rewind(PROMPT);
                for (int i = 0; i < ROUND; i++) {
                    sum += sequence.next(chain);
                }
            }
            long perToken = (threads.getCurrentThreadAllocatedBytes() - before) / ((long) ROUNDS * ROUND);
            assertThat(sum).isPositive();
            assertThat(perToken).isZero();
        }
    }

    /// Measured on plain text: the JDK decodes malformed UTF-8, which a random model makes, through arrays of its own.
    @Test
    void aStreamedPieceAllocatesItsStringOnly() {
        for (int round = 0; round < WARM_UP; round++) {
            bytesBeyondStrings(TestModels.tiny(), ROUND - 40);
        }
        int tokens = 200;
        assertThat(bytesBeyondStrings(TestModels.smollm2(), tokens) / tokens).isZero();
    }

    private long bytesBeyondStrings(Model model, int tokens) {
        GenerationOptions options = GenerationOptions.defaults().withSampler(Sampler.greedy()).withIgnoreEnd(true)
                .withMaxTokens(tokens + 32); // the counts at the end are made once
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(CONTEXT));
                Generation generation = context.newSequence().generate(model.vocabulary().tokenize("Once upon a time"), options)) {
            Iterator<String> iterator = generation.iterator();
            iterator.next(); // with the prompt and the buffers
            iterator.next(); // with what speculation needs
            long strings = 0;
            long before = threads.getCurrentThreadAllocatedBytes();
            int end = generation.sequence().length() + tokens;
            while (generation.sequence().length() < end) {
                strings += heapBytes(iterator.next());
            }
            return threads.getCurrentThreadAllocatedBytes() - before - strings;
        }
    }

    /// A string and its array, with compressed references; the empty one is a constant.
    private static long heapBytes(String text) {
        boolean latin = true;
        for (int i = 0; i < text.length(); i++) {
            latin &= text.charAt(i) < 256;
        }
        long bytes = 16 + (latin ? 1L : 2L) * text.length();
        return text.isEmpty() ? 0 : 24 + (bytes + 7) / 8 * 8;
    }

    private static Context context() {
        return TestModels.tiny().newContext(ContextOptions.defaults().withContextSize(CONTEXT).withThreads(1));
    }
}
