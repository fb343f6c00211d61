package dev.chasqui.kv;

import java.util.Objects;

/// Attention to a part of a long text: while tokens are generated one by one, each attends to the first tokens of the text (sinks), to the last ones (the
/// window), and of the others to those that its queries seem to want most. The same ones are chosen for all heads of a layer, anew in each layer and step.
///
/// Lossy: the answer is another one than without. How far off it is depends on the text, see `docs/sparse-attention.md` for measurements. Prompts
/// are computed with full attention, nothing leaves the KV cache, and it can begin and end at any token. It works on the CPU, with Chasqui's kernels.
///
/// Immutable, and safe to share.
///
/// @param selector       by what tokens are chosen
/// @param share          of the visible tokens that are chosen at least beside sinks and window, 0 to 1
/// @param maxShare       that are chosen at most, at least `share`
/// @param missing        share of the attention that may be left out, as the selector estimates it, 0 to 1: as many tokens are chosen as keep to it, between
///                       both limits. 0 = always `maxShare`
/// @param sinks          first tokens that are always attended to
/// @param window         last tokens that are, at least 1
/// @param denseLayers    first layers with full attention
/// @param refresh        tokens that a choice is used for, 1 to [#MOST_REFRESH]
/// @param layersPerChoice layers that share a choice, at least 1
/// @param always         also where full attention is measured to be faster, as it is in short texts; otherwise the context switches by itself
/// @param seed           of [CellSelector#RANDOM]
public record SparseAttention(
        CellSelector selector, double share, double maxShare, double missing, int sinks, int window, int denseLayers, int refresh, int layersPerChoice,
        boolean always, long seed) {

    /// The limit of `refresh`.
    public static final int MOST_REFRESH = 64;

    private static final SparseAttention SKETCH = new SparseAttention(CellSelector.SKETCH, 0.1, 0.1, 0, 64, 256, 0, 1, 1, false, 1);

    /// @throws IllegalArgumentException for a value out of range
    public SparseAttention {
        Objects.requireNonNull(selector, "selector");
        check(share >= 0 && share <= 1, "share", share);
        check(maxShare >= share && maxShare <= 1, "maxShare", maxShare);
        check(missing >= 0 && missing <= 1, "missing", missing);
        check(sinks >= 0, "sinks", sinks);
        check(window >= 1, "window", window);
        check(denseLayers >= 0, "denseLayers", denseLayers);
        check(refresh >= 1 && refresh <= MOST_REFRESH, "refresh", refresh);
        check(layersPerChoice >= 1, "layersPerChoice", layersPerChoice);
    }

    private static void check(boolean right, String name, Number value) {
        if (!right) {
            throw new IllegalArgumentException(name + " = " + value);
        }
    }

    /// A tenth of the tokens by their sketches, 64 sinks, a window of 256.
    public static SparseAttention sketch() {
        return SKETCH;
    }

    /// As many tokens as leave out no more than this share of the attention, by the sketches: 2 to 20% of them.
    public static SparseAttention adaptive(double missing) {
        return SKETCH.withShares(0.02, 0.2).withMissing(missing);
    }

    public SparseAttention withSelector(CellSelector value) {
        return new SparseAttention(value, share, maxShare, missing, sinks, window, denseLayers, refresh, layersPerChoice, always, seed);
    }

    /// A fixed share.
    public SparseAttention withShare(double value) {
        return withShares(value, value);
    }

    /// From one share to another, see [#missing()].
    public SparseAttention withShares(double least, double most) {
        return new SparseAttention(selector, least, most, missing, sinks, window, denseLayers, refresh, layersPerChoice, always, seed);
    }

    public SparseAttention withMissing(double value) {
        return new SparseAttention(selector, share, maxShare, value, sinks, window, denseLayers, refresh, layersPerChoice, always, seed);
    }

    public SparseAttention withSinks(int value) {
        return new SparseAttention(selector, share, maxShare, missing, value, window, denseLayers, refresh, layersPerChoice, always, seed);
    }

    public SparseAttention withWindow(int value) {
        return new SparseAttention(selector, share, maxShare, missing, sinks, value, denseLayers, refresh, layersPerChoice, always, seed);
    }

    public SparseAttention withDenseLayers(int value) {
        return new SparseAttention(selector, share, maxShare, missing, sinks, window, value, refresh, layersPerChoice, always, seed);
    }

    public SparseAttention withRefresh(int value) {
        return new SparseAttention(selector, share, maxShare, missing, sinks, window, denseLayers, value, layersPerChoice, always, seed);
    }

    public SparseAttention withLayersPerChoice(int value) {
        return new SparseAttention(selector, share, maxShare, missing, sinks, window, denseLayers, refresh, value, always, seed);
    }

    public SparseAttention withAlways(boolean value) {
        return new SparseAttention(selector, share, maxShare, missing, sinks, window, denseLayers, refresh, layersPerChoice, value, seed);
    }

    public SparseAttention withSeed(long value) {
        return new SparseAttention(selector, share, maxShare, missing, sinks, window, denseLayers, refresh, layersPerChoice, always, value);
    }
}
