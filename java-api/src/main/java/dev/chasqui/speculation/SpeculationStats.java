package dev.chasqui.speculation;

import java.time.Duration;
import java.util.List;
import java.util.Map;

/// What the speculative steps of a generation did.
///
/// @param steps       passes of the model
/// @param tokens      tokens that came of them
/// @param drafted     tokens guessed and computed
/// @param accepted    those of them that came true
/// @param plainSteps  steps without a guess, because none would have paid
/// @param treeSteps   steps whose guess had more than one way to go on
/// @param draftTime   time to make guesses and to learn from results
/// @param targetTime  time of the model's passes
/// @param verifyTime  time to sample, and to keep what came true
/// @param sources     by source; a source that guessed nothing is absent
public record SpeculationStats(
        long steps,
        long tokens,
        long drafted,
        long accepted,
        long plainSteps,
        long treeSteps,
        Duration draftTime,
        Duration targetTime,
        Duration verifyTime,
        Map<DraftSource, SourceStats> sources) {

    /// Of a generation that did not speculate.
    public static final SpeculationStats NONE =
            new SpeculationStats(0, 0, 0, 0, 0, 0, Duration.ZERO, Duration.ZERO, Duration.ZERO, Map.of());

    public SpeculationStats {
        sources = Map.copyOf(sources);
    }

    /// Tokens for each pass of the model; 0 without any.
    public double tokensPerStep() {
        return steps == 0 ? 0 : (double) tokens / steps;
    }

    /// Of one source, by depth: entry 0 is of the tokens right after the text, entry 1 of those after these, and so on; the last entry
    /// holds all deeper ones as well.
    ///
    /// @param drafted  tokens guessed and computed
    /// @param accepted those of them that came true
    public record SourceStats(List<Long> drafted, List<Long> accepted) {

        public SourceStats {
            drafted = List.copyOf(drafted);
            accepted = List.copyOf(accepted);
        }
    }
}
