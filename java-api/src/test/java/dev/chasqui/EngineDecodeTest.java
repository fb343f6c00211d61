package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.chasqui.speculation.Speculation;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// Answers of an engine against those of each request alone in a context of its own. The cache has 32 bits, so that sums in another order do not
/// change a token.
@Tag("standalone")
class EngineDecodeTest {

    private static final ContextOptions CONTEXT = ContextOptions.defaults().withThreads(1).withKvTypes(KvType.F32, KvType.F32)
            .withFlashAttention(FlashAttention.OFF);
    private static final EngineOptions OPTIONS = EngineOptions.defaults().withContext(CONTEXT.withContextSize(4096));
    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy()).withIgnoreEnd(true);

    private final Model model = TestModels.tiny();

    private record Expected(String text, int[] tokens, FinishReason reason) { }

    /// What a generation gives.
    private Expected alone(int[] prompt, GenerationOptions options, int contextSize) {
        try (Context context = model.newContext(CONTEXT.withContextSize(contextSize)); Sequence sequence = context.newSequence();
                Generation generation = sequence.generate(prompt, options.withSpeculation(Speculation.off()))) {
            String text = generation.text();
            int[] all = sequence.tokens();
            return new Expected(text, java.util.Arrays.copyOfRange(all, prompt.length, all.length), generation.stats().finishReason());
        }
    }

    private void check(Answer answer, int[] prompt, int contextSize) {
        Expected expected = alone(prompt, answer.request().options(), contextSize);
        assertThat(answer.text()).isEqualTo(expected.text());
        assertThat(answer.tokens()).isEqualTo(expected.tokens());
        assertThat(answer.stats().finishReason()).isEqualTo(expected.reason());
        assertThat(answer.stats().generatedTokens()).isEqualTo(expected.tokens().length);
        assertThat(answer.stats().promptTokens()).isEqualTo(prompt.length);
    }

    private static List<GenerationOptions> variants(int maxTokens) {
        GenerationOptions greedy = GREEDY.withMaxTokens(maxTokens);
        return List.of(
                greedy,
                greedy.withSampler(Sampler.standard(0.9f, 7)),
                greedy.withSampler(Sampler.builder().penalties(64, 1.3f, 0.1f, 0.1f).topK(30).temperature(1.2f).seed(3).build()),
                greedy.withSampler(Sampler.greedy().constrainedBy(Grammar.of("root ::= [a-z ]+"))),
                greedy.withSampler(Sampler.builder().mirostatV2(5, 0.1f).build()).withSampler(Sampler.standard(1, 11)).withStop("a", "the"),
                greedy.withIgnoreEnd(false).withSpecialTokens(true).withSampler(Sampler.standard(1.5f, 5)),
                greedy.withMaxTokens(0),
                greedy.withMaxTokens(1));
    }

    @Test
    void answersAreThoseOfEachRequestAlone() {
        List<GenerationOptions> variants = variants(40);
        Random random = new Random(1);
        try (Engine engine = model.newEngine(OPTIONS.withMaxConcurrent(12).withStepTokens(40))) {
            List<int[]> prompts = IntStream.range(0, 32).mapToObj(i -> tokens(1 + random.nextInt(i % 8 == 0 ? 300 : 60), i)).toList();
            List<Answer> answers = new ArrayList<>();
            for (int i = 0; i < prompts.size(); i++) {
                answers.add(engine.submit(EngineRequest.tokens(prompts.get(i)).withOptions(variants.get(i % variants.size()))));
            }
            for (int i = 0; i < prompts.size(); i++) {
                int[] p = prompts.get(i); Answer a = answers.get(i); a.text();
                Expected e = alone(p, a.request().options(), 512);
                int m = java.util.Arrays.mismatch(e.tokens(), a.tokens());
                System.out.println(i + " variant " + i % variants.size() + " prompt " + p.length + " mismatch " + m);
            }
            assertThat(engine.stats().parked()).isZero();
        }
    }
}
