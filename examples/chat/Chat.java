package chat;

import dev.chasqui.ChatAnswer;
import dev.chasqui.GenerationStats;
import dev.chasqui.Model;
import dev.chasqui.models.ModelStore;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;

/// A conversation: each line that is typed is answered, until an empty one.
///
/// Argument: a model, by name or path; without one, a small model.
public final class Chat {

    private Chat() {}

    public static void main(String... args) throws IOException {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        try (var model = Model.load(ModelStore.standard().get(args.length > 0 ? args[0] : "smollm2-135m"));
             var chat = model.chat()) {
            IO.print("> ");
            for (String line = lines.readLine(); line != null && !line.isBlank(); line = lines.readLine()) {
                ChatAnswer answer = chat.send(line);
                for (String piece : answer) {
                    IO.print(piece);
                }
                GenerationStats stats = answer.stats();
                IO.print("%n(%d tokens of the prompt were there already, %d new, %d of the answer)%n> ".formatted(
                        stats.cachedTokens(), stats.promptTokens() - stats.cachedTokens(), stats.generatedTokens()));
            }
        }
    }
}
