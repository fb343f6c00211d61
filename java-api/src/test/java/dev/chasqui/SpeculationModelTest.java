package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.models.ModelStore;
import dev.chasqui.speculation.DraftSource;
import dev.chasqui.speculation.Speculation;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/// Greedy answers of a real model with guesses against those without: the same to the last bit with Chasqui's kernels and an F16 cache; otherwise they may part where
/// the two best tokens are nearly equal, which is what sums in another order come to.
class SpeculationModelTest {

    private static final double NEARLY = 0.5; // logits

    private static final List<String> PROMPTS = List.of(
            "Write this again with every 'a' as an 'o': The llama walked along the road and saw a mountain far away.",
            "List the numbers from one to thirty in words.",
            "Name three rivers of Peru and say where they begin.");

    private static final List<Speculation> POLICIES = List.of(
            Speculation.auto(),
            Speculation.auto().withAdaptive(false),
            Speculation.auto().withAdaptive(false).withMaxPaths(1),
            Speculation.auto().withAdaptive(false).withSources(Set.of(DraftSource.RECYCLED)));

    private final Model model = TestModels.smollm2();

    /// @param next the logits after one more token
    private record Answer(int[] tokens, GenerationStats stats, float[] next) { }

    private Answer answer(Sequence sequence, int[] start, Speculation speculation) {
        GenerationOptions options = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(64).withSpeculation(speculation);
        try (Generation generation = sequence.generate(start, options)) {
            generation.text();
            int[] tokens = sequence.tokens();
            sequence.append(tokens[0]);
            return new Answer(tokens, generation.stats(), sequence.logits());
        }
    }

    @Test
    void answersAreTheSameToTheLastBit() { // with one thread wherever this runs: attention may be left to ggml, whose threads share a single query otherwise
        long trees = 0;
        try (Model own = Model.load(ModelStore.standard().get("smollm2-135m"), ModelOptions.defaults().withKernels(Kernels.ON));
                ChatTemplate template = own.chatTemplate();
                Context context = own.newContext(ContextOptions.defaults().withContextSize(512).withThreads(1));
                Sequence sequence = context.newSequence()) {
            for (String prompt : PROMPTS) {
                int[] start = template.tokenize(List.of(ChatMessage.user(prompt)), true);
                Answer plain = answer(sequence, start, Speculation.off());
                for (Speculation policy : POLICIES) {
                    Answer guessed = answer(sequence, start, policy);
                    trees += guessed.stats().speculation().treeSteps();
                    assertThat(guessed.tokens()).isEqualTo(plain.tokens());
                    assertThat(guessed.next()).isEqualTo(plain.next());
                }
            }
        }
        assertThat(trees).isGreaterThan(5);
    }

    @Test
    void answersAreTheSameOrPartAtATie() {
        long accepted = 0;
        long trees = 0;
        for (KvType type : List.of(KvType.F16, KvType.Q8_0)) {
            for (String prompt : PROMPTS) {
                try (ChatTemplate template = model.chatTemplate();
                        Context context = model.newContext(ContextOptions.defaults().withContextSize(512).withKvTypes(type, type));
                        Sequence sequence = context.newSequence()) {
                    int[] start = template.tokenize(List.of(ChatMessage.user(prompt)), true);
                    int[] plain = answer(sequence, start, Speculation.off()).tokens();
                    for (Speculation policy : POLICIES) {
                        Answer guessed = answer(sequence, start, policy);
                        accepted += guessed.stats().speculation().accepted();
                        trees += guessed.stats().speculation().treeSteps();
                        int difference = Arrays.mismatch(plain, guessed.tokens());
                        if (difference >= 0) {
                            assertThat(lead(sequence, plain, difference)).isLessThan(NEARLY);
                        }
                    }
                }
            }
        }
        assertThat(accepted).isGreaterThan(300);
        assertThat(trees).isGreaterThan(5);
    }

    /// Of the best logit over the second one after the first `length` tokens.
    private static double lead(Sequence sequence, int[] tokens, int length) {
        sequence.rewind(0);
        for (int i = 0; i < length; i++) {
            sequence.append(tokens[i]);
        }
        float[] logits = sequence.logits();
        Arrays.sort(logits);
        return logits[logits.length - 1] - logits[logits.length - 2];
    }
}
