package dev.chasqui;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Writes GGUF files for tests: any metadata, small tensors.
final class TinyGgufWriter {

    private final Map<String, GgufValue> metadata = new LinkedHashMap<>();
    private final Map<String, Tensor> tensors = new LinkedHashMap<>();
    private int version = 3;
    private int alignment = 32;

    private record Tensor(GgmlType type, long[] shape, byte[] data) {}

    TinyGgufWriter version(int value) {
        version = value;
        return this;
    }

    /// Sets `general.alignment`, too.
    TinyGgufWriter alignment(int value) {
        alignment = value;
        return put("general.alignment", new GgufValue.Uint32(value));
    }

    GgufValue value(String key) {
        return metadata.get(key);
    }

    TinyGgufWriter put(String key, GgufValue value) {
        metadata.put(key, value);
        return this;
    }

    TinyGgufWriter put(String key, String value) {
        return put(key, new GgufValue.Text(value));
    }

    /// As UINT32, which llama.cpp wants for nearly all integers.
    TinyGgufWriter put(String key, int value) {
        return put(key, new GgufValue.Uint32(value));
    }

    TinyGgufWriter put(String key, float value) {
        return put(key, new GgufValue.Float32(value));
    }

    TinyGgufWriter put(String key, boolean value) {
        return put(key, new GgufValue.Bool(value));
    }

    TinyGgufWriter put(String key, List<String> values) {
        return put(key, strings(values));
    }

    TinyGgufWriter put(String key, float[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return put(key, new GgufValue.Numbers(GgufValue.Type.FLOAT32, bytes.array()));
    }

    TinyGgufWriter put(String key, int[] values) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asIntBuffer().put(values);
        return put(key, new GgufValue.Numbers(GgufValue.Type.INT32, bytes.array()));
    }

    /// @param shape fastest-varying dimension first
    TinyGgufWriter tensor(String name, float[] values, long... shape) {
        ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(values);
        return tensor(name, GgmlType.F32, bytes.array(), shape);
    }

    /// @param data written as it is, whatever the shape says
    TinyGgufWriter tensor(String name, GgmlType type, byte[] data, long... shape) {
        tensors.put(name, new Tensor(type, shape, data));
        return this;
    }

    TinyGgufWriter withoutTensors() {
        tensors.clear();
        return this;
    }

    static GgufValue.Strings strings(List<String> values) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        int[] ends = new int[values.size()];
        for (int i = 0; i < ends.length; i++) {
            all.writeBytes(values.get(i).getBytes(StandardCharsets.UTF_8));
            ends[i] = all.size();
        }
        return new GgufValue.Strings(all.toByteArray(), ends);
    }

    Path write(Path file) throws IOException {
        return Files.write(file, bytes());
    }

    byte[] bytes() {
        Output out = new Output();
        out.writeBytes("GGUF".getBytes(StandardCharsets.US_ASCII));
        out.int32(version);
        out.int64(tensors.size());
        out.int64(metadata.size());
        metadata.forEach((key, value) -> {
            out.string(key);
            out.int32(value.type().ordinal());
            out.value(value);
        });
        long[] offset = {0};
        tensors.forEach((name, tensor) -> {
            out.string(name);
            out.int32(tensor.shape().length);
            for (long extent : tensor.shape()) {
                out.int64(extent);
            }
            out.int32(tensor.type().id());
            out.int64(offset[0]);
            offset[0] += padded(tensor.data().length);
        });
        out.writeBytes(new byte[padded(out.size()) - out.size()]);
        tensors.values().forEach(tensor -> {
            out.writeBytes(tensor.data());
            out.writeBytes(new byte[padded(tensor.data().length) - tensor.data().length]);
        });
        return out.toByteArray();
    }

    private int padded(int size) {
        return (size + alignment - 1) / alignment * alignment;
    }

    private static final class Output extends ByteArrayOutputStream {

        void int32(int value) {
            writeBytes(ByteBuffer.allocate(4).order(ByteOrder.LITTLE_ENDIAN).putInt(value).array());
        }

        void int64(long value) {
            writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(value).array());
        }

        void string(String text) {
            byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
            int64(bytes.length);
            writeBytes(bytes);
        }

        void value(GgufValue value) {
            switch (value) {
                case GgufValue.Uint8(int number) -> write(number);
                case GgufValue.Int8(byte number) -> write(number);
                case GgufValue.Bool(boolean flag) -> write(flag ? 1 : 0);
                case GgufValue.Uint16(int number) -> int16(number);
                case GgufValue.Int16(short number) -> int16(number);
                case GgufValue.Uint32(long number) -> int32((int) number);
                case GgufValue.Int32(int number) -> int32(number);
                case GgufValue.Float32(float number) -> int32(Float.floatToRawIntBits(number));
                case GgufValue.Uint64(long number) -> int64(number);
                case GgufValue.Int64(long number) -> int64(number);
                case GgufValue.Float64(double number) -> int64(Double.doubleToRawLongBits(number));
                case GgufValue.Text(String text) -> string(text);
                case GgufValue.Array array -> {
                    int32(array.elementType().ordinal());
                    int64(array.size());
                    for (int i = 0; i < array.size(); i++) {
                        if (array instanceof GgufValue.Strings strings) {
                            int64(strings.bytes(i).length);
                            writeBytes(strings.bytes(i));
                        } else {
                            value(array.get(i));
                        }
                    }
                }
            }
        }

        private void int16(int value) {
            write(value);
            write(value >> 8);
        }
    }
}
