package dev.chasqui.diffusion;

/// What a model proposes for masked positions of a text in one step, in the order of the positions. Immutable.
public final class Proposals {

    private final int[] positions;
    private final int[] tokens;
    private final float[] probabilities;
    private final float[] entropies;
    private final float[] margins;

    /// All arrays have the same length and are copied.
    ///
    /// @param positions     in the text
    /// @param tokens        proposed there
    /// @param probabilities of those tokens, at temperature 1
    /// @param entropies     of the distributions, in nats
    /// @param margins       probability of the best token less that of the second best
    /// @throws IllegalArgumentException if the lengths differ
    public Proposals(int[] positions, int[] tokens, float[] probabilities, float[] entropies, float[] margins) {
        int n = positions.length;
        if (tokens.length != n || probabilities.length != n || entropies.length != n || margins.length != n) {
            throw new IllegalArgumentException("the arrays have different lengths");
        }
        this.positions = positions.clone();
        this.tokens = tokens.clone();
        this.probabilities = probabilities.clone();
        this.entropies = entropies.clone();
        this.margins = margins.clone();
    }

    /// Number of masked positions that were asked about.
    public int size() {
        return positions.length;
    }

    /// @param i of a proposal, from 0 to `size() - 1`, as for the others
    public int position(int i) {
        return positions[i];
    }

    public int token(int i) {
        return tokens[i];
    }

    /// How sure the model is of the token.
    public float probability(int i) {
        return probabilities[i];
    }

    /// How unsure the model is of the position, in nats.
    public float entropy(int i) {
        return entropies[i];
    }

    /// How far the best token leads.
    public float margin(int i) {
        return margins[i];
    }
}
