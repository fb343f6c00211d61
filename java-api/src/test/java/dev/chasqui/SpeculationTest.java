package dev.chasqui;

import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chasqui.speculation.DraftSource;
import dev.chasqui.speculation.Drafter;
import dev.chasqui.speculation.Speculation;
import dev.chasqui.speculation.SpeculationStats;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Answers with speculation against answers without. A grammar makes the random model repeat itself, which is what guesses are made of.
@Tag("standalone")
class SpeculationTest {

    private static final GenerationOptions GREEDY =
            GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(150).withIgnoreEnd(true);

    private static final GenerationOptions CIRCLES =
            GREEDY.withSampler(Sampler.greedy().constrainedBy(Grammar.of("root ::= (\"ab\" [cd])+")));

    private static final List<Speculation> POLICIES = List.of(
            Speculation.auto(),
            Speculation.auto().withAdaptive(false),
            Speculation.auto().withAdaptive(false).withMaxPaths(1),
            Speculation.auto().withAdaptive(false).withMaxTokens(3).withSources(Set.of(DraftSource.RECYCLED)),
            Speculation.auto().withSources(Set.of(DraftSource.REPEATED)),
            Speculation.auto().withAdaptive(false).withDrafter(text -> new int[] {text.token(text.length() - 1), text.token(0)}));

    private final Model model = TestModels.tiny();

    private record Answer(int[] tokens, String text, GenerationStats stats) { }

    /// Paths that join the cache lie in another order, which sums round differently: with 32 bits no draw of a test is on the edge.
    private static ContextOptions precise() {
        return small().withKvTypes(KvType.F32, KvType.F32).withFlashAttention(FlashAttention.OFF);
    }

    private Answer answer(GenerationOptions options, Speculation speculation, int seed) {
        try (Context context = model.newContext(precise()); Sequence sequence = context.newSequence();
                Generation generation = sequence.generate(tokens(20, seed), options.withSpeculation(speculation))) {
            String text = generation.text();
            return new Answer(sequence.tokens(), text, generation.stats());
        }
    }

