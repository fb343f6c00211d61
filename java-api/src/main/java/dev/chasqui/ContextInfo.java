package dev.chasqui;

/// What a context really got; llama.cpp rounds and limits what was asked for.
///
/// @param contextSize    tokens the KV cache holds, over all sequences
/// @param sequenceSize   tokens one sequence can have
/// @param batchSize      most tokens handed over at once
/// @param microBatchSize most tokens in one pass
/// @param maxSequences   sequences at once
/// @param threads        CPU threads for one token
/// @param batchThreads   CPU threads for many tokens
/// @param canShift       whether positions can be shifted
public record ContextInfo(
        int contextSize,
        int sequenceSize,
        int batchSize,
        int microBatchSize,
        int maxSequences,
        int threads,
        int batchThreads,
        boolean canShift) { }
