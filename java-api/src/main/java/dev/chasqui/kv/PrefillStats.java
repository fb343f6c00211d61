package dev.chasqui.kv;

import java.time.Duration;

/// What [SparsePrefill] did.
///
/// @param tokens       of prompts
/// @param sparseTokens of these, those that attended sparsely in some layer
/// @param pairs        of queries and the tiles of keys before them, the share that was computed in these layers; 1 if there were none
/// @param missing      share of the attention that was left out there, by the estimate, mean
/// @param choiceTime   time that choosing took, on one thread
/// @param savedTime    time that the rest would have taken on that thread, at the speed of what was computed
public record PrefillStats(long tokens, long sparseTokens, double pairs, double missing, Duration choiceTime, Duration savedTime) {
}
