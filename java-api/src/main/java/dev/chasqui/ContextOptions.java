package dev.chasqui;

import dev.chasqui.kv.KvCacheOptions;
import dev.chasqui.kv.SequenceStore;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/// Size and shape of a [Context]. Immutable; change a copy with the `with` methods.
///
/// @param contextSize     tokens the KV cache holds, over all sequences; 0 = the length the model was trained for, at most [#DEFAULT_MAX_SIZE]
/// @param batchSize       most tokens handed to the model at once
/// @param microBatchSize  most tokens in one pass through the layers, at most `batchSize`
/// @param maxSequences    sequences that can live in the context at once, 1 to 256
/// @param maxLogitRows    most tokens of one micro-batch whose logits are kept; the buffer takes this × vocabulary × 4 bytes
/// @param threads         CPU threads for one token at a time; 0 = physical cores
/// @param batchThreads    CPU threads for many tokens at once; 0 = as `threads`
/// @param flashAttention  fused attention
/// @param keyType         element type of the key cache
/// @param valueType       element type of the value cache
/// @param offloadKv       keeps the KV cache of offloaded layers on their GPU; else it is in this machine's memory, with attention of few tokens at a time computed here
/// @param fullWindowCache keeps the whole text for sliding-window layers too, so that a sequence can be rewound
/// @param ropeFrequencyBase  base of the rotary embedding; 0 = the model's
/// @param ropeFrequencyScale scale of the rotary embedding; 0 = the model's
/// @param poll            how eagerly worker threads wait between passes: 0 sleeps, 100 spins
/// @param keptSequences   copies of sequences, beyond `maxSequences`, that may stay in cells that nobody needs ([Sequence#keep()]); see
///                        `docs/sequence-store.md` for when that is faster than a store alone
/// @param store           where generations and engines look for the beginning of their prompt, and leave what they computed; null = nowhere
/// @param kvCache         where the KV cache is: in memory, or on a file with a part of it in memory
public record ContextOptions(
        int contextSize,
        int batchSize,
        int microBatchSize,
        int maxSequences,
        int maxLogitRows,
        int threads,
        int batchThreads,
        FlashAttention flashAttention,
        KvType keyType,
        KvType valueType,
        boolean offloadKv,
        boolean fullWindowCache,
        float ropeFrequencyBase,
        float ropeFrequencyScale,
        int poll,
        int keptSequences,
        @Nullable SequenceStore store,
        KvCacheOptions kvCache) {

    /// Largest context that `contextSize = 0` gives.
    public static final int DEFAULT_MAX_SIZE = 8192;

    private static final ContextOptions DEFAULTS = new ContextOptions(
            0, 2048, 512, 1, 64, 0, 0, FlashAttention.AUTO, KvType.F16, KvType.F16, true, true, 0, 0, 50, 0, null, KvCacheOptions.inMemory());

    public ContextOptions {
        range("contextSize", contextSize, 0, Integer.MAX_VALUE);
        range("batchSize", batchSize, 1, Integer.MAX_VALUE);
        range("microBatchSize", microBatchSize, 1, batchSize);
        range("maxSequences", maxSequences, 1, 256);
        range("keptSequences", keptSequences, 0, 256 - maxSequences);
        range("maxLogitRows", maxLogitRows, 1, Integer.MAX_VALUE);
        range("threads", threads, 0, 512);
        range("batchThreads", batchThreads, 0, 512);
        range("poll", poll, 0, 100);
        Objects.requireNonNull(flashAttention, "flashAttention");
        Objects.requireNonNull(keyType, "keyType");
        Objects.requireNonNull(valueType, "valueType");
        Objects.requireNonNull(kvCache, "kvCache");
        finite("ropeFrequencyBase", ropeFrequencyBase);
        finite("ropeFrequencyScale", ropeFrequencyScale);
    }

    /// One sequence, up to [#DEFAULT_MAX_SIZE] tokens, every physical core.
    public static ContextOptions defaults() {
        return DEFAULTS;
    }

    public ContextOptions withContextSize(int value) {
        return new ContextOptions(value, batchSize, microBatchSize, maxSequences, maxLogitRows, threads, batchThreads, flashAttention,
                keyType, valueType, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, kvCache);
    }

    /// Sets the batch size, and lowers the micro-batch size to it if need be.
    public ContextOptions withBatchSize(int value) {
        return new ContextOptions(contextSize, value, Math.min(microBatchSize, Math.max(value, 1)), maxSequences, maxLogitRows, threads,
                batchThreads, flashAttention, keyType, valueType, offloadKv, fullWindowCache,
                ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, kvCache);
    }

    public ContextOptions withMicroBatchSize(int value) {
        return new ContextOptions(contextSize, batchSize, value, maxSequences, maxLogitRows, threads, batchThreads, flashAttention,
                keyType, valueType, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, kvCache);
    }

    public ContextOptions withMaxSequences(int value) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, value, maxLogitRows, threads, batchThreads, flashAttention,
                keyType, valueType, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, kvCache);
    }

    public ContextOptions withMaxLogitRows(int value) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, value, threads, batchThreads, flashAttention,
                keyType, valueType, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, kvCache);
    }

    /// Sets the threads for one token at a time and for many at once.
    public ContextOptions withThreads(int value) {
        return withThreads(value, value);
    }

    public ContextOptions withThreads(int single, int batch) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, maxLogitRows, single, batch, flashAttention,
                keyType, valueType, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, kvCache);
    }

    public ContextOptions withFlashAttention(FlashAttention value) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, maxLogitRows, threads, batchThreads, value,
                keyType, valueType, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, kvCache);
    }

    public ContextOptions withKvTypes(KvType keys, KvType values) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, maxLogitRows, threads, batchThreads, flashAttention,
                keys, values, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, kvCache);
    }

    public ContextOptions withOffloadKv(boolean value) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, maxLogitRows, threads, batchThreads, flashAttention,
                keyType, valueType, value, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, kvCache);
    }

    public ContextOptions withFullWindowCache(boolean value) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, maxLogitRows, threads, batchThreads, flashAttention,
                keyType, valueType, offloadKv, value, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, kvCache);
    }

    public ContextOptions withRope(float frequencyBase, float frequencyScale) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, maxLogitRows, threads, batchThreads, flashAttention,
                keyType, valueType, offloadKv, fullWindowCache, frequencyBase, frequencyScale, poll, keptSequences, store, kvCache);
    }

    public ContextOptions withPoll(int value) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, maxLogitRows, threads, batchThreads, flashAttention,
                keyType, valueType, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, value, keptSequences, store, kvCache);
    }

    public ContextOptions withKeptSequences(int value) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, maxLogitRows, threads, batchThreads, flashAttention,
                keyType, valueType, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, value, store, kvCache);
    }

    public ContextOptions withStore(@Nullable SequenceStore value) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, maxLogitRows, threads, batchThreads, flashAttention,
                keyType, valueType, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, value, kvCache);
    }

    public ContextOptions withKvCache(KvCacheOptions value) {
        return new ContextOptions(contextSize, batchSize, microBatchSize, maxSequences, maxLogitRows, threads, batchThreads, flashAttention,
                keyType, valueType, offloadKv, fullWindowCache, ropeFrequencyBase, ropeFrequencyScale, poll, keptSequences, store, value);
    }

    private static void range(String name, int value, int low, int high) {
        if (value < low || value > high) {
            throw new IllegalArgumentException("%s is %d, must be from %d to %d".formatted(name, value, low, high));
        }
    }

    private static void finite(String name, float value) {
        if (!Float.isFinite(value) || value < 0) {
            throw new IllegalArgumentException("%s is %s, must be finite and not negative".formatted(name, value));
        }
    }
}
