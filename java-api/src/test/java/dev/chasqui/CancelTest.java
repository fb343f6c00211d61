package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestReporter;

/// A long prompt of a real model is stopped while it is computed.
@Tag("model")
class CancelTest {

    private static final int LENGTH = 4_000;

    private final Model model = TestModels.smollm2();
    private final int[] prompt = Arrays.copyOf(model.vocabulary().tokenize("The river flows from the mountains to the sea. ".repeat(500)), LENGTH);

    @Test
    void cancelledGenerationOfALongPrompt(TestReporter reporter) throws InterruptedException {
        try (Context context = model.newContext(options())) {
            Sequence sequence = context.newSequence();
            Generation generation = sequence.generate(prompt, GenerationOptions.defaults());
            CancelAfter cancel = new CancelAfter(generation::cancel);
            String text = generation.text();
            cancel.report(reporter);

            assertThat(text).isEmpty();
            assertThat(generation.stats().finishReason()).isEqualTo(FinishReason.CANCELLED);
            assertThat(generation.stats().generatedTokens()).isZero();
            goesOn(sequence);
        }
    }

    @Test
    void cancelledAppendOfALongPrompt(TestReporter reporter) throws InterruptedException {
        try (Context context = model.newContext(options())) {
            Sequence sequence = context.newSequence();
            CancelAfter cancel = new CancelAfter(context::cancel);
            assertThatExceptionOfType(CancelledException.class).isThrownBy(() -> sequence.append(prompt));
            cancel.report(reporter);

            goesOn(sequence);
        }
    }

    /// The start of the prompt is kept; short of the whole, so that this does not take minutes.
    private void goesOn(Sequence sequence) {
        int done = sequence.length();
        assertThat(done).isLessThan(LENGTH);
        assertThat(sequence.tokens()).isEqualTo(Arrays.copyOf(prompt, done));

        int wanted = Math.min(LENGTH, done + 200);
        int[] start = Arrays.copyOf(prompt, wanted);
        assertThat(sequence.set(start)).isEqualTo(done);
        int[] tokens = TestModels.greedy(sequence, 16);
        try (Context undisturbed = model.newContext(options())) {
            Sequence fresh = undisturbed.newSequence();
            fresh.set(Arrays.copyOf(start, done)); // the same batches, so that rounding is the same
            fresh.set(start);
            assertThat(tokens).isEqualTo(TestModels.greedy(fresh, 16));
        }
    }

    private static ContextOptions options() {
        return ContextOptions.defaults().withContextSize(4608);
    }

    private static final class CancelAfter {

        private final Thread thread;
        private volatile long cancelledAt;

        CancelAfter(Runnable cancel) {
            thread = Thread.ofPlatform().start(() -> {
                try {
                    TimeUnit.MILLISECONDS.sleep(150);
                } catch (InterruptedException e) {
                    return;
                }
                cancelledAt = System.nanoTime();
                cancel.run();
            });
        }

        void report(TestReporter reporter) throws InterruptedException {
            long returnedAt = System.nanoTime();
            thread.join();
            reporter.publishEntry("ms from cancel to return", String.valueOf((returnedAt - cancelledAt) / 1_000_000));
        }
    }
}
