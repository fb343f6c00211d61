package dev.chasqui.analysis;

import java.util.Objects;

/// How passages are judged. Immutable; change a copy with the `with` methods.
///
/// @param value            what an answer is worth
/// @param partialPrompt    how prompts with some of the passages are made
/// @param exactEvaluations most evaluations to go through all sets of passages, which takes 2 to the power of their number; where it would take more, orders are drawn
/// @param orders           orders to draw, rounded up to pairs; errors fall with the square root
/// @param maxEvaluations   most evaluations in all; fewer orders are drawn if they would need more
/// @param seed             decides which orders
/// @param maxAnswerTokens  longest answer that is generated where none is given
public record AttributionOptions(AnswerValue value, PartialPrompt partialPrompt, int exactEvaluations, int orders, int maxEvaluations, long seed, int maxAnswerTokens) {

    private static final int MOST_EXACT = 1 << 16;
    private static final AttributionOptions DEFAULTS = new AttributionOptions(AnswerValue.LOG_PROBABILITY, PartialPrompt.IN_ORDER, 64, 16, Integer.MAX_VALUE, 0, 64);

    public AttributionOptions {
        Objects.requireNonNull(value, "value");
        Objects.requireNonNull(partialPrompt, "partialPrompt");
        if (exactEvaluations < 0 || exactEvaluations > MOST_EXACT) {
            throw new IllegalArgumentException("exactEvaluations = " + exactEvaluations + " is not in 0.." + MOST_EXACT);
        }
        if (orders < 1) {
            throw new IllegalArgumentException("orders = " + orders + " is less than 1");
        }
        if (maxEvaluations < 1) {
            throw new IllegalArgumentException("maxEvaluations = " + maxEvaluations + " is less than 1");
        }
        if (maxAnswerTokens < 1) {
            throw new IllegalArgumentException("maxAnswerTokens = " + maxAnswerTokens + " is less than 1");
        }
    }

    /// The log-probability of the answer, up to six passages exactly, 16 orders of more, answers of at most 64 tokens.
    public static AttributionOptions defaults() {
        return DEFAULTS;
    }

    public AttributionOptions withValue(AnswerValue value) {
        return new AttributionOptions(value, partialPrompt, exactEvaluations, orders, maxEvaluations, seed, maxAnswerTokens);
    }

    public AttributionOptions withPartialPrompt(PartialPrompt value) {
        return new AttributionOptions(this.value, value, exactEvaluations, orders, maxEvaluations, seed, maxAnswerTokens);
    }

    /// @param value 0 to draw orders always, at most 65,536
    public AttributionOptions withExactEvaluations(int value) {
        return new AttributionOptions(this.value, partialPrompt, value, orders, maxEvaluations, seed, maxAnswerTokens);
    }

    public AttributionOptions withOrders(int value) {
        return new AttributionOptions(this.value, partialPrompt, exactEvaluations, value, maxEvaluations, seed, maxAnswerTokens);
    }

    public AttributionOptions withMaxEvaluations(int value) {
        return new AttributionOptions(this.value, partialPrompt, exactEvaluations, orders, value, seed, maxAnswerTokens);
    }

    public AttributionOptions withSeed(long value) {
        return new AttributionOptions(this.value, partialPrompt, exactEvaluations, orders, maxEvaluations, value, maxAnswerTokens);
    }

    public AttributionOptions withMaxAnswerTokens(int value) {
        return new AttributionOptions(this.value, partialPrompt, exactEvaluations, orders, maxEvaluations, seed, value);
    }
}
