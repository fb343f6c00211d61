package dev.chasqui.speculation;

import java.util.EnumSet;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/// How an answer is guessed ahead. The text is the same in any case: what the sampler would not have picked is never kept.
///
/// {@snippet class="snippets.SpeculationSnippets" region="speculation"}
///
/// Immutable, and safe to share.
///
/// @param sources   where guesses come from; none = one token at a time
/// @param maxTokens most tokens of a guess, 0 to [#MOST_TOKENS]
/// @param maxPaths  most ways of a guess to go on, at least 1; 1 = chains, no trees
/// @param adaptive  whether only so much is guessed as pays, by measured costs and hits; otherwise as much as the limits allow
/// @param drafter   a source of the caller's own
public record Speculation(Set<DraftSource> sources, int maxTokens, int maxPaths, boolean adaptive, Optional<Drafter> drafter) {

    /// The limit of `maxTokens`.
    public static final int MOST_TOKENS = 15;

    private static final Speculation AUTO =
            new Speculation(EnumSet.allOf(DraftSource.class), MOST_TOKENS, MOST_TOKENS + 1, true, Optional.empty());

    private static final Speculation OFF = new Speculation(Set.of(), 0, 1, true, Optional.empty());

    /// @throws IllegalArgumentException for a limit out of range
    public Speculation {
        sources = Set.copyOf(sources);
        Objects.requireNonNull(drafter, "drafter");
        if (maxTokens < 0 || maxTokens > MOST_TOKENS) {
            throw new IllegalArgumentException("maxTokens = " + maxTokens + " is not in 0.." + MOST_TOKENS);
        }
        if (maxPaths < 1) {
            throw new IllegalArgumentException("maxPaths = " + maxPaths);
        }
    }

    /// What every generation does by default: guesses from all sources, as a tree, as much as pays on this machine. Models whose memory cannot
    /// forget a wrong guess decode one token at a time.
    public static Speculation auto() {
        return AUTO;
    }

    /// One token at a time.
    public static Speculation off() {
        return OFF;
    }

    /// Guesses from these sources only.
    public Speculation withSources(Set<DraftSource> values) {
        return new Speculation(values, maxTokens, maxPaths, adaptive, drafter);
    }

    /// Most tokens of a guess.
    public Speculation withMaxTokens(int value) {
        return new Speculation(sources, value, maxPaths, adaptive, drafter);
    }

    /// Most ways of a guess to go on.
    public Speculation withMaxPaths(int value) {
        return new Speculation(sources, maxTokens, value, adaptive, drafter);
    }

    /// Whether only so much is guessed as pays.
    public Speculation withAdaptive(boolean value) {
        return new Speculation(sources, maxTokens, maxPaths, value, drafter);
    }

    /// With guesses of the caller's own beside the other sources.
    public Speculation withDrafter(Drafter value) {
        EnumSet<DraftSource> all = EnumSet.of(DraftSource.SUGGESTED);
        all.addAll(sources);
        return new Speculation(all, maxTokens, maxPaths, adaptive, Optional.of(value));
    }

    /// Whether anything is guessed at all.
    public boolean isOn() {
        return maxTokens > 0 && !sources.isEmpty();
    }
}
