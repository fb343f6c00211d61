package dev.chasqui.kv;

/// By what [SparseAttention] chooses tokens of the KV cache.
public enum CellSelector {

    /// Tokens one by one, by a sketch of every key in two bits a channel. The one to use; the others are there to compare with.
    SKETCH,

    /// Tokens one by one, by their keys: what a sketch could be at best. Slow, as it reads every key.
    EXACT,

    /// Chunks of 32 tokens, by the bounds of their keys (Tang et al., "Quest", 2024).
    BOX,

    /// Chunks that are halved where their bounds promise most (He et al., "LeoAM", 2025).
    LEOAM,

    /// Tokens by their keys, among those of the chunks with the best mean keys (Xu et al., "HISA", 2026).
    HISA,

    /// Tokens one by one, by the rotated pairs of channels that matter most to each head ("FASA", 2026).
    FASA,

    /// Chunks of 32 tokens at random: a control.
    RANDOM,

    /// The latest tokens, which makes the window larger: a control.
    WINDOW,

    /// Chunks of 32 tokens, by the attention that their keys would get: what choosing whole chunks could be at best. Slow, as it reads every key.
    CHUNKS
}
