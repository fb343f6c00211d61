package dev.chasqui.kv;

import java.time.Duration;
import java.util.OptionalDouble;

/// What [SparseAttention] did, and the file behind the KV cache if there is one.
///
/// @param steps       tokens that were computed one by one
/// @param sparseSteps of these, those that attended sparsely in some layer
/// @param cells       share of the visible cells that they attended to in these layers, mean; 1 if there were none
/// @param missing     share of the attention that was left out, as the selector estimates it, mean; empty if it does not
/// @param denseTime   time of full attention in the steps that computed both ways to find out what is faster
/// @param sparseTime  time of sparse attention in the same steps
/// @param sketchBytes memory that the selector keeps of keys
/// @param file        of a cache on a file, with or without sparse attention
public record KvStats(long steps, long sparseSteps, double cells, OptionalDouble missing, Duration denseTime, Duration sparseTime, long sketchBytes,
                      KvFileStats file) {

    /// Of a generation without sparse attention.
    public static final KvStats NONE = new KvStats(0, 0, 1, OptionalDouble.empty(), Duration.ZERO, Duration.ZERO, 0, KvFileStats.NONE);
}
