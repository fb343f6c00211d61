package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.chasqui.json.Description;
import dev.chasqui.json.Json;
import dev.chasqui.json.JsonException;
import dev.chasqui.json.JsonSchema;
import dev.chasqui.tools.Name;
import dev.chasqui.tools.Tool;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A model of random weights has no idea of tools, but under a grammar that leaves it no choice it calls them.
@Tag("standalone")
class ChatToolsTest {

    enum City { CUSCO, PUNO }

    @Name("weather")
    @Description("The weather of a city")
    record Weather(City city) { }

    private static final String CALL = "<tool_call>\n";
    private static final int CALL_TOKEN = 319;

    /// Ordinary words alone, until a grammar wants something else.
    private static final GenerationOptions WORDS = GenerationOptions.defaults().withMaxTokens(400).withSampler(biased(Map.of(TinyGguf.END, -500f)));
    /// A call as soon as it may be, then the end as soon as it may be.
    private static final GenerationOptions CALLING = WORDS.withSampler(biased(Map.of(CALL_TOKEN, 1000f, TinyGguf.END, 2000f)));

    private static Sampler biased(Map<Integer, Float> more) {
        Map<Integer, Float> biases = new HashMap<>(Map.of(TinyGguf.UNKNOWN, -1000f, TinyGguf.BEGIN, -1000f));
        IntStream.range(3, 259).forEach(token -> biases.put(token, -500f));
        biases.putAll(more);
        return Sampler.builder().logitBias(biases).greedy().build();
    }

    private static final String TEMPLATE = """
            {%- if tools %}{{ '<s>system Tools: ' }}{% for tool in tools %}{{ tool | tojson }}{% endfor %}{{ ' Call: <tool_call>{"name": a, "arguments": b}</tool_call></s>' }}{% endif -%}
            {%- for m in messages -%}
              {%- if m.role == 'tool' -%}{{ '<s>user <tool_response>' + m.content + '</tool_response></s>' }}
              {%- elif m.role == 'assistant' and m.tool_calls -%}
                {{ '<s>assistant ' + (m.content or '') }}
                {%- for call in m.tool_calls -%}
                  {{ '<tool_call>\\n{"name": "' + call.function.name + '", "arguments": ' }}{{ call.function.arguments | tojson }}{{ '}\\n</tool_call>' }}
                {%- endfor -%}{{ '</s>' }}
              {%- else -%}{{ '<s>' + m.role + ' ' + m.content + '</s>' }}
              {%- endif -%}
            {%- endfor -%}
            {%- if add_generation_prompt %}{{ '<s>assistant ' }}{% endif -%}
            """;

    private static Model model;

    @BeforeAll
    static void load(@TempDir Path directory) throws IOException {
        Path file = directory.resolve("tools.gguf");
        Files.write(file, TestModels.tinyWithPiece(CALL, TEMPLATE));
        model = Model.load(file);
    }

    @AfterAll
    static void close() {
        model.close();
    }

    private final List<City> asked = new ArrayList<>();
    private final Tool weather = Tool.of(Weather.class, question -> {
        asked.add(question.city());
        return "12 degrees";
    });

    private ChatSession chat(ChatOptions options) {
        return model.chat(TestModels.small().withContextSize(4096), options.withGeneration(CALLING));
    }

    private static ChatOptions required(Tool... tools) {
        return ChatOptions.defaults().withTools(tools).withToolChoice(ToolChoice.REQUIRED).withMaxToolRounds(1).withParallelToolCalls(false);
    }

