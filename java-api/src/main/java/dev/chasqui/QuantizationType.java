package dev.chasqui;

/// Types of model files that [Quantizer] writes. Those with `_S`, `_M` or `_L` are mixtures: some tensors get more bits than the name says.
public enum QuantizationType {
    F32(0),
    F16(1),
    BF16(32),
    Q1_0(40),
    Q2_0(41),
    Q4_0(2),
    Q4_1(3),
    Q5_0(8),
    Q5_1(9),
    Q8_0(7),
    Q2_K(10),
    Q3_K_S(11),
    Q3_K_M(12),
    Q3_K_L(13),
    Q4_K_S(14),
    Q4_K_M(15),
    Q5_K_S(16),
    Q5_K_M(17),
    Q6_K(18),
    IQ3_S(26),
    IQ3_M(27),
    IQ4_NL(25),
    IQ4_XS(30),
    TQ1_0(36),
    TQ2_0(37),
    MXFP4_MOE(38);

    private final int id;

    QuantizationType(int id) {
        this.id = id;
    }

    /// The number in a file's `general.file_type`.
    public int id() {
        return id;
    }
}
