package snippets;

import dev.chasqui.Context;
import dev.chasqui.analysis.Attribution;
import dev.chasqui.analysis.AttributionOptions;
import dev.chasqui.analysis.AttributionResult;
import dev.chasqui.analysis.PassagePrompt;
import dev.chasqui.analysis.TokenLikelihoods;
import java.util.List;

/// Code that the documentation of [dev.chasqui.analysis] shows.
final class AnalysisSnippets {

    private AnalysisSnippets() {}

    static void attribution(Context context, List<String> passages) {
        // @start region="attribution"
        PassagePrompt prompt = PassagePrompt.chat(context.model(), passages, "Who built the bridge?");
        AttributionResult result = Attribution.of(context).attribute(prompt, AttributionOptions.defaults());
        System.out.println(result.answer());
        for (AttributionResult.PartValue part : result.ranked()) {
            System.out.printf("%+.3f ± %.3f  %s%n", part.value(), part.standardError(), part.text());
        }
        // @end
    }

    static void sentences(Attribution attribution, PassagePrompt prompt, AttributionResult result) {
        // @start region="sentences"
        int best = result.ranked().getFirst().passage();
        AttributionResult closer = attribution.attribute(prompt.splitSentences(best), result.answer(), AttributionOptions.defaults());
        // @end
    }

    static void likelihoods(Context context, String text) {
        // @start region="likelihoods"
        TokenLikelihoods likelihoods = TokenLikelihoods.of(context, text, 3);
        for (int i = 0; i < likelihoods.size(); i++) {
            System.out.println(context.model().vocabulary().detokenize(likelihoods.token(i)) + " was choice " + likelihoods.rank(i)
                    + " at " + Math.exp(likelihoods.logProbability(i)) + ", instead of " + likelihoods.alternatives(i));
        }
        System.out.println(likelihoods.summary().perplexity());
        // @end
    }
}
