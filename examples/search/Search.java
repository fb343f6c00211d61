package search;

import dev.chasqui.Embedder;
import dev.chasqui.EmbedderOptions;
import dev.chasqui.EmbeddingMatrix;
import dev.chasqui.Model;
import dev.chasqui.Pooling;
import dev.chasqui.models.ModelStore;
import java.nio.file.Path;
import java.util.List;

/// Finds the texts that are nearest to a question by their embeddings.
///
/// Argument: an embedding model. Without one the default model stands in, which was not trained for it.
public final class Search {

    private static final List<String> TEXTS = List.of(
            "The Amazon carries more water than any other river.",
            "Quipus are cords with knots in which the Incas kept numbers.",
            "Potatoes were first grown in the Andes.",
            "public static void main(String[] args) { System.out.println(42); }",
            "for (int i = 0; i < n; i++) { sum += a[i]; }");

    private Search() {}

    public static void main(String... args) {
        Path file = args.length > 0 ? Path.of(args[0]) : ModelStore.standard().get("smollm2-135m");
        EmbedderOptions options = args.length > 0 ? EmbedderOptions.defaults() : EmbedderOptions.defaults().withPooling(Pooling.MEAN);
        try (Model model = Model.load(file);
             Embedder embedder = Embedder.of(model, options);
             EmbeddingMatrix rows = embedder.embed(TEXTS)) {
            for (String question : List.of("Which river has the most water?", "int product = 1; for (int x : a) { product *= x; }")) {
                IO.println(question);
                for (EmbeddingMatrix.Match match : rows.nearest(embedder.embed(question), 2)) {
                    IO.println("  %.3f  %s".formatted(match.score(), TEXTS.get(match.index())));
                }
            }
        }
    }
}
