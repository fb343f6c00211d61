package dev.chasqui;

/// Why a generation ended.
public enum FinishReason {
    /// The model ended its answer.
    END,
    /// A stop string appeared.
    STOP,
    /// The limit of new tokens was reached.
    LENGTH,
    /// The context has no room for another token.
    CONTEXT_FULL,
    /// `cancel()` was called or the thread was interrupted.
    CANCELLED,
    /// The deadline of an [EngineRequest] passed.
    DEADLINE,
    /// An exception ended it.
    FAILED
}
