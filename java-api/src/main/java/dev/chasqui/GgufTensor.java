package dev.chasqui;

import java.util.Arrays;

/// An entry in the tensor directory of a [GgufFile]. Immutable.
///
/// @param name         as in the file, for example `blk.0.attn_q.weight`
/// @param shape        numbers per dimension, the fastest-varying first, as ggml has it; empty for a single number
/// @param type         element type
/// @param offset       first byte, from the beginning of the file
/// @param elementCount numbers
/// @param byteSize     bytes
public record GgufTensor(String name, long[] shape, GgmlType type, long offset, long elementCount, long byteSize) {

    public GgufTensor {
        shape = shape.clone();
    }

    /// A copy.
    @Override
    public long[] shape() {
        return shape.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof GgufTensor that && name.equals(that.name) && Arrays.equals(shape, that.shape) && type == that.type
                && offset == that.offset && elementCount == that.elementCount && byteSize == that.byteSize;
    }

    @Override
    public int hashCode() {
        return name.hashCode() * 31 + Arrays.hashCode(shape);
    }

    @Override
    public String toString() {
        return "%s %s %s, %d bytes at %d".formatted(name, type, Arrays.toString(shape), byteSize, offset);
    }
}
