package longdocument;

import dev.chasqui.ChatMessage;
import dev.chasqui.ContextOptions;
import dev.chasqui.Generation;
import dev.chasqui.GenerationOptions;
import dev.chasqui.GenerationStats;
import dev.chasqui.Model;
import dev.chasqui.Prompt;
import dev.chasqui.Sampler;
import dev.chasqui.Sequence;
import dev.chasqui.kv.SparseAttention;
import dev.chasqui.models.ModelStore;
import dev.chasqui.speculation.Speculation;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/// A question about a long document, answered with full attention and with attention to a tenth of it. The document is computed once; the longer it is, the more
/// sparse attention saves for each token of an answer, which may be another one.
public final class LongDocument {

    private static final int LONGEST_ANSWER = 64;

    private LongDocument() {}

    /// @param args a model of the store, the question, files that make the document one after the other
    public static void main(String... args) throws IOException {
        var document = new StringBuilder();
        for (int i = 2; i < args.length; i++) {
            document.append(Files.readString(Path.of(args[i]))).append('\n');
        }
        // Sparse attention ends guesses, so the other answer goes without them, too.
        var dense = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(LONGEST_ANSWER).withSpeculation(Speculation.off());
        try (var model = Model.load(ModelStore.standard().get(args[0]));
             var template = model.chatTemplate()) {
            Prompt prompt = template.prompt(List.of(ChatMessage.user(document + "\n" + args[1])), true);
            try (var context = model.newContext(ContextOptions.defaults().withContextSize(prompt.length() + LONGEST_ANSWER));
                 var sequence = context.newSequence()) {
                IO.println(prompt.length() + " tokens");
                answer("full", sequence, prompt, dense);
                // "always": also where the document is too short for it to pay
                answer("sparse", sequence, prompt, dense.withSparseAttention(SparseAttention.sketch().withAlways(true)));
            }
        }
    }

    private static void answer(String attention, Sequence sequence, Prompt prompt, GenerationOptions options) {
        Generation answer = sequence.generate(prompt, options);
        String text = answer.text().strip();
        GenerationStats stats = answer.stats();
        IO.println("%s: %.1f tokens/s, attention to %.0f%% of the text, %d tokens computed before the answer".formatted(
                attention, stats.decodeTokensPerSecond(), 100 * stats.kv().cells(), stats.promptTokens() - stats.cachedTokens()));
        IO.println("  " + text.replace("\n", "\n  "));
    }
}
