package rerank;

import dev.chasqui.Model;
import dev.chasqui.Reranker;
import dev.chasqui.UnsupportedFeatureException;
import java.nio.file.Path;
import java.util.List;

/// Sorts answers by how well they fit a question.
///
/// Argument: a reranking model, such as bge-reranker or jina-reranker as GGUF.
public final class Rerank {

    private static final String QUESTION = "Where were potatoes first grown?";
    private static final List<String> ANSWERS = List.of(
            "The Amazon carries more water than any other river.",
            "People in the Andes were the first to grow potatoes.",
            "Potatoes are boiled, baked or fried.");

    private Rerank() {}

    public static void main(String... args) {
        try (Model model = Model.load(Path.of(args[0])); Reranker reranker = Reranker.of(model)) {
            for (Reranker.Ranked ranked : reranker.rank(QUESTION, ANSWERS)) {
                IO.println("%8.3f  %s".formatted(ranked.score(), ANSWERS.get(ranked.index())));
            }
        } catch (UnsupportedFeatureException e) {
            IO.println(e.getMessage());
        }
    }
}
