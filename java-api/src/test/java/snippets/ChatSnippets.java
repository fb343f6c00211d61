package snippets;

import dev.chasqui.ChatAnswer;
import dev.chasqui.ChatDelta;
import dev.chasqui.ChatOptions;
import dev.chasqui.ChatSession;
import dev.chasqui.ContextOptions;
import dev.chasqui.Grammar;
import dev.chasqui.Model;
import dev.chasqui.json.Description;
import dev.chasqui.json.Json;
import dev.chasqui.json.JsonSchema;
import dev.chasqui.tools.Tool;
import java.time.LocalTime;
import java.util.Optional;

/// Code that the documentation of chats shows.
final class ChatSnippets {

    // @start region="river"
    record River(String name, int kilometres, Optional<String> mouth) { }
    // @end

    // @start region="multiply"
    @Description("Multiplies two numbers")
    record Multiply(double a, double b) { }
    // @end

    private ChatSnippets() {}

    static void session(Model model) {
        // @start region="session"
        try (ChatSession chat = model.chat()) {
            for (String piece : chat.send("Name three rivers of Peru.")) {
                System.out.print(piece);
            }
            River river = chat.ask(River.class, "And the longest one?");
            System.out.println(river.kilometres());
        }
        // @end
    }

    static void answer(ChatSession chat) {
        // @start region="answer"
        ChatAnswer answer = chat.send("What is 17 times 23?");
        for (ChatDelta delta : answer.deltas()) {
            switch (delta) {
                case ChatDelta.Content(String text) -> System.out.print(text);
                case ChatDelta.Reasoning(String text) -> System.err.print(text);
                case ChatDelta.Call call -> System.err.println(call.name());
                case ChatDelta.Result result -> System.err.println(result.result());
            }
        }
        // @end
    }

    static void tools(Model model) {
        // @start region="tools"
        Tool clock = Tool.of("clock", "The time of day", JsonSchema.parse("{\"type\": \"object\", \"properties\": {}}"),
                arguments -> LocalTime.now().toString());
        Tool multiply = Tool.of(Multiply.class, numbers -> numbers.a() * numbers.b());
        try (ChatSession chat = model.chat(ContextOptions.defaults(), ChatOptions.defaults().withTools(clock, multiply))) {
            System.out.println(chat.send("What is 17 times 23?").text());
        }
        // @end
    }

    static void schema() {
        // @start region="schema"
        JsonSchema schema = JsonSchema.of(River.class);
        // @end
    }

    static void grammar() {
        // @start region="grammar"
        Grammar yesOrNo = Grammar.of("root ::= \"yes\" | \"no\"");
        // @end
    }

    static void json() {
        // @start region="json"
        long year = Json.parse("{\"year\": 1533}").member("year").integer();
        // @end
    }
}
