package dev.chasqui;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Parses the header of a GGUF file that nobody vouches for. Every count is compared with what is left of the file before
/// anything is allocated for it, and all allocations together with a budget, so that no header can exhaust the heap.
///
/// It reads through a buffer and does not map the file: a file that shrinks while it is mapped kills the reader.
final class GgufReader implements AutoCloseable {

    private static final int MAGIC = 0x4655_4747;
    private static final int MIN_VERSION = 2;
    private static final int MAX_VERSION = 3;
    private static final int DEFAULT_ALIGNMENT = 32;
    private static final int MAX_ARRAY_DEPTH = 4;
    private static final int MAX_DIMENSIONS = 4;
    private static final int MAX_NAME_BYTES = 65_535;

    /// Bytes that the smallest entries take in the file.
    private static final int MIN_METADATA_BYTES = 8 + 1 + 4 + 1;
    private static final int MIN_TENSOR_BYTES = 8 + 4 + 4 + 8;

    /// What an entry costs on the heap besides its data, generously.
    private static final int METADATA_COST = 256;
    private static final int TENSOR_COST = 512;
    private static final int ARRAY_COST = 96;

    private static final int BUFFER_SIZE = 1 << 18;
    private static final long MAX_BUDGET = 512L << 20;

    private final Path path;
    private final FileChannel channel;
    private final long fileSize;
    private final ByteBuffer buffer = ByteBuffer.allocate(BUFFER_SIZE).order(ByteOrder.LITTLE_ENDIAN);
    private long bufferEnd;
    private long budget = Math.min(MAX_BUDGET, Runtime.getRuntime().maxMemory() / 8);

    /// What a header says.
    record Header(int version, int alignment, long dataOffset, long fileSize, Map<String, GgufValue> metadata, List<GgufTensor> tensors) {}

    private GgufReader(Path path, FileChannel channel) throws IOException {
        this.path = path;
        this.channel = channel;
        this.fileSize = channel.size();
        buffer.limit(0);
    }