    @Test
    void toolIsCalledAndItsResultGoesOn() {
        try (ChatSession chat = chat(required(weather))) {
            ChatAnswer answer = chat.send("the weather of Cusco");
            List<ChatDelta> deltas = new ArrayList<>();
            answer.deltas().forEach(deltas::add);

            assertThat(asked).hasSize(1);
            ChatMessage call = chat.messages().get(1);
            assertThat(call.toolCalls()).hasSize(1);
            assertThat(call.toolCalls().getFirst().name()).isEqualTo("weather");
            assertThat(JsonSchema.read(Json.parse(call.toolCalls().getFirst().arguments()), Weather.class)).isEqualTo(new Weather(asked.getFirst()));
            assertThat(chat.messages().get(2)).isEqualTo(ChatMessage.tool(call.toolCalls().getFirst(), "12 degrees"));
            assertThat(deltas).anySatisfy(delta -> assertThat(delta).isEqualTo(new ChatDelta.Result(call.toolCalls().getFirst(), "12 degrees", false)));
            String written = String.join("", deltas.stream().filter(ChatDelta.Call.class::isInstance).map(delta -> ((ChatDelta.Call) delta).arguments()).toList());
            assertThat(written).isEqualTo(call.toolCalls().getFirst().arguments());
            assertThat(answer.rounds()).hasSize(2);
        }
    }

    @Test
    void failureOfAToolIsAResult() {
        Tool broken = Tool.of("weather", "", weather.parameters(), arguments -> {
            throw new IOException("no thermometer");
        });
        try (ChatSession chat = chat(required(broken))) {
            chat.send("the weather").text();

            assertThat(chat.messages().get(2).content()).isEqualTo("error: no thermometer");
        }
    }

    @Test
    void toolMayNotUseItsSession() {
        AtomicReference<ChatSession> session = new AtomicReference<>();
        List<String> complaints = new ArrayList<>();
        Tool selfish = Tool.of("weather", "", weather.parameters(), arguments -> {
            for (Runnable use : List.<Runnable>of(() -> session.get().send("a"), () -> session.get().clear(), () -> session.get().close(), () -> session.get().branch())) {
                try {
                    use.run();
                } catch (IllegalStateException e) {
                    complaints.add(e.getMessage());
                }
            }
            return session.get().messages().size();
        });
        try (ChatSession chat = chat(required(selfish))) {
            session.set(chat);
            chat.send("the weather").text();

            assertThat(complaints).hasSize(4).allMatch(complaint -> complaint.contains("calling the tool weather"));
            assertThat(chat.messages().get(2).content()).isEqualTo("2");
        }
    }

    @Test
    void callOfADeclaredToolEndsTheAnswer() {
        try (ChatSession chat = chat(required(Tool.declared("weather", "", weather.parameters())))) {
            ChatAnswer answer = chat.send("the weather");
            answer.text();

            assertThat(answer.message().toolCalls()).hasSize(1);
            assertThat(chat.messages()).hasSize(2);
            chat.add(ChatMessage.tool(answer.message().toolCalls().getFirst(), "cold"));
            assertThat(chat.reply(ChatOptions.defaults().withGeneration(WORDS.withMaxTokens(5).withIgnoreEnd(true))).text()).isNotNull();
        }
    }

    @Test
    void callThatWasCutOffIsNone() {
        try (ChatSession chat = chat(required(weather))) {
            ChatAnswer answer = chat.send(ChatMessage.user("the weather"), required(weather).withGeneration(CALLING.withMaxTokens(12)));
            answer.text();

            assertThat(asked).isEmpty();
            assertThat(answer.message().toolCalls()).isEmpty();
        }
    }

    record Place(City city, boolean high, List<City> near) { }

    @Test
    void recordIsAskedFor() {
        try (ChatSession chat = chat(ChatOptions.defaults())) {
            Place place = chat.ask(Place.class, "a place");

            assertThat(place.city()).isNotNull();
            assertThat(JsonSchema.read(Json.parse(chat.messages().getLast().content()), Place.class)).isEqualTo(place);
        }
    }

    @Test
    void recordThatIsCutOffIsAnError() {
        try (ChatSession chat = model.chat(TestModels.small(), WORDS.withMaxTokens(3))) {
            assertThatExceptionOfType(JsonException.class).isThrownBy(() -> chat.ask(Place.class, "a place")).withMessageContaining("cut off after 3 tokens");
        }
    }

    @Test
    void schemaWithoutAGrammarIsAnError() {
        try (ChatSession chat = chat(ChatOptions.defaults())) {
            assertThatExceptionOfType(GrammarException.class).isThrownBy(() -> chat.ask(JsonSchema.parse("{\"$ref\": \"#/no\"}"), "a"));
            assertThat(chat.messages()).isEmpty();
        }
    }

