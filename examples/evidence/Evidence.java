package evidence;

import dev.chasqui.ContextOptions;
import dev.chasqui.Model;
import dev.chasqui.analysis.Attribution;
import dev.chasqui.analysis.AttributionOptions;
import dev.chasqui.analysis.AttributionResult;
import dev.chasqui.analysis.PassagePrompt;
import dev.chasqui.models.ModelStore;
import java.util.List;

/// Which of four notes made a model answer as it did, and which sentence of that note. A value is what a note adds to the mean log-probability of the answer's tokens.
///
/// Arguments: a model of the store, if not smollm2-135m.
public final class Evidence {

    private static final String QUESTION = "What is the name of the harbour master?";
    private static final List<String> NOTES = List.of(
            "The mill by the river grinds corn on Mondays and oats on Fridays.",
            "In winter the pass is closed to carts. The harbour master is called Fernanda Quispe. Mules still cross the pass.",
            "The bakery sells flat bread, sweet rolls and, before feasts, honey cake.",
            "Boats of the lake are made of reed, and last a year.");

    private Evidence() {}

    public static void main(String... args) {
        try (var model = Model.load(ModelStore.standard().get(args.length > 0 ? args[0] : "smollm2-135m"));
             var context = model.newContext(ContextOptions.defaults().withContextSize(1024))) {
            var attribution = Attribution.of(context);
            PassagePrompt prompt = PassagePrompt.chat(model, NOTES, QUESTION);
            AttributionResult notes = attribution.attribute(prompt, AttributionOptions.defaults().withMaxAnswerTokens(24));
            IO.println(QUESTION + " " + notes.answer().strip());
            print(notes.ranked());
            IO.println("%d prompts, %d tokens computed, %d reused".formatted(notes.evaluations(), notes.computedTokens(), notes.reusedTokens()));

            int best = notes.ranked().getFirst().passage();
            AttributionResult sentences = attribution.attribute(prompt.splitSentences(best), notes.answer(), AttributionOptions.defaults());
            print(sentences.ranked().stream().filter(part -> part.passage() == best).toList());
        }
    }

    private static void print(List<AttributionResult.PartValue> parts) {
        for (AttributionResult.PartValue part : parts) {
            IO.println("%+7.3f  %s".formatted(part.value(), part.text().strip()));
        }
    }
}
