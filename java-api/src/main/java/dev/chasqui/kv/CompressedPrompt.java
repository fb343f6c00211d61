package dev.chasqui.kv;

import java.time.Duration;

/// What is left of a prompt.
///
/// @param tokens       that are kept, in their order; to be computed as a prompt of its own, with positions from 0 on
/// @param kept         where each of them was in the prompt, ascending
/// @param promptTokens of the whole prompt
/// @param layers       of the model that were computed to choose them; 0 if the prompt was short enough to be kept whole
/// @param duration     of choosing
public record CompressedPrompt(int[] tokens, int[] kept, int promptTokens, int layers, Duration duration) {

    /// The share of the prompt that is kept, 1 if all of it.
    public double ratio() {
        return (double) tokens.length / promptTokens;
    }
}