    /// Only what is new is computed: of each prompt what follows the answer before, whose last token is the first that has not been.
    @Test
    void onlyTheNewPartIsPrefilled() {
        try (ChatSession chat = model.chat(TestModels.small().withContextSize(2048), WORDS.withMaxTokens(20))) {
            int held = 0;
            for (String text : List.of("the river", "of Peru", "and that")) {
                ChatAnswer answer = chat.send(text);
                answer.text();
                GenerationStats stats = answer.stats();

                assertThat(stats.cachedTokens()).isGreaterThanOrEqualTo(held - 1);
                held = stats.promptTokens() + stats.generatedTokens() - (stats.finishReason() == FinishReason.END ? 1 : 0);
                assertThat(answer.sequence().length()).isGreaterThanOrEqualTo(held);
            }
        }
    }

    @Test
    void branchesGoTheirOwnWays() {
        try (ChatSession chat = model.chat(TestModels.small().withContextSize(2048).withMaxSequences(2), WORDS.withMaxTokens(8).withIgnoreEnd(true))) {
            chat.send("the river").text();
            try (ChatSession branch = chat.branch()) {
                ChatAnswer there = branch.send("of Peru");
                String text = there.text();
                assertThat(there.stats().cachedTokens()).isGreaterThan(8);
                assertThat(chat.messages()).hasSize(2);
                assertThat(branch.messages()).hasSize(4);
                assertThat(chat.send("of Peru").text()).isEqualTo(text);
                assertThatIllegalStateException().isThrownBy(chat::branch);
            }
            assertThat(chat.send("and that").text()).isNotEmpty();
        }
    }

    @Test
    void branchOutlivesItsOrigin() {
        ChatSession chat = model.chat(TestModels.small().withMaxSequences(2), WORDS.withMaxTokens(8));
        try (ChatSession branch = chat.branch()) {
            chat.close();
            assertThat(branch.send("the river").stream()).isNotNull();
            assertThatIllegalStateException().isThrownBy(() -> chat.send("a")).withMessageContaining("closed");
        }
    }

    @Test
    void answerIsGivenAgain() {
        try (ChatSession chat = model.chat(TestModels.small(), WORDS.withMaxTokens(8).withIgnoreEnd(true))) {
            String first = chat.send("the river").text();
            chat.send("of Peru").text();
            chat.keep(2);
            assertThat(chat.regenerate().text()).isEqualTo(first);
            assertThat(chat.messages()).hasSize(2);
            chat.edit(0, ChatMessage.user("the mountain"));
            assertThat(chat.messages()).containsExactly(ChatMessage.user("the mountain"));
            assertThat(chat.reply().text()).isNotEmpty();
            chat.clear();
            assertThatIllegalStateException().isThrownBy(chat::regenerate);
            assertThatIllegalArgumentException().isThrownBy(() -> chat.keep(1));
        }
    }

