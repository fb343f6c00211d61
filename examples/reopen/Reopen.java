package reopen;

import dev.chasqui.ChatAnswer;
import dev.chasqui.ChatMessage;
import dev.chasqui.ContextOptions;
import dev.chasqui.GenerationOptions;
import dev.chasqui.GenerationStats;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.models.ModelStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/// A conversation that is closed and opened again, as a program does that keeps its history: only what is new is computed.
///
/// Argument: a folder for what is kept between two runs; without one, a temporary folder.
public final class Reopen {

    private static final String SYSTEM = "You are a guide for travellers to the Andes. You answer in one or two short sentences, you name places "
            + "by the names that people there use, you say how high they are, and when you do not know something you say so.";

    private Reopen() {}

    public static void main(String... args) throws IOException {
        Path folder = args.length > 0 ? Path.of(args[0]) : Files.createTempDirectory("reopen");
        List<ChatMessage> history = new ArrayList<>(List.of(new ChatMessage("system", SYSTEM)));
        try (var model = Model.load(ModelStore.standard().get("smollm2-135m"))) {
            ask(model, folder, history, "What is Cusco?");
            ask(model, folder, history, "And what is near it?");
        }
    }

    /// Opens the store and the conversation, asks one question, and closes both, as if the program ended here.
    private static void ask(Model model, Path folder, List<ChatMessage> history, String question) {
        var answers = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(40);
        try (var store = SequenceStore.open(SequenceStoreOptions.in(folder));
             var chat = model.chat(ContextOptions.defaults().withContextSize(2048).withStore(store), answers)) {
            history.forEach(chat::add);
            ChatAnswer answer = chat.send(question);
            IO.println(question + " " + answer.text().strip());
            GenerationStats stats = answer.stats();
            IO.println("(%d tokens before the answer, %d of them from the store, %d computed)"
                    .formatted(stats.promptTokens(), stats.cachedTokens(), stats.promptTokens() - stats.cachedTokens()));
            history.clear();
            history.addAll(chat.messages());
        }
    }
}
