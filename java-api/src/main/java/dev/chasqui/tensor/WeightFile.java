package dev.chasqui.tensor;

import dev.chasqui.GgufException;
import dev.chasqui.GgufFile;
import dev.chasqui.GgufSplit;
import dev.chasqui.GgufTensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// A GGUF file whose tensors are read, or mapped at the first need.
final class WeightFile {

    private static final Pattern SPLIT = Pattern.compile("(.*)-\\d{5}-of-\\d{5}\\.gguf");
    private static final int PIECE = 1 << 20;

    private final GgufFile header;
    private final Arena scope = Arena.ofShared();
    private @Nullable MemorySegment whole;

    private WeightFile(GgufFile header) {
        this.header = header;
    }

    static WeightFile open(Path path) {
        return new WeightFile(GgufFile.read(path));
    }

    /// The sizes in row-major order.
    static long[] shape(GgufTensor tensor) {
        long[] sizes = tensor.shape();
        long[] shape = new long[sizes.length];
        for (int i = 0; i < shape.length; i++) {
            shape[i] = sizes[sizes.length - 1 - i];
        }
        return shape;
    }

    /// These tensors, or all if there are no names.
    List<GgufTensor> tensors(String... names) {
        if (names.length == 0) {
            return header.tensors();
        }
        List<GgufTensor> tensors = new ArrayList<>();
        for (String name : names) {
            tensors.add(tensor(name));
        }
        return tensors;
    }

    GgufTensor tensor(String name) {
        return header.tensor(name).orElseThrow(() -> new IllegalArgumentException(header.path() + " has no tensor " + name));
    }

    /// This file, or the one of the same split model that has the tensor.
    WeightFile holding(String name, WeightFiles files) {
        Optional<GgufSplit> split = header.split();
        Matcher numbered = SPLIT.matcher(header.path().getFileName().toString());
        if (header.tensor(name).isEmpty() && split.isPresent() && numbered.matches()) {
            for (int i = 1; i <= split.get().count(); i++) {
                Path other = header.path().resolveSibling("%s-%05d-of-%05d.gguf".formatted(numbered.group(1), i, split.get().count()));
                WeightFile file = files.of(other);
                if (file.header.tensor(name).isPresent()) {
                    return file;
                }
            }
        }
        return this;
    }

    /// Reads the bytes of a tensor.
    void read(GgufTensor tensor, MemorySegment to) {
        try (FileChannel channel = FileChannel.open(header.path())) {
            for (long done = 0; done < tensor.byteSize(); ) {
                ByteBuffer piece = to.asSlice(done, Math.min(PIECE, tensor.byteSize() - done)).asByteBuffer();
                int n = channel.read(piece, tensor.offset() + done);
                if (n < 0) {
                    throw new GgufException(header.path(), "it ends within " + tensor.name());
                }
                done += n;
            }
        } catch (IOException e) {
            throw new GgufException(header.path(), tensor.name() + " cannot be read: " + e.getMessage(), e);
        }
    }

    /// The bytes of a tensor in the mapped file.
    synchronized MemorySegment mapped(GgufTensor tensor) {
        if (whole == null) {
            whole = map();
        }
        return whole.asSlice(tensor.offset(), tensor.byteSize());
    }

    private MemorySegment map() {
        try (FileChannel channel = FileChannel.open(header.path())) {
            if (channel.size() < header.fileSize()) {
                throw new GgufException(header.path(), "it has become shorter");
            }
            return channel.map(MapMode.READ_ONLY, 0, header.fileSize(), scope);
        } catch (IOException e) {
            throw new GgufException(header.path(), "it cannot be mapped: " + e.getMessage(), e);
        }
    }

    synchronized void unmap() {
        scope.close();
    }
}