    @Test
    void longConversationFailsWithNumbers() {
        ChatOptions options = ChatOptions.defaults().withGeneration(WORDS.withMaxTokens(8)).withTokenBudget(60);
        try (ChatSession chat = model.chat(TestModels.small(), options)) {
            assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> chat.send("x".repeat(100)))
                    .satisfies(e -> assertThat(e.available()).isEqualTo(60)).satisfies(e -> assertThat(e.needed()).isGreaterThan(60));
            assertThat(chat.messages()).isEmpty();
        }
    }

    @Test
    void longConversationSlides() {
        ChatOptions options = ChatOptions.defaults().withGeneration(WORDS.withMaxTokens(8).withIgnoreEnd(true)).withTokenBudget(120).withOverflow(ContextOverflow.slide());
        try (ChatSession chat = model.chat(TestModels.small(), options)) {
            chat.add(ChatMessage.system("be kind"));
            for (int i : IntStream.range(0, 12).toArray()) {
                ChatAnswer answer = chat.send("question " + i);
                answer.text();
                assertThat(answer.stats().promptTokens()).isLessThanOrEqualTo(120);
                assertThat(chat.messages().getFirst()).isEqualTo(ChatMessage.system("be kind"));
                assertThat(chat.messages().get(1).role()).isEqualTo("user");
                assertThat(chat.messages().get(chat.messages().size() - 2)).isEqualTo(ChatMessage.user("question " + i));
            }
            assertThat(chat.messages().size()).isLessThan(25);
            assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> chat.send("x".repeat(500)));
        }
    }

    @Test
    void ownPolicyDecides() {
        List<ContextOverflow.Conversation> seen = new ArrayList<>();
        ChatOptions options = ChatOptions.defaults().withGeneration(WORDS.withMaxTokens(8).withIgnoreEnd(true)).withTokenBudget(50).withOverflow(conversation -> {
            seen.add(conversation);
            return List.of(conversation.messages().getLast());
        });
        try (ChatSession chat = model.chat(TestModels.small(), options)) {
            chat.add(ChatMessage.system("y".repeat(60)));
            chat.send("a").text();

            assertThat(seen).hasSize(1);
            assertThat(seen.getFirst().tokens()).isGreaterThan(50);
            assertThat(chat.messages()).hasSize(2);
        }
    }

    @Test
    void toolsOfMethods() throws Exception {
        List<Tool> tools = Tool.methodsOf(new Sums());

        assertThat(tools).extracting(Tool::name).containsExactly("add_up", "failing");
        assertThat(tools.getFirst().parameters().json().member("properties").member("summands").member("description").string()).isEqualTo("what to add");
        assertThat(tools.getFirst().handler().get().call(Json.parse("{\"summands\": [1, 2, 3]}"))).isEqualTo(6);
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> tools.get(1).handler().get().call(Json.parse("{}"))).withMessage("never");
        assertThatExceptionOfType(JsonException.class).isThrownBy(() -> tools.getFirst().handler().get().call(Json.parse("{}"))).withMessageContaining("summands");
        assertThatIllegalArgumentException().isThrownBy(() -> Tool.methodsOf("a")).withMessageContaining("@Description");
    }

    static final class Sums {

        @Description("Adds numbers up")
        int addUp(@Name("summands") @Description("what to add") List<Integer> numbers) {
            return numbers.stream().mapToInt(Integer::intValue).sum();
        }

        @Description("Fails")
        void failing() throws IOException {
            throw new IOException("never");
        }
    }

    /// What a tool gives back, or a model writes as an argument, never becomes a control token.
    @Test
    void resultsAndArgumentsThatSpellControlTokensStayText() {
        ToolCall call = new ToolCall("call00001", "weather", "{\"city\": \"</s>\"}");
        try (ChatTemplate template = model.chatTemplate()) {
            int[] tokens = template.tokenize(List.of(ChatMessage.user("a"), ChatMessage.assistant("", "", List.of(call)), ChatMessage.tool(call, "x</s>y")), true);
            int[] harmless = template.tokenize(List.of(ChatMessage.user("a"),
                    ChatMessage.assistant("", "", List.of(new ToolCall("call00001", "weather", "{\"city\": \"b\"}"))), ChatMessage.tool(call, "xy")), true);

            assertThat(ends(tokens)).isEqualTo(ends(harmless));
            assertThat(model.vocabulary().detokenize(tokens, true)).contains("x</s>y");
        }
    }

    private static long ends(int[] tokens) {
        return Arrays.stream(tokens).filter(token -> token == TinyGguf.END).count();
    }

    @Test
    void optionsAreChecked() {
        assertThatIllegalArgumentException().isThrownBy(() -> ChatOptions.defaults().withTools(weather, weather));
        assertThatIllegalArgumentException().isThrownBy(() -> ChatOptions.defaults().withToolChoice(ToolChoice.REQUIRED));
        assertThatIllegalArgumentException().isThrownBy(() -> ChatOptions.defaults().withTools(weather).withSchema(weather.parameters()));
        assertThatIllegalArgumentException().isThrownBy(() -> ChatOptions.defaults().withTokenBudget(0));
        assertThatIllegalArgumentException().isThrownBy(() -> Tool.declared("two words", "", weather.parameters()));
    }
}
