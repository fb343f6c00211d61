package dev.chasqui;

/// Whether attention is computed by the fused kernel, which needs less memory and usually less time.
public enum FlashAttention {
    /// Where the backend has it for this model.
    AUTO(-1),
    OFF(0),
    ON(1);

    private final int nativeValue;

    FlashAttention(int nativeValue) {
        this.nativeValue = nativeValue;
    }

    int nativeValue() {
        return nativeValue;
    }
}
