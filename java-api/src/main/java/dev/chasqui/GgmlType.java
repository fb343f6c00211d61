package dev.chasqui;

import java.util.Optional;

/// Element type of a tensor, as ggml numbers them. Numbers in a row are stored in blocks; for the plain types a block is one
/// number.
public enum GgmlType {
    F32(0, 1, 4),
    F16(1, 1, 2),
    Q4_0(2, 32, 18),
    Q4_1(3, 32, 20),
    Q5_0(6, 32, 22),
    Q5_1(7, 32, 24),
    Q8_0(8, 32, 34),
    Q8_1(9, 32, 36),
    Q2_K(10, 256, 84),
    Q3_K(11, 256, 110),
    Q4_K(12, 256, 144),
    Q5_K(13, 256, 176),
    Q6_K(14, 256, 210),
    Q8_K(15, 256, 292),
    IQ2_XXS(16, 256, 66),
    IQ2_XS(17, 256, 74),
    IQ3_XXS(18, 256, 98),
    IQ1_S(19, 256, 50),
    IQ4_NL(20, 32, 18),
    IQ3_S(21, 256, 110),
    IQ2_S(22, 256, 82),
    IQ4_XS(23, 256, 136),
    I8(24, 1, 1),
    I16(25, 1, 2),
    I32(26, 1, 4),
    I64(27, 1, 8),
    F64(28, 1, 8),
    IQ1_M(29, 256, 56),
    BF16(30, 1, 2),
    TQ1_0(34, 256, 54),
    TQ2_0(35, 256, 66),
    MXFP4(39, 32, 17),
    NVFP4(40, 64, 36),
    Q1_0(41, 128, 18),
    Q2_0(42, 64, 18);

    private static final GgmlType[] BY_ID = new GgmlType[43];

    static {
        for (GgmlType type : values()) {
            BY_ID[type.id] = type;
        }
    }

    private final int id;
    private final int blockSize;
    private final int blockBytes;

    GgmlType(int id, int blockSize, int blockBytes) {
        this.id = id;
        this.blockSize = blockSize;
        this.blockBytes = blockBytes;
    }

    /// @return the type that ggml gives this number; empty for one that was withdrawn or that this library does not know
    public static Optional<GgmlType> of(int id) {
        return id < 0 || id >= BY_ID.length ? Optional.empty() : Optional.ofNullable(BY_ID[id]);
    }

    /// ggml's number for it.
    public int id() {
        return id;
    }

    /// Numbers in a block.
    public int blockSize() {
        return blockSize;
    }

    /// Bytes of a block.
    public int blockBytes() {
        return blockBytes;
    }

    /// Bits per number, with the scales of the blocks.
    public double bitsPerWeight() {
        return 8.0 * blockBytes / blockSize;
    }

    /// Whether several numbers share a block.
    public boolean isQuantized() {
        return blockSize > 1;
    }

    /// Bytes of so many numbers.
    ///
    /// @throws IllegalArgumentException if they do not fill whole blocks
    /// @throws ArithmeticException      if the result is above 2^63 - 1
    public long bytes(long count) {
        if (count < 0 || count % blockSize != 0) {
            throw new IllegalArgumentException(count + " numbers do not fill blocks of " + blockSize + " (" + this + ")");
        }
        return Math.multiplyExact(count / blockSize, (long) blockBytes);
    }
}
