package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.analysis.Attribution;
import dev.chasqui.analysis.AttributionOptions;
import dev.chasqui.analysis.AttributionResult;
import dev.chasqui.analysis.LikelihoodSummary;
import dev.chasqui.analysis.PartialPrompt;
import dev.chasqui.analysis.PassagePrompt;
import dev.chasqui.analysis.TokenLikelihoods;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("model")
class AttributionModelTest {

    private static final List<String> PASSAGES = List.of(
            "The mill by the river grinds corn on Mondays and oats on Fridays.",
            "The harbour master of the town is called Fernanda Quispe, and she keeps two dogs.",
            "In winter the pass is closed to carts. Mules still cross it.",
            "The bakery sells flat bread, sweet rolls and, before feasts, honey cake.");
    private static final String QUESTION = "What is the name of the harbour master?";

    private final Model model = TestModels.smollm2();
    private final PassagePrompt prompt = PassagePrompt.chat(model, PASSAGES, QUESTION);

    @ParameterizedTest
    @EnumSource
    void thePassageWithTheFactGetsTheLargestValue(PartialPrompt partialPrompt) {
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(1024).withMaxSequences(2))) {
            AttributionResult result = Attribution.of(context).attribute(prompt, "Fernanda Quispe", AttributionOptions.defaults().withPartialPrompt(partialPrompt));

            assertThat(result.ranked().getFirst().passage()).isEqualTo(1);
            assertThat(result.ranked().getFirst().value()).isGreaterThan(3 * Math.abs(result.ranked().get(1).value())).isGreaterThan(1);
            assertThat(result.whole()).isGreaterThan(result.empty() + 1);
        }
    }

    @Test
    void theSentenceWithTheFactGetsTheLargestValue() {
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(1024))) {
            PassagePrompt joined = PassagePrompt.chat(model, List.of(PASSAGES.get(0), PASSAGES.get(2) + " " + PASSAGES.get(1), PASSAGES.get(3)), QUESTION);
            AttributionResult result = Attribution.of(context).attribute(joined.splitSentences(1), "Fernanda Quispe", AttributionOptions.defaults());

            assertThat(result.exact()).isTrue();
            assertThat(result.ranked().getFirst().text()).contains("Fernanda");
        }
    }

    @Test
    void theAnswerOfTheModelIsAttributed() { // what so small a model answers depends on rounding
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(1024))) {
            AttributionResult result = Attribution.of(context).attribute(prompt, AttributionOptions.defaults().withMaxAnswerTokens(24));

            assertThat(result.answer()).isNotBlank();
            assertThat(result.ranked()).hasSameSizeAs(PASSAGES);
            assertThat(result.whole()).isGreaterThan(result.empty());
        }
    }

    @Test
    void thePromptIsThatOfTheTemplate() {
        try (ChatTemplate template = model.chatTemplate()) {
            String whole = String.join("\n\n", PASSAGES) + "\n\n" + QUESTION;
            assertThat(model.vocabulary().detokenize(prompt.tokens(), true)).isEqualTo(template.render(List.of(ChatMessage.user(whole)), true));
        }
    }

    @Test
    void wordsThatMakeSenseAreLikelier() {
        try (Context context = model.newContext(ContextOptions.defaults().withContextSize(256))) {
            LikelihoodSummary plain = TokenLikelihoods.of(context, "The sun rises in the east and sets in the west.", 0).summary();
            LikelihoodSummary shuffled = TokenLikelihoods.of(context, "West the sets rises and sun in the the in east.", 0).summary();
            TokenLikelihoods paris = TokenLikelihoods.of(context, "The capital of France is Paris", 1);

            assertThat(plain.perplexity()).isLessThan(shuffled.perplexity() / 5);
            assertThat(plain.logRank()).isLessThan(shuffled.logRank());
            assertThat(plain.mass()).isLessThan(shuffled.mass());
            assertThat(plain.surprise()).isLessThan(shuffled.surprise());
            assertThat(paris.rank(paris.size() - 1)).isEqualTo(1);
            assertThat(model.vocabulary().detokenize(paris.alternatives(paris.size() - 1).getFirst().token())).isEqualTo(" Paris");
            assertThat(Math.exp(paris.alternatives(paris.size() - 1).getFirst().logProbability())).isBetween(0.1, 1.0);
            assertThat((double) paris.bestLogProbability(paris.size() - 1)).isCloseTo(paris.logProbability(paris.size() - 1), within(1e-6));
        }
    }
}