    static Header read(Path path) {
        try (GgufReader reader = new GgufReader(path, FileChannel.open(path, StandardOpenOption.READ))) {
            return reader.header();
        } catch (NoSuchFileException e) {
            throw new GgufException(path, "it does not exist", e);
        } catch (IOException e) {
            throw new GgufException(path, "cannot read it: " + e, e);
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }

    private Header header() throws IOException {
        require(24, "the header");
        int magic = int32();
        if (magic != MAGIC) {
            throw error(0, "it does not begin with 'GGUF'");
        }
        int version = int32();
        if ((version & 0xffff) == 0 && version != 0) {
            throw error(4, "it is big-endian, only little-endian files are supported");
        }
        if (version < MIN_VERSION || version > MAX_VERSION) {
            throw error(4, "version " + Integer.toUnsignedString(version) + " is not supported, only 2 and 3");
        }
        long tensorCount = count("tensors", MIN_TENSOR_BYTES, TENSOR_COST);
        long metadataCount = count("metadata entries", MIN_METADATA_BYTES, METADATA_COST);

        Map<String, GgufValue> metadata = metadata(metadataCount);
        int alignment = alignment(metadata);
        List<Entry> entries = entries(tensorCount);
        long dataOffset = entries.isEmpty() ? position() : padded(position(), alignment);
        List<GgufTensor> tensors = new ArrayList<>(entries.size());
        for (Entry entry : entries) {
            tensors.add(tensor(entry, alignment, dataOffset));
        }
        return new Header(version, alignment, dataOffset, fileSize, metadata, tensors);
    }

    private long count(String what, int minBytes, int cost) throws IOException {
        long start = position();
        long count = int64();
        if (count < 0 || count > (fileSize - position()) / minBytes) {
            throw error(start, Long.toUnsignedString(count) + " " + what + " do not fit into a file of " + fileSize + " bytes");
        }
        charge(start, count, cost, count + " " + what);
        return count;
    }

    private Map<String, GgufValue> metadata(long count) throws IOException {
        Map<String, GgufValue> metadata = new LinkedHashMap<>();
        for (long i = 0; i < count; i++) {
            long start = position();
            String key = name("a metadata key");
            if (key.isEmpty()) {
                throw error(start, "a metadata key is empty");
            }
            if (metadata.containsKey(key)) {
                throw error(start, "the metadata key '" + key + "' is there twice");
            }
            metadata.put(key, value(type("'" + key + "'"), key));
        }
        return metadata;
    }

    private GgufValue value(GgufValue.Type type, String key) throws IOException {
        require(type.bytes(), "the value of '" + key + "'");
        return switch (type) {
            case UINT8 -> new GgufValue.Uint8(int8() & 0xff);
            case INT8 -> new GgufValue.Int8(int8());
            case UINT16 -> new GgufValue.Uint16(int16() & 0xffff);
            case INT16 -> new GgufValue.Int16(int16());
            case UINT32 -> new GgufValue.Uint32(int32() & 0xffff_ffffL);
            case INT32 -> new GgufValue.Int32(int32());
            case FLOAT32 -> new GgufValue.Float32(Float.intBitsToFloat(int32()));
            case BOOL -> new GgufValue.Bool(int8() != 0);
            case STRING -> new GgufValue.Text(string("the value of '" + key + "'", Integer.MAX_VALUE));
            case ARRAY -> array(key, 1);
            case UINT64 -> new GgufValue.Uint64(int64());
            case INT64 -> new GgufValue.Int64(int64());
            case FLOAT64 -> new GgufValue.Float64(Double.longBitsToDouble(int64()));
        };
    }

    private GgufValue.Array array(String key, int depth) throws IOException {
        long start = position();
        if (depth > MAX_ARRAY_DEPTH) {
            throw error(start, "the arrays of '" + key + "' are nested more than " + MAX_ARRAY_DEPTH + " deep");
        }
        GgufValue.Type type = type("the elements of '" + key + "'");
        require(8, "the length of '" + key + "'");
        long length = int64();
        int elementBytes = switch (type) {
            case STRING -> 8;
            case ARRAY -> 12;
            default -> type.bytes();
        };
        if (length < 0 || length > (fileSize - position()) / elementBytes) {
            throw error(start, Long.toUnsignedString(length) + " elements of '" + key + "' do not fit into the rest of the file");
        }
        String what = length + " elements of '" + key + "'";
        return switch (type) {
            case STRING -> {
                charge(start, ARRAY_COST + length * 4, what);
                yield strings(key, (int) length);
            }
            case ARRAY -> {
                charge(start, ARRAY_COST + length * 8, what);
                List<GgufValue.Array> elements = new ArrayList<>((int) length);
                for (int i = 0; i < length; i++) {
                    elements.add(array(key, depth + 1));
                }
                yield new GgufValue.Nested(elements);
            }
            default -> {
                charge(start, ARRAY_COST + length * elementBytes, what);
                byte[] bytes = new byte[(int) (length * elementBytes)];
                bytes(bytes, 0, bytes.length);
                yield new GgufValue.Numbers(type, bytes);
            }
        };
    }

    /// Vocabularies have hundreds of thousands of strings, so those that lie in the buffer, nearly all, are taken out of its array:
    /// most of this runs before anything is compiled, where calls are what costs.
    private GgufValue.Strings strings(String key, int count) throws IOException {
        byte[] window = buffer.array();
        int[] ends = new int[count];
        byte[] bytes = new byte[Math.min(count, 1 << 16) * 8];
        int used = 0;
        for (int i = 0; i < count; i++) {
            int at = buffer.position();
            int available = buffer.limit() - at - 8;
            if (available >= 0 && (window[at + 2] | window[at + 3] | window[at + 4] | window[at + 5] | window[at + 6] | window[at + 7]) == 0) {
                int length = (window[at] & 0xff) | (window[at + 1] & 0xff) << 8;
                if (length <= available && length <= bytes.length - used && length <= budget) {
                    System.arraycopy(window, at + 8, bytes, used, length);
                    buffer.position(at + 8 + length);
                    budget -= length;
                    used += length;
                    ends[i] = used;
                    continue;
                }
            }
            long start = position();
            require(8, "a string of '" + key + "'");
            long length = int64();
            if (length < 0 || length > fileSize - position()) {
                throw error(start, "a string of " + Long.toUnsignedString(length) + " bytes in '" + key + "' does not fit into the rest of the file");
            }
            charge(start, length, "the strings of '" + key + "'");
            int needed = used + (int) length;
            if (needed > bytes.length) {
                bytes = Arrays.copyOf(bytes, Math.max(needed, (int) Math.min(bytes.length * 2L, MAX_BUDGET)));
            }
            bytes(bytes, used, (int) length);
            used = needed;
            ends[i] = used;
        }
        return new GgufValue.Strings(Arrays.copyOf(bytes, used), ends);
    }

    private int alignment(Map<String, GgufValue> metadata) {
        GgufValue value = metadata.get("general.alignment");
        if (value == null) {
            return DEFAULT_ALIGNMENT;
        }
        if (!(value instanceof GgufValue.Uint32(long alignment))) {
            throw error(position(), "general.alignment is of type " + value.type() + ", must be UINT32");
        }
        if (alignment > 1 << 30 || Long.bitCount(alignment) != 1) {
            throw error(position(), "general.alignment is " + alignment + ", must be a power of 2");
        }
        return (int) alignment;
    }

    /// A tensor before the beginning of the data is known.
    ///
    /// @param at where the offset stands in the file, for complaints
    private record Entry(String name, long[] shape, GgmlType type, long offset, long elements, long bytes, long at) {}

    private List<Entry> entries(long count) throws IOException {
        List<Entry> entries = new ArrayList<>((int) Math.min(count, 1 << 16));
        Set<String> names = new HashSet<>();
        for (long i = 0; i < count; i++) {
            long start = position();
            String name = name("a tensor name");
            if (!names.add(name)) {
                throw error(start, "the tensor '" + name + "' is there twice");
            }
            entries.add(entry(name));
        }
        return entries;
    }

    private Entry entry(String name) throws IOException {
        long start = position();
        require(4, "the dimensions of '" + name + "'");
        int dimensions = int32();
        if (dimensions < 0 || dimensions > MAX_DIMENSIONS) {
            throw error(start, "the tensor '" + name + "' has " + Integer.toUnsignedString(dimensions) + " dimensions, at most "
                    + MAX_DIMENSIONS + " are possible");
        }
        require(dimensions * 8L + 12, "the directory entry of '" + name + "'");
        long[] shape = new long[dimensions];
        long elements = 1;
        for (int i = 0; i < dimensions; i++) {
            shape[i] = int64();
            if (shape[i] < 0 || Math.multiplyHigh(elements, shape[i]) != 0 || elements * shape[i] < 0) {
                throw error(start, "the shape " + Arrays.toString(Arrays.copyOf(shape, i + 1)) + " of the tensor '" + name + "' is impossible");
            }
            elements *= shape[i];
        }
        long typeAt = position();
        int id = int32();
        GgmlType type = GgmlType.of(id).orElseThrow(() -> error(typeAt, "the tensor '" + name + "' has the unknown type " + id));
        long row = dimensions == 0 ? 1 : shape[0];
        if (row % type.blockSize() != 0) {
            throw error(start, "rows of " + row + " numbers of the tensor '" + name + "' do not fill blocks of " + type.blockSize()
                    + " (" + type + ")");
        }
        long blocks = elements / type.blockSize();
        if (blocks > Long.MAX_VALUE / type.blockBytes()) {
            throw error(start, "the tensor '" + name + "' would have more than 2^63 bytes");
        }
        long at = position();
        return new Entry(name, shape, type, int64(), elements, blocks * type.blockBytes(), at);
    }

    private GgufTensor tensor(Entry entry, int alignment, long dataOffset) {
        long offset = entry.offset();
        if (offset < 0 || offset % alignment != 0) {
            throw error(entry.at(), "the offset " + Long.toUnsignedString(offset) + " of the tensor '" + entry.name()
                    + "' is not a multiple of the alignment " + alignment);
        }
        long space = fileSize - dataOffset;
        if (offset > space || entry.bytes() > space - offset) {
            throw error(entry.at(), "the tensor '" + entry.name() + "' (%d bytes at %d of the data) ends beyond the file, is it complete?"
                    .formatted(entry.bytes(), offset));
        }
        return new GgufTensor(entry.name(), entry.shape(), entry.type(), dataOffset + offset, entry.elements(), entry.bytes());
    }

    private static long padded(long position, long alignment) {
        return (position + alignment - 1) / alignment * alignment;
    }

    private GgufValue.Type type(String what) throws IOException {
        require(4, "the type of " + what);
        long start = position();
        int id = int32();
        return GgufValue.Type.of(id).orElseThrow(() -> error(start, "the type of " + what + " is the unknown " + Integer.toUnsignedString(id)));
    }

    private String name(String what) throws IOException {
        return string(what, MAX_NAME_BYTES);
    }

    private String string(String what, int maxBytes) throws IOException {
        long start = position();
        require(8, what);
        long length = int64();
        if (length < 0 || length > fileSize - position()) {
            throw error(start, what + " of " + Long.toUnsignedString(length) + " bytes does not fit into the rest of the file");
        }
        if (length > maxBytes) {
            throw error(start, what + " of " + length + " bytes is too long, at most " + maxBytes + " are possible");
        }
        charge(start, 2 * length, what);
        byte[] bytes = new byte[(int) length];
        bytes(bytes, 0, bytes.length);
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(bytes)).toString();
        } catch (CharacterCodingException e) {
            throw error(start, what + " is not UTF-8");
        }
    }

    /// Takes heap bytes off the budget before they are allocated.
    private void charge(long start, long bytes, String what) {
        charge(start, bytes, 1, what);
    }

    private void charge(long start, long count, int bytesEach, String what) {
        if (count > budget / bytesEach) {
            throw error(start, what + " would need more memory than a header may have");
        }
        budget -= count * bytesEach;
    }

    private void require(long bytes, String what) {
        if (bytes > fileSize - position()) {
            throw error(position(), "the file ends in the middle of " + what);
        }
    }

    private GgufException error(long offset, String reason) {
        return new GgufException(path, "at byte " + offset + ": " + reason);
    }

    private long position() {
        return bufferEnd - buffer.remaining();
    }

    private byte int8() throws IOException {
        ensure(1);
        return buffer.get();
    }

    private short int16() throws IOException {
        ensure(2);
        return buffer.getShort();
    }

    private int int32() throws IOException {
        ensure(4);
        return buffer.getInt();
    }

    private long int64() throws IOException {
        ensure(8);
        return buffer.getLong();
    }

    private void bytes(byte[] target, int offset, int count) throws IOException {
        int done = Math.min(count, buffer.remaining());
        buffer.get(target, offset, done);
        while (done < count) {
            ensure(1);
            int n = Math.min(count - done, buffer.remaining());
            buffer.get(target, offset + done, n);
            done += n;
        }
    }

    /// Fills the buffer until so many bytes can be taken out of it.
    private void ensure(int bytes) throws IOException {
        if (buffer.remaining() >= bytes) {
            return;
        }
        buffer.compact();
        while (buffer.position() < bytes) {
            int n = channel.read(buffer, bufferEnd);
            if (n < 0) {
                throw error(bufferEnd, "the file became shorter while it was read, it had " + fileSize + " bytes");
            }
            bufferEnd += n;
        }
        buffer.flip();
    }
}
