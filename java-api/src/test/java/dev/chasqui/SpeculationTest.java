package dev.chasqui;

import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.speculation.Speculation;
import java.util.Arrays;
import java.util.Iterator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Answers with speculation against answers without. A grammar makes the random model repeat itself, which is what guesses are made of.
@Tag("standalone")
class SpeculationTest {

    private static final GenerationOptions GREEDY =
            GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(150).withIgnoreEnd(true);

    private static final GenerationOptions CIRCLES =
            GREEDY.withSampler(Sampler.greedy().constrainedBy(Grammar.of("root ::= (\"ab\" [cd])+")));

    private final Model model = TestModels.tiny();

    private record Answer(int[] tokens, String text, GenerationStats stats) { }

    private Answer answer(GenerationOptions options, Speculation speculation, int seed) {
        try (Context context = model.newContext(small()); Sequence sequence = context.newSequence();
                Generation generation = sequence.generate(tokens(20, seed), options.withSpeculation(speculation))) {
            String text = generation.text();
            return new Answer(sequence.tokens(), text, generation.stats());
        }
    }

    private int same(GenerationOptions options) {
        int accepted = 0;
        for (int seed = 1; seed <= 5; seed++) {
            Answer plain = answer(options, Speculation.off(), seed);
            Answer guessed = answer(options, Speculation.auto(), seed);
            assertThat(guessed.tokens()).isEqualTo(plain.tokens());
            assertThat(guessed.text()).isEqualTo(plain.text());
            assertThat(guessed.stats().finishReason()).isEqualTo(plain.stats().finishReason());
            assertThat(plain.stats().targetSteps()).isEqualTo(plain.stats().generatedTokens() - 1);
            assertThat(plain.stats().speculation().drafted()).isZero();
            accepted += (int) guessed.stats().speculation().accepted();
        }
        return accepted;
    }

    @Test
    void greedyAnswersAreTheSame() {
        same(GREEDY);
        assertThat(same(CIRCLES)).isGreaterThan(100);
    }

    @Test
    void drawnAnswersAreTheSame() {
        same(GREEDY.withSampler(Sampler.builder().topK(3).temperature(0.2f).seed(7).build()));
        same(GREEDY.withSampler(Sampler.builder().temperature(1).seed(8).build()));
    }

    @Test
    void answersThatEndAtAStopStringAreTheSame() {
        for (int length : new int[] {5, 6, 7, 20, 97}) {
            String text = answer(CIRCLES, Speculation.off(), 1).text();
            same(CIRCLES.withStop(text.substring(text.length() - length)));
            same(CIRCLES.withMaxTokens(length));
        }
    }

    @Test
    void countsAddUp() {
        GenerationStats stats = answer(CIRCLES, Speculation.auto(), 2).stats();
        assertThat(stats.speculation().accepted()).isLessThanOrEqualTo(stats.speculation().drafted());
        assertThat(stats.targetSteps() + stats.speculation().accepted()).isBetween(stats.generatedTokens() - 2L, (long) stats.generatedTokens());
    }

    /// What a step picked beyond what was read is no part of the sequence, and goes when the sequence is used otherwise.
    @Test
    void theSequenceIsWhatWasRead() {
        int[] whole = answer(CIRCLES, Speculation.off(), 3).tokens();
        try (Context context = model.newContext(small().withMaxSequences(2)); Sequence sequence = context.newSequence();
                Generation generation = sequence.generate(tokens(20, 3), CIRCLES)) {
            Iterator<String> pieces = generation.iterator();
            for (int i = 0; i < 40; i++) {
                pieces.next();
                assertThat(sequence.tokens()).isEqualTo(Arrays.copyOf(whole, sequence.length()));
            }
            int length = sequence.length();
            float[] logits = sequence.logits();
            try (Sequence other = context.newSequence()) {
                other.append(Arrays.copyOf(whole, length));
                assertThat(distance(logits, other.logits())).isLessThan(1e-2); // rounding of another batch makes 3e-3 of it
            }
            while (pieces.hasNext()) {
                pieces.next();
            }
            assertThat(sequence.tokens()).isEqualTo(whole);
        }
    }

    private static double distance(float[] a, float[] b) {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < a.length; i++) {
            difference += (a[i] - b[i]) * (a[i] - b[i]);
            norm += a[i] * a[i];
        }
        return Math.sqrt(difference / norm);
    }
}
