package similarity;

import dev.chasqui.Model;
import dev.chasqui.ModelOptions;
import dev.chasqui.models.ModelStore;
import dev.chasqui.tensor.Tensor;
import dev.chasqui.tensor.TensorArena;

/// Finds the most alike of some sentences by the mean of their words' vectors: the vectors are a language model's, the arithmetic is tensors.
///
/// The model itself is not run: it gives the words (tokens) of a sentence, and the table with a vector for each of them.
public final class Similarity {

    private static final String[] SENTENCES = {
        "The cat sleeps on the sofa.",
        "The bank raised interest rates.",
        "We climbed a mountain in the snow.",
        "Our kitten and the old cat nap on a couch.",
        "Credit costs more when banks ask for higher interest.",
        "Snow and ice cover the summit of the mountains.",
    };

    private Similarity() {}

    public static void main(String... args) {
        try (var model = Model.load(ModelStore.standard().get("smollm2-135m"), ModelOptions.defaults().withVocabularyOnly(true));
             var arena = TensorArena.confined()) {
            Tensor table = arena.weight(model, "token_embd.weight");         // [vocabulary, width], quantised: pages of the model's file
            Tensor means = null;
            for (String sentence : SENTENCES) {
                int[] tokens = model.vocabulary().tokenize(sentence, false, false);
                Tensor vectors = table.rows(arena.of(tokens, tokens.length)); // [tokens, width], F32
                Tensor mean = vectors.l2Norm(1e-6f).mean(0).unsqueeze(0);
                means = means == null ? mean : means.concat(mean, 0);         // [sentences, width]
            }
            Tensor directions = means.sub(means.mean(0)).l2Norm(1e-6f);       // what all have in common says nothing
            Tensor cosines = directions.matmulTransposed(directions);         // [sentences, sentences]
            Tensor nearest = cosines.topK(2);                                 // each is nearest to itself
            arena.graph(cosines, nearest).compute();

            int[] order = nearest.toInts();
            for (int i = 0; i < SENTENCES.length; i++) {
                int other = order[2 * i + 1];
                IO.println("%s  ~  %s  (%.2f)".formatted(SENTENCES[i], SENTENCES[other], cosines.floatBuffer().get(i * SENTENCES.length + other)));
            }
        }
    }
}
