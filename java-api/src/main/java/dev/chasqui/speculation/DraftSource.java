package dev.chasqui.speculation;

/// Where guesses come from.
public enum DraftSource {

    /// What followed the longest suffix of the text that occurred in it before.
    REPEATED,

    /// What the model rated best when the last tokens came before, in any answer of this model (Luo et al., "Token Recycling", 2024).
    RECYCLED,

    /// What a [Drafter] of the caller's proposes.
    SUGGESTED,

    /// What a smaller model thinks, where one is given with the generation's options.
    MODEL
}
