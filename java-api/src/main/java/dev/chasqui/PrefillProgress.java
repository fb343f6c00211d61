package dev.chasqui;

/// How far the computation of a prompt has come.
///
/// @param done  tokens computed, in steps of the batch size
/// @param total tokens to compute, those not counted that were in the KV cache already; 0 when no prompt is being computed
public record PrefillProgress(int done, int total) {

    static final PrefillProgress NONE = new PrefillProgress(0, 0);
}