    private int same(GenerationOptions options) {
        int accepted = 0;
        for (int seed = 1; seed <= 5; seed++) {
            Answer plain = answer(options, Speculation.off(), seed);
            assertThat(plain.stats().targetSteps()).isEqualTo(plain.stats().generatedTokens() - 1);
            assertThat(plain.stats().speculation()).isEqualTo(SpeculationStats.NONE);
            for (Speculation policy : POLICIES) {
                Answer guessed = answer(options, policy, seed);
                assertThat(guessed.tokens()).isEqualTo(plain.tokens());
                assertThat(guessed.text()).isEqualTo(plain.text());
                assertThat(guessed.stats().finishReason()).isEqualTo(plain.stats().finishReason());
                accepted += (int) guessed.stats().speculation().accepted();
            }
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
        SpeculationStats speculation = answer(CIRCLES, Speculation.auto().withAdaptive(false), 2).stats().speculation();
        assertThat(speculation.tokens()).isEqualTo(speculation.steps() + speculation.accepted());
        assertThat(speculation.sources().values().stream().flatMap(source -> source.drafted().stream()).mapToLong(n -> n).sum())
                .isEqualTo(speculation.drafted());
        assertThat(speculation.sources().values().stream().flatMap(source -> source.accepted().stream()).mapToLong(n -> n).sum())
                .isEqualTo(speculation.accepted());
        assertThat(speculation.treeSteps()).isPositive();
        assertThat(speculation.targetTime()).isPositive();
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

    /// Who knows the answer has nearly all of its tokens come true.
    @Test
    void aDrafterThatIsRightIsFollowed() {
        int[] whole = answer(GREEDY, Speculation.off(), 4).tokens();
        Drafter oracle = text -> Arrays.copyOfRange(whole, text.length(), whole.length);
        Speculation policy = Speculation.auto().withSources(Set.of()).withAdaptive(false).withDrafter(oracle);
        Answer guessed = answer(GREEDY, policy, 4);
        assertThat(guessed.tokens()).isEqualTo(whole);
        assertThat(guessed.stats().targetSteps()).isLessThanOrEqualTo(12); // of 149 tokens
        assertThat(guessed.stats().speculation().sources()).containsOnlyKeys(DraftSource.SUGGESTED);
    }

    @Test
    void aDraftModelLeavesTheAnswer() {
        for (DraftModel.Shape shape : DraftModel.Shape.values()) {
            GenerationOptions options = GREEDY.withDraftModel(DraftModel.of(model).withShape(shape).withStop(0.01f));
            Answer guessed = answer(options, Speculation.auto().withAdaptive(false), 5);
            assertThat(guessed.tokens()).isEqualTo(answer(GREEDY, Speculation.off(), 5).tokens());
            assertThat(guessed.stats().targetSteps()).isLessThan(75); // of 149 tokens: it is the same model
            assertThat(guessed.stats().speculation().sources()).containsOnlyKeys(DraftSource.MODEL);
            assertThat(answer(options, Speculation.auto(), 5).tokens()).isEqualTo(guessed.tokens());
        }
        GenerationOptions drawn = GREEDY.withSampler(Sampler.builder().temperature(1).seed(8).build())
                .withDraftModel(DraftModel.of(model).withTemperature(1).withStop(0));
        assertThat(answer(drawn, Speculation.auto().withAdaptive(false), 5).stats().speculation().accepted()).isPositive();
    }

    @Test
    void aDraftModelThatDoesNotFitIsRefused() throws IOException {
        Path file = TestModels.directory().resolve("other.gguf");
        Files.write(file, TestModels.tinyWithPiece("another"));
        try (Model other = Model.load(file)) {
            assertThatIllegalArgumentException().isThrownBy(() -> answer(GREEDY.withDraftModel(DraftModel.of(other)), Speculation.auto(), 1))
                    .withMessageContaining("vocabulary");
        }
        assertThatIllegalArgumentException().isThrownBy(() -> DraftModel.of(model).withWidth(0));
        assertThatIllegalArgumentException().isThrownBy(() -> DraftModel.of(model).withStop(1));
        assertThatIllegalArgumentException().isThrownBy(() -> DraftModel.of(model).withTemperature(Float.NaN));
    }

    @Test
    void aDraftersMistakesAreTheCallersToSee() {
        RuntimeException mistake = new RuntimeException("mistake");
        for (Drafter drafter : List.<Drafter>of(text -> {
            throw mistake;
        }, text -> new int[] {-1}, text -> new int[] {1 << 20}, text -> new int[] {text.token(text.length())})) {
            try (Context context = model.newContext(precise()); Sequence sequence = context.newSequence()) {
                Generation generation = sequence.generate(tokens(20, 1), GREEDY.withSpeculation(Speculation.auto().withDrafter(drafter)));
                assertThatThrownBy(generation::text).isInstanceOf(RuntimeException.class);
                // and the sequence is as good as before
                int[] now = sequence.tokens();
                assertThat(sequence.generate(now, GREEDY.withMaxTokens(5)).text()).isNotEmpty();
            }
        }
    }

    @Test
    void policiesOutOfRangeAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> Speculation.auto().withMaxTokens(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> Speculation.auto().withMaxTokens(Speculation.MOST_TOKENS + 1));
        assertThatIllegalArgumentException().isThrownBy(() -> Speculation.auto().withMaxPaths(0));
        assertThat(Speculation.off().isOn()).isFalse();
        assertThat(Speculation.auto().withMaxTokens(0).isOn()).isFalse();
        assertThat(Speculation.auto().withSources(Set.of()).isOn()).isFalse();
    }

    /// Three sequences in one cache, answered in turns.
    @Test
    void sequencesOfOneContextDoNotDisturbEachOther() {
        try (Context context = model.newContext(precise().withContextSize(1024).withMaxSequences(3))) {
            List<Generation> generations = new ArrayList<>();
            List<Iterator<String>> readers = new ArrayList<>();
            for (int seed = 1; seed <= 3; seed++) {
                Generation generation = context.newSequence().generate(tokens(20, seed), CIRCLES.withSpeculation(POLICIES.get(1)));
                generations.add(generation);
                readers.add(generation.iterator());
            }
            boolean any = true;
            while (any) {
                any = false;
                for (Iterator<String> reader : readers) {
                    if (reader.hasNext()) {
                        reader.next();
                        any = true;
                    }
                }
            }
            for (int seed = 1; seed <= 3; seed++) {
                assertThat(generations.get(seed - 1).sequence().tokens()).isEqualTo(answer(CIRCLES, Speculation.off(), seed).tokens());
            }
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
