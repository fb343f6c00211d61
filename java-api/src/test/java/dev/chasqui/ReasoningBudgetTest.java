package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.chasqui.json.Json;
import dev.chasqui.json.JsonSchema;
import dev.chasqui.models.ModelStore;
import dev.chasqui.speculation.Speculation;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.OptionalInt;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A small model that its template makes think: it does not know how to end that by itself, and its vocabulary has no token for the end.
@Tag("model")
@Timeout(600)
class ReasoningBudgetTest {

    private static final String TEMPLATE = """
            {%- for m in messages -%}
            <|im_start|>{{ m.role }}
            {% if m.reasoning_content %}<think>
            {{ m.reasoning_content }}
            </think>

            {% endif %}{{ m.content }}<|im_end|>
            {% endfor -%}
            {%- if add_generation_prompt -%}
            <|im_start|>assistant
            {% if enable_thinking is defined and not enable_thinking %}<think>

            </think>

            {% else %}<think>
            {% endif %}{% endif %}""";
    private static final String QUESTION = "Which river of Peru is the longest?";
    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(60).withSpeculation(Speculation.off());

    private record Outcome(String reasoning, String content, int[] tokens, FinishReason reason) { }

    private static Model model;

    @BeforeAll
    static void load(@TempDir Path folder) throws IOException {
        model = Model.load(GgufWriter.copyOf(GgufFile.read(ModelStore.standard().get("smollm2-135m"))).put("tokenizer.chat_template", TEMPLATE)
                .write(folder.resolve("thinker.gguf")).path());
    }

    @AfterAll
    static void close() {
        model.close();
    }

    /// The model has nothing more to say after an end that it did not write, so it may not end its answer.
    private static GenerationOptions endless(Sampler.Builder stages) {
        int end = model.vocabulary().tokenize("<|im_end|>", false, true)[0];
        return GREEDY.withSampler(stages.logitBias(Map.of(end, Float.NEGATIVE_INFINITY)).greedy().build());
    }

    private static ChatOptions options(OptionalInt budget) {
        ChatOptions options = ChatOptions.defaults().withGeneration(endless(Sampler.builder()));
        return budget.isPresent() ? options.withReasoningBudget(budget.getAsInt()) : options;
    }

    private static Outcome answer(ChatOptions options) {
        try (ChatSession chat = model.chat(ContextOptions.defaults().withContextSize(512), options); ChatAnswer answer = chat.send(QUESTION)) {
            String content = answer.text();
            int[] all = answer.sequence().tokens();
            return new Outcome(answer.message().reasoning(), content, Arrays.copyOfRange(all, answer.stats().promptTokens(), all.length), answer.stats().finishReason());
        }
    }

    private static String text(int[] tokens) {
        return model.vocabulary().text(tokens);
    }

    @Test
    void thinkingEndsAfterTheBudget() {
        Outcome free = answer(options(OptionalInt.empty()));
        assertThat(free.content()).isEmpty();
        int[] end = model.vocabulary().tokenize("</think>", false, true);
        assertThat(end).hasSizeGreaterThan(1);
        for (int budget : new int[] {1, 5, 17}) {
            Outcome bounded = answer(options(OptionalInt.of(budget)));
            assertThat(bounded.tokens()).startsWith(TestModels.concat(Arrays.copyOf(free.tokens(), budget), end));
            assertThat(bounded.reasoning().strip()).isEqualTo(text(Arrays.copyOf(free.tokens(), budget)).strip());
            assertThat(bounded.content()).isNotBlank().doesNotContain("think>");
        }
    }

    @Test
    void withoutABudgetThereIsNoThinking() {
        Outcome none = answer(options(OptionalInt.of(0)));
        assertThat(none.reasoning()).isEmpty();
        assertThat(none.content()).isNotBlank();
        assertThat(text(none.tokens())).startsWith("</think>");
    }

    @Test
    void budgetThatIsNotSpentChangesNothing() {
        assertThat(answer(options(OptionalInt.of(1_000))).tokens()).isEqualTo(answer(options(OptionalInt.empty())).tokens());
        assertThat(answer(options(OptionalInt.of(0)).withThinking(false)).tokens()).isEqualTo(answer(options(OptionalInt.empty()).withThinking(false)).tokens());
    }

    @Test
    void answerAfterTheThinkingFollowsASchema() {
        JsonSchema schema = JsonSchema.parse("{\"type\": \"object\", \"properties\": {\"river\": {\"enum\": [\"Amazon\", \"Nile\"]}}, \"required\": [\"river\"]}");
        for (int budget : new int[] {0, 7}) {
            Outcome bounded = answer(options(OptionalInt.of(budget)).withSchema(schema).withGeneration(GREEDY));
            assertThat(bounded.reason()).isEqualTo(FinishReason.END);
            assertThat(Json.parse("answer", bounded.content()).member("river").string()).isIn("Amazon", "Nile");
            assertThat(text(bounded.tokens()).indexOf("</think>")).isEqualTo(text(Arrays.copyOf(bounded.tokens(), budget)).length());
        }
    }

    @Test
    void guessesChangeNothing() {
        for (int budget : new int[] {0, 3, 12, 24}) {
            ChatOptions plain = options(OptionalInt.of(budget));
            assertThat(answer(plain.withGeneration(plain.generation().withSpeculation(Speculation.auto()))).tokens()).as("budget %d", budget).isEqualTo(answer(plain).tokens());
        }
    }

    @Test
    void penaltiesDoNotTellOfThePrompt() {
        Outcome bounded = answer(options(OptionalInt.of(6)).withGeneration(endless(Sampler.builder().penalties(64, 1.1f, 0, 0))));
        assertThat(text(bounded.tokens()).indexOf("</think>")).isEqualTo(text(Arrays.copyOf(bounded.tokens(), 6)).length());
    }

    @Test
    void aGrammarThatKnowsOfNoReasoningIsRefused() {
        ChatOptions bound = options(OptionalInt.of(3)).withGeneration(GREEDY.withSampler(Sampler.greedy().constrainedBy(Grammar.of("root ::= \"a\"+"))));
        assertThatIllegalArgumentException().isThrownBy(() -> answer(bound)).withMessageContaining("reasoning budget");
    }

    @Test
    void budgetIsNotNegative() {
        assertThatIllegalArgumentException().isThrownBy(() -> options(OptionalInt.of(-1)));
    }
}
