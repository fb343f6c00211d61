package dev.chasqui.kv;

/// Attention to a part of what is before them for the tokens of a long prompt: each block of 64 tokens attends, in each head of each layer, to the first keys of the text, to
/// the last ones, and of the tiles of 64 keys between them to those that hold most of its attention. How much that is, is estimated by four of the block's own queries, and
/// as many tiles are computed as leave out no more than a given share: heads differ widely in that. Full attention of a prompt grows with the square of its
/// length, so the longer the prompt, the more it saves.
///
/// Lossy: the answer is another one than without, and so are the keys and values that stay in the KV cache. `docs/sparse-attention.md` has measurements. The
/// end of each prompt is computed with full attention. It works on the CPU, with Chasqui's kernels and an fp16 cache; what is otherwise, is computed in full.
///
/// After XAttention (Xu et al., 2025) and FlexPrefill (Lai et al., 2025), which choose by a share of the attention as well, but estimate it otherwise.
///
/// Immutable, and safe to share.
///
/// @param missing share of a block's attention that may be left out, by the estimate, 0 to 1; 0 = nothing is
/// @param sinks   first tokens that are always attended to, in whole tiles
/// @param window  tokens before a block that are
/// @param last    tokens at the end of a prompt with full attention
/// @param always  also where choosing is measured to cost more than it saves, as it does in short prompts; otherwise layers switch by themselves
public record SparsePrefill(double missing, int sinks, int window, int last, boolean always) {

    private static final SparsePrefill DEFAULTS = new SparsePrefill(0.05, 64, 128, 256, false);

    /// @throws IllegalArgumentException for a value out of range
    public SparsePrefill {
        check(missing >= 0 && missing < 1, "missing", missing);
        check(sinks >= 0, "sinks", sinks);
        check(window >= 0, "window", window);
        check(last >= 0, "last", last);
    }

    private static void check(boolean right, String name, Number value) {
        if (!right) {
            throw new IllegalArgumentException(name + " = " + value);
        }
    }

    /// A twentieth of the attention may be left out; 64 sinks, a window of 128, and the last 256 tokens in full.
    public static SparsePrefill defaults() {
        return DEFAULTS;
    }

    public SparsePrefill withMissing(double value) {
        return new SparsePrefill(value, sinks, window, last, always);
    }

    public SparsePrefill withSinks(int value) {
        return new SparsePrefill(missing, value, window, last, always);
    }

    public SparsePrefill withWindow(int value) {
        return new SparsePrefill(missing, sinks, value, last, always);
    }

    public SparsePrefill withLast(int value) {
        return new SparsePrefill(missing, sinks, window, value, always);
    }

    public SparsePrefill withAlways(boolean value) {
        return new SparsePrefill(missing, sinks, window, last, value);
    }
}
