package dev.chasqui.kv;

import java.util.Objects;
import java.util.OptionalInt;

/// How a long prompt is made shorter before the model answers it: which of its tokens are kept, and by what. "Discovering the Gems in Early Layers: Accelerating
/// Long-Context LLMs with 1000x Input Token Reduction" (GemFilter, arXiv 2409.17422): in a middle layer the last token of a prompt already looks at what matters
/// for the answer, so the layers up to that one choose the tokens that all layers then see.
///
/// Lossy: what is not kept is not there for the answer. See `docs/prompt-compression.md` for measurements.
///
/// Immutable, and safe to share.
///
/// @param tokens  that are kept at least, 0 if only the share counts
/// @param share   of the prompt's tokens that is kept at least, 0 to 1
/// @param layer   whose attention chooses, from 0 on; empty: the one after two thirds of the layers
/// @param sinks   first tokens of the prompt that are always kept: its control tokens, and what a model needs there whatever it says
/// @param window  last tokens that are always kept, at least 1: the question
/// @param queries last tokens whose attention counts, at least 1, no more than the window; the paper's method has 1
/// @param score   what their attention is measured by
/// @param pooling neighbours whose mean score counts, an odd number from 1 (each token its own) to [#MOST_POOLING]: what surrounds a token that matters is
///                kept with it; the paper's method has 5
public record PromptCompression(int tokens, double share, OptionalInt layer, int sinks, int window, int queries, Score score, int pooling) {

    /// By what a token is scored, always as a mean over heads and queries.
    public enum Score {
        /// The product of query and key, as in the paper.
        PRODUCT,
        /// The share of the attention, so that no head counts more than another.
        SHARE
    }

    /// The limit of `pooling`.
    public static final int MOST_POOLING = 255;

    private static final PromptCompression DEFAULT = new PromptCompression(0, 0.25, OptionalInt.empty(), 16, 64, 8, Score.SHARE, 21);

    /// @throws IllegalArgumentException for a value out of range
    public PromptCompression {
        Objects.requireNonNull(layer, "layer");
        Objects.requireNonNull(score, "score");
        check(tokens >= 0, "tokens", tokens);
        check(share >= 0 && share <= 1, "share", share);
        check(tokens > 0 || share > 0, "tokens and share", 0);
        check(layer.orElse(0) >= 0, "layer", layer.orElse(0));
        check(sinks >= 0, "sinks", sinks);
        check(window >= 1, "window", window);
        check(queries >= 1 && queries <= window, "queries", queries);
        check(pooling >= 1 && pooling <= MOST_POOLING && pooling % 2 == 1, "pooling", pooling);
    }

    private static void check(boolean right, String name, Number value) {
        if (!right) {
            throw new IllegalArgumentException(name + " = " + value);
        }
    }

    /// Keeps so many tokens, or all of a shorter prompt.
    public static PromptCompression toTokens(int count) {
        return new PromptCompression(count, 0, DEFAULT.layer, DEFAULT.sinks, DEFAULT.window, DEFAULT.queries, DEFAULT.score, DEFAULT.pooling);
    }

    /// Keeps this share of each prompt.
    public static PromptCompression toShare(double share) {
        return DEFAULT.withShare(share);
    }

    /// How many tokens are kept of a prompt of so many, its always kept ones included.
    public int keptOf(int promptTokens) {
        return (int) Math.min(promptTokens, Math.max(tokens, Math.ceil(share * promptTokens)));
    }

    public PromptCompression withTokens(int value) {
        return new PromptCompression(value, share, layer, sinks, window, queries, score, pooling);
    }

    public PromptCompression withShare(double value) {
        return new PromptCompression(tokens, value, layer, sinks, window, queries, score, pooling);
    }

    public PromptCompression withLayer(int value) {
        return new PromptCompression(tokens, share, OptionalInt.of(value), sinks, window, queries, score, pooling);
    }

    public PromptCompression withSinks(int value) {
        return new PromptCompression(tokens, share, layer, value, window, queries, score, pooling);
    }

    public PromptCompression withWindow(int value) {
        return new PromptCompression(tokens, share, layer, sinks, value, queries, score, pooling);
    }

    public PromptCompression withQueries(int value) {
        return new PromptCompression(tokens, share, layer, sinks, window, value, score, pooling);
    }

    public PromptCompression withScore(Score value) {
        return new PromptCompression(tokens, share, layer, sinks, window, queries, value, pooling);
    }

    public PromptCompression withPooling(int value) {
        return new PromptCompression(tokens, share, layer, sinks, window, queries, score, value);
    }
}
