package dev.chasqui;

/// Element type of the KV cache. The smaller ones save memory at a small cost in quality; a quantised value cache needs
/// flash attention.
public enum KvType {
    F32(0), F16(1), BF16(30), Q8_0(8), Q5_1(7), Q5_0(6), Q4_1(3), Q4_0(2), IQ4_NL(20);

    private final int ggmlType;

    KvType(int ggmlType) {
        this.ggmlType = ggmlType;
    }

    int ggmlType() {
        return ggmlType;
    }
}
