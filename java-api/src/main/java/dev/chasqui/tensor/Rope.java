package dev.chasqui.tensor;

import java.util.Objects;

/// Rotary position embedding: pairs of numbers are rotated by an angle that grows with the position. Immutable; change a copy with the
/// `with` methods.
///
/// After Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding" (2021); stretched as in Peng et al., "YaRN: Efficient
/// Context Window Extension of Large Language Models" (2023).
///
/// @param pairing    which numbers are a pair
/// @param dimensions first numbers of each row that are rotated, even; 0 = all
/// @param base       the angle of pair i of n is position × base^(-i/n)
/// @param scale      factor of all angles; below 1 to stretch a model's context
/// @param trainedContext    YaRN: tokens that the model was trained on; 0 without
/// @param extrapolation     YaRN: 1 mixes stretched and unstretched angles by frequency, 0 is plain scaling
/// @param attentionFactor   factor of the result
/// @param betaFast          YaRN: turns within the trained context above which an angle is not stretched
/// @param betaSlow          YaRN: turns below which it is stretched in full
public record Rope(
        Pairing pairing,
        int dimensions,
        float base,
        float scale,
        int trainedContext,
        float extrapolation,
        float attentionFactor,
        float betaFast,
        float betaSlow) {

    /// Which numbers are a pair.
    public enum Pairing {
        /// 0 with 1, 2 with 3, ... (Llama's weights in GGUF files).
        NEIGHBOURS,
        /// 0 with n/2, 1 with n/2 + 1, ... (NEOX: Qwen, Gemma and most others).
        HALVES
    }

    private static final Rope DEFAULTS = new Rope(Pairing.NEIGHBOURS, 0, 10_000, 1, 0, 0, 1, 32, 1);

    public Rope {
        Objects.requireNonNull(pairing, "pairing");
    }

    /// Neighbours, all dimensions, base 10000, nothing stretched.
    public static Rope defaults() {
        return DEFAULTS;
    }

    public Rope withPairing(Pairing value) {
        return new Rope(value, dimensions, base, scale, trainedContext, extrapolation, attentionFactor, betaFast, betaSlow);
    }

    public Rope withDimensions(int value) {
        return new Rope(pairing, value, base, scale, trainedContext, extrapolation, attentionFactor, betaFast, betaSlow);
    }

    public Rope withBase(float value) {
        return new Rope(pairing, dimensions, value, scale, trainedContext, extrapolation, attentionFactor, betaFast, betaSlow);
    }

    public Rope withScale(float value) {
        return new Rope(pairing, dimensions, base, value, trainedContext, extrapolation, attentionFactor, betaFast, betaSlow);
    }

    /// Stretches by frequency.
    public Rope withYarn(int trainedTokens, float extrapolationFactor, float factor, float fast, float slow) {
        return new Rope(pairing, dimensions, base, scale, trainedTokens, extrapolationFactor, factor, fast, slow);
    }
}
