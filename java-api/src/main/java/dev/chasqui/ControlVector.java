package dev.chasqui;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;

/// Directions that are added to what a model's layers give, to make its answers more or less of something. [Context#setControlVector] computes
/// with it. Immutable.
///
/// A direction is a row as long as an embedding of the model; layers without one stay as they are. Layer 0 can have none.
public final class ControlVector {

    private static final String PREFIX = "direction.";
    private static final int MAX_LAYERS = 512;

    private final float[][] rows;
    private final int size;

    /// @param rows of the layers 1, 2, and so on
    private ControlVector(float[][] rows, int size) {
        this.rows = rows;
        this.size = size;
    }

    /// @param rows directions of the layers 1, 2, and so on, all of one length; an empty one or null leaves its layer as it is
    public static ControlVector of(float[]... rows) {
        int size = 0;
        float[][] copies = new float[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            copies[i] = rows[i] == null ? new float[0] : rows[i].clone();
            if (copies[i].length > 0) {
                if (size > 0 && size != copies[i].length) {
                    throw new IllegalArgumentException("the direction of layer %d has %d numbers, one before %d".formatted(i + 1, copies[i].length, size));
                }
                size = copies[i].length;
            }
        }
        if (size == 0 || rows.length > MAX_LAYERS) {
            throw new IllegalArgumentException("no layer has a direction, or there are more than " + MAX_LAYERS);
        }
        return new ControlVector(copies, size);
    }

    /// Reads a GGUF file with tensors `direction.1`, `direction.2` and so on, as llama.cpp's generator of control vectors writes them.
    ///
    /// @throws GgufException if it is no such file
    /// @throws IOException   if it cannot be read
    public static ControlVector load(Path path) throws IOException {
        GgufFile file = GgufFile.read(path);
        float[][] rows = new float[0][];
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            for (GgufTensor tensor : file.tensors()) {
                int layer = layer(path, tensor);
                if (layer > rows.length) {
                    rows = Arrays.copyOf(rows, layer);
                }
                rows[layer - 1] = read(channel, tensor);
            }
        }
        try {
            return of(rows);
        } catch (IllegalArgumentException e) {
            throw new GgufException(path, e.getMessage(), e);
        }
    }

    private static int layer(Path path, GgufTensor tensor) {
        String name = tensor.name();
        String number = name.startsWith(PREFIX) ? name.substring(PREFIX.length()) : "";
        int layer = number.matches("[0-9]{1,4}") ? Integer.parseInt(number) : 0;
        if (layer < 1 || layer > MAX_LAYERS) {
            throw new GgufException(path, "its tensor " + name + " is no direction of a layer from 1 on");
        }
        if (tensor.type() != GgmlType.F32 || tensor.elementCount() != tensor.shape()[0] || tensor.byteSize() > 1 << 24) {
            throw new GgufException(path, "its tensor " + name + " is no row of F32 numbers");
        }
        return layer;
    }

    private static float[] read(FileChannel channel, GgufTensor tensor) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate((int) tensor.byteSize()).order(ByteOrder.LITTLE_ENDIAN);
        while (bytes.hasRemaining()) {
            if (channel.read(bytes, tensor.offset() + bytes.position()) < 0) {
                throw new EOFException("the file ended in the tensor " + tensor.name());
            }
        }
        float[] row = new float[(int) tensor.elementCount()];
        bytes.flip().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(row);
        return row;
    }

    /// Numbers of a direction.
    public int size() {
        return size;
    }

    /// The last layer that may have a direction.
    public int lastLayer() {
        return rows.length;
    }

    /// A copy of the direction of a layer; empty if it has none.
    public float[] direction(int layer) {
        return layer >= 1 && layer <= rows.length ? rows[layer - 1].clone() : new float[0];
    }

    /// Every direction times a factor; below 0 for less of what it makes more of.
    public ControlVector scaled(float factor) {
        float[][] scaled = new float[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            scaled[i] = rows[i].clone();
            for (int k = 0; k < scaled[i].length; k++) {
                scaled[i][k] *= factor;
            }
        }
        return new ControlVector(scaled, size);
    }

    /// The directions of both together.
    ///
    /// @throws IllegalArgumentException if they are of different length
    public ControlVector plus(ControlVector other) {
        if (other.size != size) {
            throw new IllegalArgumentException("directions of %d and of %d numbers".formatted(size, other.size));
        }
        float[][] sums = new float[Math.max(rows.length, other.rows.length)][];
        for (int i = 0; i < sums.length; i++) {
            float[] a = direction(i + 1);
            float[] b = other.direction(i + 1);
            sums[i] = a.length == 0 ? b : a;
            for (int k = 0; a.length > 0 && k < b.length; k++) {
                sums[i][k] += b[k];
            }
        }
        return new ControlVector(sums, size);
    }

    /// The layers from `first` to `last` only.
    public ControlVector layers(int first, int last) {
        if (first < 1 || last < first) {
            throw new IllegalArgumentException("layers " + first + " to " + last);
        }
        float[][] some = new float[rows.length][];
        for (int i = 0; i < rows.length; i++) {
            some[i] = i + 1 >= first && i + 1 <= last ? rows[i] : new float[0];
        }
        return new ControlVector(some, size);
    }
}
