package dev.chasqui;

import java.util.Objects;

/// A smaller model of the same vocabulary that guesses how an answer of a larger one goes on.
///
/// {@snippet class="snippets.SpeculationSnippets" region="draft-model"}
///
/// It is used beside the other sources of [dev.chasqui.speculation.Speculation], if these include `MODEL`, in the steps where it gave more tokens a second than they did; with
/// `Speculation.withAdaptive(false)` in all of them. It pays where the large model is slow and the small one is both much faster and much alike.
///
/// Immutable. The model stays the caller's, who keeps it open.
///
/// @param model       the smaller model
/// @param shape       how its guesses grow
/// @param maxTokens   most tokens of a guess, at least 1
/// @param depth       most tokens of one way of a guess, at least 1
/// @param width       ways side by side, 1 to 15, where the shape has several
/// @param temperature 0: the tokens that it rates best; the answer is the one without guesses, token for token. More: tokens drawn at this temperature and
///                    verified by recursive rejection sampling, which accepts more of them where the sampler's temperature is high; the answer has the same
///                    probabilities then, but a sampler's seed does not fix it
/// @param stop        a chain ends where the best token has a lower probability than this, a dynamic tree where a place is less worth
public record DraftModel(Model model, Shape shape, int maxTokens, int depth, int width, float temperature, float stop) {

    /// How guesses grow.
    public enum Shape {

        /// One token after the other.
        CHAIN,

        /// So many ways at each level, the best or a sample of whole paths (RSD-S: Jeon et al., "Recursive Speculative Decoding", 2024).
        BEAM,

        /// So many children of the root, half as many of each node at the next level, and so on (RSD-C, same paper).
        BRANCHES,

        /// Each token where it is most probably needed (Xiong et al., "DySpec", 2024).
        DYNAMIC
    }

    public DraftModel {
        Objects.requireNonNull(model, "model");
        Objects.requireNonNull(shape, "shape");
        if (maxTokens < 1 || depth < 1 || width < 1 || width > 15) {
            throw new IllegalArgumentException("maxTokens = " + maxTokens + ", depth = " + depth + ", width = " + width);
        }
        if (!(temperature >= 0 && temperature <= 100)) {
            throw new IllegalArgumentException("temperature = " + temperature + " is not in 0..100");
        }
        if (!(stop >= 0 && stop < 1)) {
            throw new IllegalArgumentException("stop = " + stop + " is not in [0, 1)");
        }
    }

    /// Chains of up to seven tokens, the best ones.
    public static DraftModel of(Model model) {
        return new DraftModel(model, Shape.CHAIN, 7, 7, 4, 0, 0.4f);
    }

    public DraftModel withShape(Shape value) {
        return new DraftModel(model, value, maxTokens, depth, width, temperature, stop);
    }

    public DraftModel withMaxTokens(int value) {
        return new DraftModel(model, shape, value, depth, width, temperature, stop);
    }

    public DraftModel withDepth(int value) {
        return new DraftModel(model, shape, maxTokens, value, width, temperature, stop);
    }

    public DraftModel withWidth(int value) {
        return new DraftModel(model, shape, maxTokens, depth, value, temperature, stop);
    }

    public DraftModel withTemperature(float value) {
        return new DraftModel(model, shape, maxTokens, depth, width, value, stop);
    }

    public DraftModel withStop(float value) {
        return new DraftModel(model, shape, maxTokens, depth, width, temperature, value);
    }
}
