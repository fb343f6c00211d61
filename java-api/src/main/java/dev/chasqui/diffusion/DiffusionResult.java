package dev.chasqui.diffusion;

import dev.chasqui.FinishReason;

/// A text that a diffusion model filled.
///
/// @param tokens       of the answer up to its end, or of the whole text if that was to be filled. No masks, unless it was cancelled
/// @param text         the same as text, control tokens left out, [DiffusionProgress#PLACEHOLDER] at masks
/// @param finishReason `END` if the answer ended before its length, `LENGTH` if all was filled, or `CANCELLED`
/// @param steps        passes of the model
/// @param filled       masks that were filled; more than one a step is what policies are for
public record DiffusionResult(int[] tokens, String text, FinishReason finishReason, int steps, int filled) {
}
