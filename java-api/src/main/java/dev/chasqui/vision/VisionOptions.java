package dev.chasqui.vision;

import java.time.Duration;
import java.util.Objects;

/// How much of a picture a language model sees. Dropping tokens loses something: it is off unless asked for.
///
/// @param keep      share of the tokens that are kept, more than 0 and at most 1
/// @param minTokens at least so many are kept of a picture, if it has as many
/// @param maxTokens at most so many
/// @param pruner    what chooses them
/// @param positions where they are in the text
public record VisionOptions(double keep, int minTokens, int maxTokens, TokenPruner pruner, RowPositions positions) {

    private static final VisionOptions WHOLE = new VisionOptions(1, 1, Integer.MAX_VALUE, TokenPruner.herding(), RowPositions.PROJECTOR);

    public VisionOptions {
        if (!(keep > 0 && keep <= 1)) {
            throw new IllegalArgumentException("keep = " + keep + " is not in (0, 1]");
        }
        if (minTokens < 1 || maxTokens < minTokens) {
            throw new IllegalArgumentException("tokens to keep: at least " + minTokens + ", at most " + maxTokens);
        }
        Objects.requireNonNull(pruner, "pruner");
        Objects.requireNonNull(positions, "positions");
    }

    /// Everything.
    public static VisionOptions whole() {
        return WHOLE;
    }

    /// A share of the tokens, chosen by [TokenPruner#herding()].
    public static VisionOptions keeping(double share) {
        return WHOLE.withKeep(share);
    }

    public VisionOptions withKeep(double share) {
        return new VisionOptions(share, minTokens, maxTokens, pruner, positions);
    }

    public VisionOptions withTokens(int min, int max) {
        return new VisionOptions(keep, min, max, pruner, positions);
    }

    public VisionOptions withPruner(TokenPruner value) {
        return new VisionOptions(keep, minTokens, maxTokens, value, positions);
    }

    public VisionOptions withPositions(RowPositions value) {
        return new VisionOptions(keep, minTokens, maxTokens, pruner, value);
    }

    /// At most as many tokens as can be computed in that time, less what the text around the picture takes. A context knows its speed once it has computed a
    /// prompt ([dev.chasqui.Context#prefillSpeed()]).
    ///
    /// @param target          time to the first token of an answer, the encoder's time not counted
    /// @param tokensPerSecond how fast prompts are computed; 0 = not known, and nothing is changed
    /// @param textTokens      tokens of the text around the picture
    public VisionOptions within(Duration target, double tokensPerSecond, int textTokens) {
        if (!(tokensPerSecond > 0)) {
            return this;
        }
        long most = Math.clamp((long) (target.toNanos() / 1e9 * tokensPerSecond) - textTokens, minTokens, Integer.MAX_VALUE);
        return withTokens(minTokens, (int) Math.min(maxTokens, most));
    }

    /// How many of a picture's tokens are kept.
    public int budget(int tokens) {
        long share = Math.round(tokens * keep);
        return Math.min(tokens, Math.clamp(share, minTokens, maxTokens));
    }

    /// The budget of parts of a picture, in proportion to their tokens and at least one each.
    int[] budgets(int[] tokens) {
        int total = 0;
        for (int n : tokens) {
            total += n;
        }
        int left = Math.max(tokens.length, budget(total));
        int[] budgets = new int[tokens.length];
        for (int i = 0; i < tokens.length; i++) {
            int parts = tokens.length - i - 1;
            int fair = (int) Math.round((double) left * tokens[i] / Math.max(1, total));
            budgets[i] = Math.min(tokens[i], Math.clamp(fair, 1, Math.max(1, left - parts)));
            left -= budgets[i];
            total -= tokens[i];
        }
        return budgets;
    }
}
