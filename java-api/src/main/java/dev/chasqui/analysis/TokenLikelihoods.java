package dev.chasqui.analysis;

import dev.chasqui.Context;
import dev.chasqui.ContextFullException;
import dev.chasqui.Sequence;
import dev.chasqui.Vocabulary;
import java.util.List;
import java.util.Objects;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/// How likely a model found each token of a text that it was given, each after all those before it. Immutable.
///
/// {@snippet class="snippets.AnalysisSnippets" region="likelihoods"}
///
/// [#features(int)] are the numbers that PAWN (arXiv 2501.03940) looks at to tell whether a machine wrote a text; a head that was trained for that is not part of
/// this library.
public final class TokenLikelihoods {

    private final int vocabulary;
    private final int[] tokens;
    private final int known;
    private final float[] logProbabilities;
    private final int[] ranks;
    private final float[] entropies;
    private final float[] masses;
    private final int alternatives;
    private final int[] bestTokens;
    private final float[] bestLogProbabilities;

    /// A token that the model could have chosen.
    ///
    /// @param logProbability natural logarithm of its probability
    public record Alternative(int token, float logProbability) { }

    /// Arrays of n tokens are copied; what they have before `known` does not count.
    ///
    /// @param vocabulary           number of tokens that there are
    /// @param known                the first token with a likelihood: 1 where the first one has nothing before it, else 0
    /// @param alternatives         how many of the best tokens [#alternatives(int)] gives
    /// @param bestTokens           `[n, best]`, the most probable first; `best` is at least `alternatives` and, unless the vocabulary is smaller, 2
    /// @param bestLogProbabilities `[n, best]`
    /// @throws IllegalArgumentException if the lengths do not fit
    public TokenLikelihoods(int vocabulary, int[] tokens, int known, float[] logProbabilities, int[] ranks, float[] entropies, float[] masses, int alternatives,
            int[] bestTokens, float[] bestLogProbabilities) {
        int n = tokens.length;
        if (logProbabilities.length != n || ranks.length != n || entropies.length != n || masses.length != n || bestTokens.length != bestLogProbabilities.length) {
            throw new IllegalArgumentException("the arrays have different lengths");
        }
        int best = Math.clamp(alternatives, Math.min(2, vocabulary), vocabulary);
        if (known < 0 || known > Math.min(1, n) || alternatives < 0 || alternatives > vocabulary || bestTokens.length != (long) n * best) {
            throw new IllegalArgumentException("%d tokens from %d on with %d alternatives need others than %d best ones".formatted(
                    n, known, alternatives, bestTokens.length));
        }
        this.vocabulary = vocabulary;
        this.tokens = tokens.clone();
        this.known = known;
        this.logProbabilities = logProbabilities.clone();
        this.ranks = ranks.clone();
        this.entropies = entropies.clone();
        this.masses = masses.clone();
        this.alternatives = alternatives;
        this.bestTokens = bestTokens.clone();
        this.bestLogProbabilities = bestLogProbabilities.clone();
    }

    /// The likelihoods of a whole text, in a sequence of the context that is closed afterwards. It comes after the model's begin-of-text token, if it has one, which is
    /// not part of the result. [Sequence#likelihoods] does the same for what follows a beginning.
    ///
    /// @param alternatives how many of the most probable tokens to keep at each place, 0 to 1024
    /// @throws ContextFullException  if the text does not fit
    /// @throws IllegalStateException if all sequences of the context are open, or another thread is using it
    public static TokenLikelihoods of(Context context, String text, int alternatives) {
        Vocabulary words = context.model().vocabulary();
        int[] tokens = words.tokenize(Objects.requireNonNull(text, "text"));
        try (Sequence sequence = context.newSequence()) {
            if (words.addsBeginOfText() && words.special().beginOfText().isPresent()) {
                sequence.push(words.special().beginOfText().getAsInt());
            }
            return sequence.likelihoods(alternatives, tokens);
        }
    }

    /// Number of tokens.
    public int size() {
        return tokens.length;
    }

    /// The first token that has a likelihood: 1 where the first of all has nothing before it. What is asked of others is NaN, 0 for the rank.
    public int firstKnown() {
        return known;
    }

    /// @param i of a token, from 0 to `size() - 1`, as for the others
    public int token(int i) {
        return tokens[i];
    }

    /// Natural logarithm of the token's probability.
    public float logProbability(int i) {
        return i < known ? Float.NaN : logProbabilities[i];
    }

    /// 1 for the token that the model found most probable, 2 for the one after it; of equal ones the lower id comes first.
    public int rank(int i) {
        return i < known ? 0 : ranks[i];
    }

    /// The share of the vocabulary up to the token's rank, above 0 and at most 1.
    public float quantile(int i) {
        return i < known ? Float.NaN : (float) ((double) ranks[i] / vocabulary);
    }

    /// The probability of all tokens up to the token's rank, itself included: the least `p` of top-p sampling that could draw it.
    public float mass(int i) {
        return i < known ? Float.NaN : masses[i];
    }

    /// How unsure the model was, in nats: the mean of `-log p` over its own distribution.
    public float entropy(int i) {
        return i < known ? Float.NaN : entropies[i];
    }

    /// Natural logarithm of the probability of the most probable token.
    public float bestLogProbability(int i) {
        return i < known ? Float.NaN : bestLogProbabilities[i * best()];
    }

    /// How far the most probable token was ahead of the second, as a difference of log-probabilities.
    public float margin(int i) {
        if (i < known) {
            return Float.NaN;
        }
        return best() == 1 ? Float.POSITIVE_INFINITY : bestLogProbabilities[i * best()] - bestLogProbabilities[i * best() + 1];
    }

    /// The most probable tokens in place of this one, best first; the token itself may be among them. Empty where the likelihood is not known.
    public List<Alternative> alternatives(int i) {
        Objects.checkIndex(i, tokens.length);
        return IntStream.range(0, i < known ? 0 : alternatives)
                .mapToObj(j -> new Alternative(bestTokens[i * best() + j], bestLogProbabilities[i * best() + j])).toList();
    }

    /// PAWN's five: [#entropy(int)], [#bestLogProbability(int)], [#logProbability(int)], [#quantile(int)], [#mass(int)].
    public float[] features(int i) {
        return new float[] {entropy(i), bestLogProbability(i), logProbability(i), quantile(i), mass(i)};
    }

    /// Means over all tokens whose likelihood is known.
    public LikelihoodSummary summary() {
        return new LikelihoodSummary(tokens.length - known, mean(this::logProbability), mean(this::bestLogProbability), mean(this::entropy), mean(this::quantile),
                mean(this::mass), mean(i -> Math.log(ranks[i])), mean(i -> ranks[i] == 1 ? 1 : 0));
    }

    private double mean(IntToDoubleFunction number) {
        return IntStream.range(known, tokens.length).mapToDouble(number).average().orElse(Double.NaN);
    }

    private int best() {
        return Math.clamp(alternatives, Math.min(2, vocabulary), vocabulary);
    }

    @Override
    public String toString() {
        return tokens.length + " tokens, " + summary();
    }
}
