package dev.chasqui;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Objects;
import java.util.SequencedMap;

/// Writes GGUF files: with other metadata, other tensors, or new ones altogether. Needs no native code.
///
/// {@snippet class="snippets.ModelSnippets" region="write"}
///
/// Tensors are streamed: those of another file are copied from there when this one is written. Not thread-safe.
public final class GgufWriter {

    private static final String ALIGNMENT_KEY = "general.alignment";
    private static final int DEFAULT_ALIGNMENT = 32;
    private static final int MAX_ALIGNMENT = 1 << 30;
    private static final int MAX_NAME_BYTES = 65_535;
    private static final int MAX_ARRAY_DEPTH = 4;
    private static final int MAX_DIMENSIONS = 4;
    private static final int VERSION = 3;

    private final SequencedMap<String, GgufValue> metadata = new LinkedHashMap<>();
    private final SequencedMap<String, Tensor> tensors = new LinkedHashMap<>();

    /// Gives the bytes of a tensor.
    @FunctionalInterface
    public interface TensorData {

        /// Writes them all. Called once for each file that is written.
        void writeTo(WritableByteChannel out) throws IOException;
    }

    private record Tensor(GgmlType type, long[] shape, long bytes, TensorData data) { }

    private GgufWriter() {
    }

    /// A file without metadata and tensors.
    public static GgufWriter empty() {
        return new GgufWriter();
    }

    /// A file with the metadata and the tensors of another, in their order. That one must stay as it is until this is written.
    public static GgufWriter copyOf(GgufFile file) {
        GgufWriter writer = new GgufWriter();
        file.metadata().forEach(writer::put);
        file.tensors().forEach(tensor -> writer.tensor(file, tensor));
        return writer;
    }

    /// Sets a value. One that is there is replaced at its place.
    ///
    /// @throws IllegalArgumentException if no reader would take it: an empty or very long key, deeply nested arrays, an impossible
    ///                                  `general.alignment`
    public GgufWriter put(String key, GgufValue value) {
        checkName("key", key);
        checkDepth(key, value, 0);
        if (key.equals(ALIGNMENT_KEY) && !(value instanceof GgufValue.Uint32(long alignment)
                && Long.bitCount(alignment) == 1 && alignment <= MAX_ALIGNMENT)) {
            throw new IllegalArgumentException(ALIGNMENT_KEY + " = " + value + " is no power of 2 of type UINT32");
        }
        metadata.put(key, value);
        return this;
    }

    /// Sets a text.
    public GgufWriter put(String key, String value) {
        return put(key, new GgufValue.Text(value));
    }

    /// Sets an integer, as UINT32, which llama.cpp wants for nearly all of them.
    ///
    /// @param value 0 or more
    public GgufWriter put(String key, int value) {
        return put(key, new GgufValue.Uint32(value));
    }

    /// Sets a number, as FLOAT32.
    public GgufWriter put(String key, float value) {
        return put(key, new GgufValue.Float32(value));
    }

    public GgufWriter put(String key, boolean value) {
        return put(key, new GgufValue.Bool(value));
    }

    /// Removes a value, if it is there.
    public GgufWriter remove(String key) {
        metadata.remove(Objects.requireNonNull(key, "key"));
        return this;
    }

    /// Adds a tensor of another file, which must stay as it is until this is written. One of that name is replaced at its place.
    public GgufWriter tensor(GgufFile file, GgufTensor tensor) {
        return tensor(tensor.name(), tensor.type(), tensor.shape(), out -> copy(file, tensor, out));
    }

    /// Adds a tensor of numbers in memory, as F32. One of that name is replaced at its place.
    ///
    /// @param shape numbers per dimension, the fastest-varying first
    public GgufWriter tensor(String name, long[] shape, float... values) {
        long count = count(name, GgmlType.F32, shape);
        if (count != values.length) {
            throw new IllegalArgumentException("%s: the shape %s has %d numbers, there are %d".formatted(name, Arrays.toString(shape), count, values.length));
        }
        float[] kept = values.clone();
        return tensor(name, GgmlType.F32, shape, out -> {
            ByteBuffer bytes = ByteBuffer.allocate(Math.multiplyExact(kept.length, Float.BYTES)).order(ByteOrder.LITTLE_ENDIAN);
            bytes.asFloatBuffer().put(kept);
            writeAll(out, bytes);
        });
    }

    /// Adds a tensor whose bytes come when the file is written. One of that name is replaced at its place.
    ///
    /// @param shape numbers per dimension, the fastest-varying first; at most four
    /// @throws IllegalArgumentException if the name, the shape, or the type with this shape are impossible
    public GgufWriter tensor(String name, GgmlType type, long[] shape, TensorData data) {
        checkName("name", name);
        Objects.requireNonNull(data, "data");
        long bytes = type.bytes(count(name, type, shape));
        tensors.put(name, new Tensor(type, shape.clone(), bytes, data));
        return this;
    }

