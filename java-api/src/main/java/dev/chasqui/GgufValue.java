package dev.chasqui;

import java.io.ByteArrayOutputStream;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.AbstractList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.RandomAccess;

/// A metadata value of a [GgufFile], with the type it has in the file. Immutable.
///
/// Arrays keep the bytes of the file and decode on access, so that a vocabulary of a quarter of a million strings costs no
/// more than its bytes. The text form of a scalar is the plain value, that of an array its type and size.
public sealed interface GgufValue {

    /// The type in the file.
    Type type();

    /// An array of texts.
    static Strings strings(List<String> values) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        int[] ends = new int[values.size()];
        for (int i = 0; i < ends.length; i++) {
            all.writeBytes(Utf8.encode(values.get(i)));
            ends[i] = all.size();
        }
        return new Strings(all.toByteArray(), ends);
    }

    /// An array of INT32.
    static Numbers numbers(int... values) {
        ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(values.length, Integer.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(values);
        return new Numbers(Type.INT32, bytes.array());
    }

    /// An array of FLOAT32.
    static Numbers numbers(float... values) {
        ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(values.length, Float.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return new Numbers(Type.FLOAT32, bytes.array());
    }

    /// Value types, in the order of their numbers in the file.
    enum Type {
        UINT8(1), INT8(1), UINT16(2), INT16(2), UINT32(4), INT32(4), FLOAT32(4), BOOL(1), STRING(0), ARRAY(0), UINT64(8), INT64(8), FLOAT64(8);

        private static final Type[] ALL = values();

        private final int bytes;

        Type(int bytes) {
            this.bytes = bytes;
        }

        /// @return the type of that number
        static Optional<Type> of(int id) {
            return id < 0 || id >= ALL.length ? Optional.empty() : Optional.of(ALL[id]);
        }

        /// Bytes of a value; 0 for strings and arrays.
        public int bytes() {
            return bytes;
        }
    }

    /// @param value 0 to 255
    record Uint8(int value) implements GgufValue {
        public Uint8 {
            range(value, 0, 0xff);
        }

        @Override
        public Type type() {
            return Type.UINT8;
        }

        @Override
        public String toString() {
            return String.valueOf(value);
        }
    }

    record Int8(byte value) implements GgufValue {
        @Override
        public Type type() {
            return Type.INT8;
        }

        @Override
        public String toString() {
            return String.valueOf(value);
        }
    }

    /// @param value 0 to 65535
    record Uint16(int value) implements GgufValue {
        public Uint16 {
            range(value, 0, 0xffff);
        }

        @Override
        public Type type() {
            return Type.UINT16;
        }

        @Override
        public String toString() {
            return String.valueOf(value);
        }
    }

    record Int16(short value) implements GgufValue {
        @Override
        public Type type() {
            return Type.INT16;
        }

        @Override
        public String toString() {
            return String.valueOf(value);
        }
    }

    /// @param value 0 to 2^32 - 1
    record Uint32(long value) implements GgufValue {
        public Uint32 {
            range(value, 0, 0xffff_ffffL);
        }

        @Override
        public Type type() {
            return Type.UINT32;
        }

        @Override
        public String toString() {
            return String.valueOf(value);
        }
    }

    record Int32(int value) implements GgufValue {
        @Override
        public Type type() {
            return Type.INT32;
        }

        @Override
        public String toString() {
            return String.valueOf(value);
        }
    }

    /// @param value the 64 bits; negative numbers stand for those from 2^63 on, as in [Long#toUnsignedString(long)]
    record Uint64(long value) implements GgufValue {
        @Override
        public Type type() {
            return Type.UINT64;
        }

        @Override
        public String toString() {
            return Long.toUnsignedString(value);
        }
    }

    record Int64(long value) implements GgufValue {
        @Override
        public Type type() {
            return Type.INT64;
        }

        @Override
        public String toString() {
            return String.valueOf(value);
        }
    }

    record Float32(float value) implements GgufValue {
        @Override
        public Type type() {
            return Type.FLOAT32;
        }

        @Override
        public String toString() {
            return String.valueOf(value);
        }
    }

    record Float64(double value) implements GgufValue {
        @Override
        public Type type() {
            return Type.FLOAT64;
        }

        @Override
        public String toString() {
            return String.valueOf(value);
        }
    }

    record Bool(boolean value) implements GgufValue {
        @Override
        public Type type() {
            return Type.BOOL;
        }

        @Override
        public String toString() {
            return String.valueOf(value);
        }
    }

    record Text(String value) implements GgufValue {
        public Text {
            Objects.requireNonNull(value, "value");
        }

        @Override
        public Type type() {
            return Type.STRING;
        }

        @Override
        public String toString() {
            return value;
        }
    }

    /// Values of one type.
    sealed interface Array extends GgufValue {

        Type elementType();

        int size();

        /// @return an element as the value it would be alone; convenient, but it makes an object per call
        /// @throws IndexOutOfBoundsException if there is no such element
        GgufValue get(int index);

        @Override
        default Type type() {
            return Type.ARRAY;
        }
    }

    /// An array of numbers or booleans.
    final class Numbers implements Array {

        private static final VarHandle SHORT = MethodHandles.byteArrayViewVarHandle(short[].class, ByteOrder.LITTLE_ENDIAN);
        private static final VarHandle INT = MethodHandles.byteArrayViewVarHandle(int[].class, ByteOrder.LITTLE_ENDIAN);
        private static final VarHandle LONG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

        private final Type elementType;
        private final byte[] bytes;

        /// @param bytes little-endian; not copied
        Numbers(Type elementType, byte[] bytes) {
            this.elementType = elementType;
            this.bytes = bytes;
        }

        @Override
        public Type elementType() {
            return elementType;
        }

        @Override
        public int size() {
            return bytes.length / elementType.bytes();
        }

        /// An element as an integer: floating-point numbers are truncated, booleans are 0 or 1, and unsigned 64-bit numbers from
        /// 2^63 on are negative.
        public long integer(int index) {
            Objects.checkIndex(index, size());
            return switch (elementType) {
                case UINT8 -> bytes[index] & 0xff;
                case INT8 -> bytes[index];
                case BOOL -> bytes[index] != 0 ? 1 : 0;
                case UINT16 -> (short) SHORT.get(bytes, index * 2) & 0xffff;
                case INT16 -> (short) SHORT.get(bytes, index * 2);
                case UINT32 -> (int) INT.get(bytes, index * 4) & 0xffff_ffffL;
                case INT32 -> (int) INT.get(bytes, index * 4);
                case FLOAT32, FLOAT64 -> (long) number(index);
                case UINT64, INT64 -> (long) LONG.get(bytes, index * 8);
                case STRING, ARRAY -> throw new AssertionError(elementType);
            };
        }

        /// An element as a floating-point number.
        public double number(int index) {
            Objects.checkIndex(index, size());
            return switch (elementType) {
                case FLOAT32 -> float32(index);
                case FLOAT64 -> Double.longBitsToDouble((long) LONG.get(bytes, index * 8));
                case UINT64 -> {
                    long bits = integer(index);
                    yield bits >= 0 ? bits : ((bits >>> 1) | (bits & 1)) * 2.0;
                }
                default -> integer(index);
            };
        }

        /// An element that is not zero.
        public boolean bool(int index) {
            return number(index) != 0;
        }

        /// A copy, each as [#integer(int)].
        public long[] toLongs() {
            long[] out = new long[size()];
            Arrays.setAll(out, this::integer);
            return out;
        }

        /// A copy, each as [#number(int)].
        public float[] toFloats() {
            float[] out = new float[size()];
            for (int i = 0; i < out.length; i++) {
                out[i] = elementType == Type.FLOAT32 ? float32(i) : (float) number(i);
            }
            return out;
        }

        @Override
        public GgufValue get(int index) {
            return switch (elementType) {
                case UINT8 -> new Uint8((int) integer(index));
                case INT8 -> new Int8((byte) integer(index));
                case UINT16 -> new Uint16((int) integer(index));
                case INT16 -> new Int16((short) integer(index));
                case UINT32 -> new Uint32(integer(index));
                case INT32 -> new Int32((int) integer(index));
                case FLOAT32 -> new Float32(float32(index));
                case BOOL -> new Bool(bool(index));
                case UINT64 -> new Uint64(integer(index));
                case INT64 -> new Int64(integer(index));
                case FLOAT64 -> new Float64(number(index));
                case STRING, ARRAY -> throw new AssertionError(elementType);
            };
        }

        /// Without a detour over double, which would change signalling NaNs.
        private float float32(int index) {
            Objects.checkIndex(index, size());
            return Float.intBitsToFloat((int) INT.get(bytes, index * 4));
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Numbers that && elementType == that.elementType && Arrays.equals(bytes, that.bytes);
        }

        @Override
        public int hashCode() {
            return elementType.ordinal() * 31 + Arrays.hashCode(bytes);
        }

        @Override
        public String toString() {
            return elementType + "[" + size() + "]";
        }
    }

    /// An array of strings.
    final class Strings implements Array {

        private final byte[] bytes;
        private final int[] ends;

        /// @param bytes all strings, one after the other; not copied
        /// @param ends  where each one ends in them; not copied
        Strings(byte[] bytes, int[] ends) {
            this.bytes = bytes;
            this.ends = ends;
        }

        @Override
        public Type elementType() {
            return Type.STRING;
        }

        @Override
        public int size() {
            return ends.length;
        }

        /// An element, decoded from UTF-8. Vocabularies may have tokens that are not whole characters; what is not UTF-8 becomes
        /// U+FFFD here, and [#bytes(int)] has it unchanged.
        public String text(int index) {
            int start = start(index);
            return new String(bytes, start, ends[index] - start, StandardCharsets.UTF_8);
        }

        /// A copy of an element's bytes.
        public byte[] bytes(int index) {
            return Arrays.copyOfRange(bytes, start(index), ends[index]);
        }

        /// A view, each as [#text(int)].
        public List<String> asList() {
            return new TextList(this);
        }

        @Override
        public GgufValue get(int index) {
            return new Text(text(index));
        }

        @Override
        public boolean equals(Object other) {
            return other instanceof Strings that && Arrays.equals(ends, that.ends) && Arrays.equals(bytes, that.bytes);
        }

        @Override
        public int hashCode() {
            return Arrays.hashCode(ends) * 31 + Arrays.hashCode(bytes);
        }

        @Override
        public String toString() {
            return "STRING[" + size() + "]";
        }

        private int start(int index) {
            Objects.checkIndex(index, ends.length);
            return index == 0 ? 0 : ends[index - 1];
        }

        private static final class TextList extends AbstractList<String> implements RandomAccess {
            private final Strings strings;

            TextList(Strings strings) {
                this.strings = strings;
            }

            @Override
            public String get(int index) {
                return strings.text(index);
            }

            @Override
            public int size() {
                return strings.size();
            }
        }
    }

    /// An array of arrays. The format allows it; llama.cpp refuses files that have one.
    record Nested(List<Array> elements) implements Array {
        public Nested {
            elements = List.copyOf(elements);
        }

        @Override
        public Type elementType() {
            return Type.ARRAY;
        }

        @Override
        public int size() {
            return elements.size();
        }

        @Override
        public Array get(int index) {
            return elements.get(index);
        }

        @Override
        public String toString() {
            return elements.toString();
        }
    }

    private static void range(long value, long low, long high) {
        if (value < low || value > high) {
            throw new IllegalArgumentException(value + " is not from " + low + " to " + high);
        }
    }
}
