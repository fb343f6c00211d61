package dev.chasqui.diffusion;

import dev.chasqui.Vocabulary;

/// How far a text is filled after a step. A snapshot: it stays as it is.
public final class DiffusionProgress {

    /// What [#text()] shows for a mask.
    public static final String PLACEHOLDER = "░";

    private final Vocabulary vocabulary;
    private final int mask;
    private final int[] tokens;
    private final int steps;
    private final int taken;
    private final int masked;

    DiffusionProgress(Vocabulary vocabulary, int mask, int[] tokens, int steps, int taken, int masked) {
        this.vocabulary = vocabulary;
        this.mask = mask;
        this.tokens = tokens;
        this.steps = steps;
        this.taken = taken;
        this.masked = masked;
    }

    /// Steps so far, this one included.
    public int steps() {
        return steps;
    }

    /// Positions that this step filled.
    public int taken() {
        return taken;
    }

    /// Positions of the whole text that are still masked.
    public int masked() {
        return masked;
    }

    /// A copy of the tokens: of the answer, or of the whole text if that was to be filled.
    public int[] tokens() {
        return tokens.clone();
    }

    /// The tokens as text, with [#PLACEHOLDER] at each mask.
    public String text() {
        return DiffusionText.of(vocabulary, tokens, mask, PLACEHOLDER);
    }
}
