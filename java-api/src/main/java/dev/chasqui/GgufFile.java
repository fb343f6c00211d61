package dev.chasqui;

import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;
import java.util.SequencedMap;

/// The header of a GGUF file: metadata and tensor directory, without the weights. Needs no native code.
///
/// {@snippet class="snippets.ModelSnippets" region="gguf"}
///
/// Reads versions 2 and 3, little-endian. The file need not be trustworthy: whatever is in it, the outcome is an object whose
/// tensors lie inside the file, or a [GgufException]. The heap that a header may take is limited to an eighth of the maximum, at
/// most 512 MiB.
///
/// Immutable and thread-safe.
public final class GgufFile {

    private final Path path;
    private final int version;
    private final int alignment;
    private final long dataOffset;
    private final long fileSize;
    private final SequencedMap<String, GgufValue> metadata;
    private final List<GgufTensor> tensors;
    private final Map<String, GgufTensor> tensorsByName = new HashMap<>();

    private GgufFile(Path path, GgufReader.Header header) {
        this.path = path;
        this.version = header.version();
        this.alignment = header.alignment();
        this.dataOffset = header.dataOffset();
        this.fileSize = header.fileSize();
        this.metadata = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(header.metadata()));
        this.tensors = List.copyOf(header.tensors());
        for (GgufTensor tensor : tensors) {
            tensorsByName.put(tensor.name(), tensor);
        }
    }

    /// Reads the header of a file.
    ///
    /// @throws GgufException if it cannot be read, is not GGUF, or contradicts itself or the size of the file; the message has the
    ///                       byte offset and the reason
    public static GgufFile read(Path path) {
        return new GgufFile(path, GgufReader.read(Objects.requireNonNull(path, "path")));
    }

    /// The file that was read.
    public Path path() {
        return path;
    }

    /// Bytes of the whole file.
    public long fileSize() {
        return fileSize;
    }

    /// Version of the format, 2 or 3.
    public int version() {
        return version;
    }

    /// Every tensor begins at a multiple of this many bytes from [#dataOffset()].
    public int alignment() {
        return alignment;
    }

    /// Where the tensor data begin, in bytes.
    public long dataOffset() {
        return dataOffset;
    }

    /// All metadata in the order of the file.
    public SequencedMap<String, GgufValue> metadata() {
        return metadata;
    }

    /// All tensors in the order of the file.
    public List<GgufTensor> tensors() {
        return tensors;
    }

    public Optional<GgufTensor> tensor(String name) {
        return Optional.ofNullable(tensorsByName.get(Objects.requireNonNull(name, "name")));
    }

    /// A metadata value.
    public Optional<GgufValue> value(String key) {
        return Optional.ofNullable(metadata.get(Objects.requireNonNull(key, "key")));
    }

    /// A string; empty if it is missing or something else.
    public Optional<String> text(String key) {
        return value(key).map(value -> value instanceof GgufValue.Text(String text) ? text : null);
    }

    /// An integer of any width; empty if it is missing, something else, or above 2^63 - 1.
    public OptionalLong integer(String key) {
        return switch (metadata.get(Objects.requireNonNull(key, "key"))) {
            case GgufValue.Uint8(int value) -> OptionalLong.of(value);
            case GgufValue.Int8(byte value) -> OptionalLong.of(value);
            case GgufValue.Uint16(int value) -> OptionalLong.of(value);
            case GgufValue.Int16(short value) -> OptionalLong.of(value);
            case GgufValue.Uint32(long value) -> OptionalLong.of(value);
            case GgufValue.Int32(int value) -> OptionalLong.of(value);
            case GgufValue.Uint64(long value) when value >= 0 -> OptionalLong.of(value);
            case GgufValue.Int64(long value) -> OptionalLong.of(value);
            case null, default -> OptionalLong.empty();
        };
    }

    /// A number, floating-point or integer; empty if it is missing or something else.
    public OptionalDouble number(String key) {
        return switch (metadata.get(Objects.requireNonNull(key, "key"))) {
            case GgufValue.Float32(float value) -> OptionalDouble.of(value);
            case GgufValue.Float64(double value) -> OptionalDouble.of(value);
            case null, default -> {
                OptionalLong integer = integer(key);
                yield integer.isPresent() ? OptionalDouble.of(integer.getAsLong()) : OptionalDouble.empty();
            }
        };
    }

    /// A boolean; empty if it is missing or something else.
    public Optional<Boolean> flag(String key) {
        return value(key).map(value -> value instanceof GgufValue.Bool(boolean flag) ? flag : null);
    }

    /// An array of numbers or booleans; empty if it is missing or something else.
    public Optional<GgufValue.Numbers> numbers(String key) {
        return value(key).map(value -> value instanceof GgufValue.Numbers numbers ? numbers : null);
    }

    /// An array of strings; empty if it is missing or something else.
    public Optional<GgufValue.Strings> texts(String key) {
        return value(key).map(value -> value instanceof GgufValue.Strings strings ? strings : null);
    }

    /// The architecture as llama.cpp calls it, for example `llama`, `qwen2`, `gemma3`, or `clip` for an image encoder.
    public Optional<String> architecture() {
        return text("general.architecture");
    }

    /// The model's name for people.
    public Optional<String> name() {
        return text("general.name");
    }

    /// Numbers in all tensors of this file.
    public long parameterCount() {
        return tensors.stream().mapToLong(GgufTensor::elementCount).sum();
    }

    /// The type that most bytes of the weights have; with mixtures such as Q4_K_M this is what they are mostly.
    public Optional<GgmlType> dominantType() {
        Map<GgmlType, Long> bytes = new HashMap<>();
        tensors.forEach(tensor -> bytes.merge(tensor.type(), tensor.byteSize(), Long::sum));
        return bytes.entrySet().stream().max(Map.Entry.<GgmlType, Long>comparingByValue().thenComparing(Map.Entry::getKey)).map(Map.Entry::getKey);
    }

    /// Tokens that the model was trained to take.
    public OptionalLong contextLength() {
        return architectureValue("context_length");
    }

    /// Numbers in the vector of a token.
    public OptionalLong embeddingLength() {
        return architectureValue("embedding_length");
    }

    /// Layers, also those that only predict further tokens.
    public OptionalLong layerCount() {
        return architectureValue("block_count");
    }

    /// Tokens in the vocabulary.
    public OptionalLong vocabularySize() {
        Optional<GgufValue.Strings> tokens = texts("tokenizer.ggml.tokens");
        return tokens.isPresent() ? OptionalLong.of(tokens.get().size()) : architectureValue("vocab_size");
    }

    /// The Jinja template that renders a conversation.
    public Optional<String> chatTemplate() {
        return text("tokenizer.chat_template");
    }

    /// Where this file stands if its model is split over several.
    public Optional<GgufSplit> split() {
        OptionalLong count = integer("split.count");
        OptionalLong index = integer("split.no");
        if (count.isEmpty() || index.isEmpty() || count.getAsLong() < 1 || count.getAsLong() > 0xffff
                || index.getAsLong() < 0 || index.getAsLong() >= count.getAsLong()) {
            return Optional.empty();
        }
        long tensorCount = integer("split.tensors.count").orElse(-1);
        return Optional.of(new GgufSplit((int) index.getAsLong(), (int) count.getAsLong(),
                tensorCount < 0 || tensorCount > Integer.MAX_VALUE ? -1 : (int) tensorCount));
    }

    /// What the model would take with [ContextOptions#defaults()] but these.
    ///
    /// @param contextSize tokens; 0 as in [ContextOptions]
    /// @throws GgufException if the metadata ask for more than 2^63 bytes
    public MemoryEstimate estimate(int contextSize, KvType keyType, KvType valueType) {
        return estimate(ContextOptions.defaults().withContextSize(contextSize).withKvTypes(keyType, valueType));
    }

    /// What the model would take with one context.
    ///
    /// @throws GgufException if the metadata ask for more than 2^63 bytes
    public MemoryEstimate estimate(ContextOptions options) {
        Objects.requireNonNull(options, "options");
        try {
            return GgufMemory.estimate(this, options);
        } catch (ArithmeticException e) {
            throw new GgufException(path, "its metadata describe a model of more than 2^63 bytes", e);
        }
    }

    @Override
    public String toString() {
        return "GgufFile[%s, %s, %d metadata entries, %d tensors, %d bytes]".formatted(
                path, architecture().orElse("?"), metadata.size(), tensors.size(), fileSize);
    }

    private OptionalLong architectureValue(String name) {
        Optional<String> architecture = architecture();
        return architecture.isEmpty() ? OptionalLong.empty() : integer(architecture.get() + "." + name);
    }
}
