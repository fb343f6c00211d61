package dev.chasqui;

/// What an [Engine] has done so far, and who is in it.
///
/// @param queued          requests that wait to be admitted, parked ones included
/// @param running         requests that are admitted
/// @param keptSequences   sequences of ended requests kept for later prompts
/// @param steps           steps: each has the next token of every running answer
/// @param passes          passes of the model: one for each set of adapters in a step
/// @param promptTokens    tokens computed other than as the last one of an answer: of prompts, and of parked answers again
/// @param cachedTokens    tokens of prompts that were in the KV cache already, or came from the store
/// @param generatedTokens tokens picked
/// @param parked          how many times a request gave up its cells for others
public record EngineStats(
        int queued,
        int running,
        int keptSequences,
        long steps,
        long passes,
        long promptTokens,
        long cachedTokens,
        long generatedTokens,
        long parked) { }