    /// Removes a tensor, if it is there.
    public GgufWriter removeTensor(String name) {
        tensors.remove(Objects.requireNonNull(name, "name"));
        return this;
    }

    /// Writes the file. What is there afterwards, whatever happens, is either an old file or the new one, whole; so it may be the file that
    /// tensors are copied from.
    ///
    /// @return its header
    /// @throws GgufException if a file that tensors are copied from has changed
    /// @throws IOException   if it cannot be written, or a [TensorData] fails or gives another number of bytes than its tensor has
    public GgufFile write(Path target) throws IOException {
        AtomicFile.write(target, aside -> {
            Files.delete(aside); // for the owner only; this one is as files are made
            try (FileChannel channel = FileChannel.open(aside, StandardOpenOption.WRITE, StandardOpenOption.CREATE_NEW)) {
                write(channel);
            }
        });
        return GgufFile.read(target);
    }

    private void write(FileChannel channel) throws IOException {
        int alignment = metadata.get(ALIGNMENT_KEY) instanceof GgufValue.Uint32(long value) ? (int) value : DEFAULT_ALIGNMENT;
        GgufOutput out = new GgufOutput(channel);
        out.int32(0x4655_4747);
        out.int32(VERSION);
        out.int64(tensors.size());
        out.int64(metadata.size());
        for (var entry : metadata.entrySet()) {
            out.string(entry.getKey());
            out.int32(entry.getValue().type().ordinal());
            out.value(entry.getValue());
        }
        long offset = 0;
        for (var entry : tensors.entrySet()) {
            Tensor tensor = entry.getValue();
            out.string(entry.getKey());
            out.int32(tensor.shape().length);
            for (long extent : tensor.shape()) {
                out.int64(extent);
            }
            out.int32(tensor.type().id());
            out.int64(offset);
            offset = padded(Math.addExact(offset, tensor.bytes()), alignment);
        }
        for (var entry : tensors.entrySet()) {
            out.padTo(alignment);
            out.flush();
            long begin = channel.position();
            entry.getValue().data().writeTo(channel);
            long written = channel.position() - begin;
            if (written != entry.getValue().bytes()) {
                throw new IOException("the tensor %s has %d bytes, %d were written".formatted(entry.getKey(), entry.getValue().bytes(), written));
            }
            out.resume();
        }
        if (!tensors.isEmpty()) {
            out.padTo(alignment);
        }
        out.flush();
    }

    private static void copy(GgufFile file, GgufTensor tensor, WritableByteChannel out) throws IOException {
        try (FileChannel in = FileChannel.open(file.path(), StandardOpenOption.READ)) {
            if (in.size() != file.fileSize()) {
                throw new GgufException(file.path(), "it has changed since its header was read");
            }
            long at = tensor.offset();
            long end = at + tensor.byteSize();
            while (at < end) {
                long copied = in.transferTo(at, end - at, out);
                if (copied <= 0) {
                    throw new EOFException(file.path() + " ended while the tensor " + tensor.name() + " was copied");
                }
                at += copied;
            }
        }
    }

    static void writeAll(WritableByteChannel out, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            out.write(bytes);
        }
    }

    private static long count(String name, GgmlType type, long[] shape) {
        if (shape.length > MAX_DIMENSIONS) {
            throw new IllegalArgumentException(name + ": " + shape.length + " dimensions, at most " + MAX_DIMENSIONS + " are possible");
        }
        long count = 1;
        try {
            for (long extent : shape) {
                if (extent < 0) {
                    throw new IllegalArgumentException(name + ": the shape " + Arrays.toString(shape) + " is impossible");
                }
                count = Math.multiplyExact(count, extent);
            }
            long row = shape.length == 0 ? 1 : shape[0];
            if (row % type.blockSize() != 0) {
                throw new IllegalArgumentException("%s: rows of %d numbers do not fill blocks of %d (%s)".formatted(name, row, type.blockSize(), type));
            }
            type.bytes(count);
            return count;
        } catch (ArithmeticException e) {
            throw new IllegalArgumentException(name + ": the shape " + Arrays.toString(shape) + " has too many numbers", e);
        }
    }

    private static void checkName(String what, String name) {
        int bytes = Utf8.encode(name).length;
        if (bytes == 0 || bytes > MAX_NAME_BYTES) {
            throw new IllegalArgumentException("a " + what + " of " + bytes + " bytes");
        }
    }

    private static void checkDepth(String key, GgufValue value, int depth) {
        Objects.requireNonNull(value, "value");
        if (value instanceof GgufValue.Array && depth == MAX_ARRAY_DEPTH) {
            throw new IllegalArgumentException("the arrays of " + key + " are nested more than " + MAX_ARRAY_DEPTH + " deep");
        }
        if (value instanceof GgufValue.Nested(var elements)) {
            elements.forEach(element -> checkDepth(key, element, depth + 1));
        }
    }

    private static long padded(long position, int alignment) {
        return Math.addExact(position, alignment - 1L) / alignment * alignment;
    }
}
