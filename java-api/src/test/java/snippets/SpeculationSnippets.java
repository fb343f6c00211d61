package snippets;

import dev.chasqui.DraftModel;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Routing;
import dev.chasqui.speculation.DraftSource;
import dev.chasqui.speculation.Drafter;
import dev.chasqui.speculation.Speculation;
import java.util.Arrays;
import java.util.Set;

/// Code that the documentation of speculation shows.
final class SpeculationSnippets {

    private SpeculationSnippets() {}

    static void speculation() {
        // @start region="speculation"
        GenerationOptions options = GenerationOptions.defaults()
                .withSpeculation(Speculation.auto().withSources(Set.of(DraftSource.REPEATED))); // guesses only what the text has said before
        // @end
    }

    static void drafter(int[] poem) {
        // @start region="drafter"
        Drafter quotes = text -> { // goes on with the poem where the text's last token is in it
            for (int i = 0; i + 8 < poem.length; i++) {
                if (poem[i] == text.token(text.length() - 1)) {
                    return Arrays.copyOfRange(poem, i + 1, i + 8);
                }
            }
            return new int[0];
        };
        Speculation speculation = Speculation.auto().withDrafter(quotes);
        // @end
    }

    static void draftModel(Model small) {
        // @start region="draft-model"
        GenerationOptions options = GenerationOptions.defaults().withDraftModel(DraftModel.of(small));
        // @end
    }

    static void routing(Model large) {
        // @start region="routing"
        GenerationOptions options = GenerationOptions.defaults().withRouting(Routing.to(large)); // lossy
        // @end
    }
}
