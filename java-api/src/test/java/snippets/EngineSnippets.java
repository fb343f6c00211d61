package snippets;

import dev.chasqui.Answer;
import dev.chasqui.ChatMessage;
import dev.chasqui.Embedder;
import dev.chasqui.EmbeddingMatrix;
import dev.chasqui.Engine;
import dev.chasqui.EngineOptions;
import dev.chasqui.EngineRequest;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Reranker;
import java.time.Duration;
import java.util.List;

/// Code that the documentation of engines, embedders and rerankers shows.
final class EngineSnippets {

    private EngineSnippets() {}

    static void engine(Model model) {
        // @start region="engine"
        try (Engine engine = model.newEngine(EngineOptions.defaults())) {
            Answer rivers = engine.submit(EngineRequest.chat(ChatMessage.user("Name three rivers of Peru.")));
            Answer peaks = engine.submit(EngineRequest.chat(ChatMessage.user("Name three mountains of Peru.")));
            for (String piece : rivers) {
                System.out.print(piece);
            }
            System.out.println(peaks.text());
        }
        // @end
    }

    static void request() {
        // @start region="request"
        EngineRequest request = EngineRequest.chat(ChatMessage.user("Name three rivers of Peru."))
                .withOptions(GenerationOptions.defaults().withMaxTokens(64))
                .withDeadline(Duration.ofSeconds(10));
        // @end
    }

    static void embedder(Model model, List<String> documents) {
        // @start region="embedder"
        try (Embedder embedder = Embedder.of(model); EmbeddingMatrix rows = embedder.embed(documents)) {
            for (EmbeddingMatrix.Match match : rows.nearest(embedder.embed("which river is the longest?"), 3)) {
                System.out.println(match.score() + " " + documents.get(match.index()));
            }
        }
        // @end
    }

    static void reranker(Model model, List<String> documents) {
        // @start region="reranker"
        try (Reranker reranker = Reranker.of(model)) {
            reranker.rank("which river is the longest?", documents).forEach(
                    ranked -> System.out.println(ranked.score() + " " + documents.get(ranked.index())));
        }
        // @end
    }
}
