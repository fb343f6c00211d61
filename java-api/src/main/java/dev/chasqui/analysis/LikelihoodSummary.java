package dev.chasqui.analysis;

/// Means over the tokens of a text, NaN if there are none. They tell texts of one kind and one model apart; between models or kinds of text nothing can be compared.
///
/// @param tokens             that have a likelihood
/// @param logProbability     mean natural logarithm of the tokens' probability
/// @param bestLogProbability that of the most probable tokens in their places
/// @param entropy            how unsure the model was, in nats
/// @param quantile           share of the vocabulary up to the token's rank
/// @param mass               probability of all tokens up to the token's rank
/// @param logRank            natural logarithm of the rank, 0 for the most probable token
/// @param firstShare         share of the tokens that were the most probable one
public record LikelihoodSummary(int tokens, double logProbability, double bestLogProbability, double entropy, double quantile, double mass, double logRank,
        double firstShare) {

    /// exp of the mean negative log-probability; lower is better.
    public double perplexity() {
        return Math.exp(-logProbability);
    }

    /// The text's mean `-log p` in relation to what the model itself expected, which is its entropy: near 1 for a text that was drawn from the model, less for one that takes
    /// its first choices, more for most that people write. As Binoculars (arXiv 2401.12070), with one model in place of two.
    public double surprise() {
        return -logProbability / entropy;
    }
}
