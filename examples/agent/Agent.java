package agent;

import dev.chasqui.ChatDelta;
import dev.chasqui.ChatMessage;
import dev.chasqui.ChatOptions;
import dev.chasqui.ContextOptions;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.ToolChoice;
import dev.chasqui.json.Description;
import dev.chasqui.models.ModelStore;
import dev.chasqui.tools.Name;
import dev.chasqui.tools.Tool;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.function.Supplier;
import java.util.stream.Stream;

/// An agent with three tools: it computes, reads the clock, and searches the files of one folder, which it cannot leave.
public final class Agent {

    enum Operator { ADD, SUBTRACT, MULTIPLY, DIVIDE }

    @Name("calculator")
    @Description("Computes one operation on two numbers: ADD, SUBTRACT, MULTIPLY or DIVIDE")
    record Calculator(Operator operator, double left, double right) {

        String result() {
            double result = switch (operator) {
                case ADD -> left + right;
                case SUBTRACT -> left - right;
                case MULTIPLY -> left * right;
                case DIVIDE -> {
                    if (right == 0) {
                        throw new ArithmeticException("division by zero");
                    }
                    yield left / right;
                }
            };
            return new BigDecimal(result).setScale(6, RoundingMode.HALF_UP).stripTrailingZeros().toPlainString();
        }
    }

    @Name("clock")
    @Description("The present date and time")
    record Clock() { }

    @Name("search_files")
    @Description("Finds the lines of the text files in the folder that contain a word")
    record Search(@Description("one word to look for") String word) { }

    private final Path folder;
    private final Supplier<LocalDateTime> now;

    Agent(Path folder, Supplier<LocalDateTime> now) {
        this.folder = folder;
        this.now = now;
    }

    public static void main(String... args) throws IOException {
        Agent agent = new Agent(Path.of(args.length > 1 ? args[0] : "."), LocalDateTime::now);
        try (Model model = Model.load(ModelStore.standard().get("qwen2.5-coder-1.5b"))) {
            IO.println(agent.run(model, args.length > 0 ? args[args.length - 1] : "What is 17 times 23?", true));
        }
    }

    /// Works on a task and gives the last answer.
    String run(Model model, String task, boolean shown) {
        ChatOptions options = ChatOptions.defaults()
                .withGeneration(GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(400))
                .withTools(Tool.of(Calculator.class, Calculator::result),
                        Tool.of(Clock.class, clock -> now.get().toString()),
                        Tool.of(Search.class, search -> find(search.word())))
                .withToolChoice(ToolChoice.REQUIRED) // in the first round: left to itself, this small model forgets the marks of a call
                .withParallelToolCalls(false)
                .withMaxToolRounds(1);
        try (var chat = model.chat(ContextOptions.defaults().withContextSize(4096), options)) {
            chat.add(ChatMessage.system("You are a helpful assistant. Use the tools for every calculation, for date and time, and for what is in files. "
                    + "Then answer in one sentence."));
            var answer = chat.send(task);
            for (ChatDelta delta : answer.deltas()) {
                if (shown && delta instanceof ChatDelta.Result(var call, String result, boolean failed)) {
                    IO.println(call.name() + " " + call.arguments() + " -> " + result);
                }
            }
            return answer.message().content();
        }
    }

    /// At most twenty lines that hold the word. Links are not followed: nothing outside of the folder is read.
    private List<String> find(String word) {
        List<String> lines = new ArrayList<>();
        try (Stream<Path> files = Files.walk(folder)) {
            for (Path file : files.filter(path -> path.toString().endsWith(".txt") && Files.isRegularFile(path, LinkOption.NOFOLLOW_LINKS)).sorted().toList()) {
                for (String line : Files.readAllLines(file)) {
                    if (line.toLowerCase(Locale.ROOT).contains(word.toLowerCase(Locale.ROOT)) && lines.size() < 20) {
                        lines.add(folder.relativize(file) + ": " + line);
                    }
                }
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return lines;
    }
}
