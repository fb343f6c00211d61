package dev.chasqui;

import dev.chasqui.kv.KvStats;
import dev.chasqui.speculation.SpeculationStats;
import java.time.Duration;

/// What a finished generation did.
///
/// @param promptTokens     tokens before the first generated one
/// @param cachedTokens     those of them that were in the KV cache already, or came from the context's store
/// @param generatedTokens  tokens generated, the one that ended the answer included
/// @param timeToFirstToken from the start of the generation until the first token was sampled; zero if none was
/// @param decodeTime       from the first token to the last
/// @param targetSteps      passes of the model after the prompt
/// @param speculation      what speculative steps did, [SpeculationStats#NONE] without any
/// @param kv               what sparse attention did, [KvStats#NONE] without it
/// @param routedTokens     tokens that the larger model of a [Routing] picked; 0 without one
/// @param finishReason     why it ended
public record GenerationStats(
        int promptTokens,
        int cachedTokens,
        int generatedTokens,
        Duration timeToFirstToken,
        Duration decodeTime,
        int targetSteps,
        SpeculationStats speculation,
        KvStats kv,
        int routedTokens,
        FinishReason finishReason) {

    /// Tokens per second after the first; 0 with fewer than two tokens.
    public double decodeTokensPerSecond() {
        return generatedTokens < 2 || decodeTime.isZero() ? 0 : (generatedTokens - 1) / (decodeTime.toNanos() / 1e9);
    }

    /// Prompt tokens computed per second until the first token.
    public double prefillTokensPerSecond() {
        return timeToFirstToken.isZero() ? 0 : (promptTokens - cachedTokens) / (timeToFirstToken.toNanos() / 1e9);
    }
}
