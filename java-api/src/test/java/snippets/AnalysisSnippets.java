package snippets;

import dev.chasqui.Context;
import dev.chasqui.analysis.TokenLikelihoods;

/// Code that the documentation of [dev.chasqui.analysis] shows.
final class AnalysisSnippets {

    private AnalysisSnippets() {}

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
