package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;
import net.jqwik.api.Arbitraries;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.Combinators;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;
import org.junit.jupiter.api.Assertions;

@Tag("standalone")
class GgufFilePropertyTest {

    private static final Duration BOUND = Duration.ofSeconds(5);

    /// Numbers that parsers tend to trip over.
    private static final long[] NASTY = {
        0, 1, -1, 7, 31, 32, 33, 255, 256, 65_535, 65_536, Integer.MAX_VALUE, Integer.MIN_VALUE, 1L << 31, 1L << 32, (1L << 32) + 1,
        Long.MAX_VALUE, Long.MIN_VALUE, Long.MAX_VALUE - 31, 0x4000_0000_0000_0000L, 0x2000_0000_0000_0000L};

    /// A valid file that has every kind of value.
    private static final byte[] SAMPLE = new TinyGgufWriter()
            .put("general.architecture", "gemma3")
            .put("general.alignment", 32)
            .put("gemma3.block_count", 6)
            .put("gemma3.embedding_length", 64)
            .put("gemma3.context_length", 4096)
            .put("gemma3.attention.head_count", 4)
            .put("gemma3.attention.head_count_kv", new int[] {1, 1, 2, 2, 4, 4})
            .put("gemma3.attention.key_length", 16)
            .put("gemma3.attention.value_length", new GgufValue.Uint64(16))
            .put("gemma3.attention.sliding_window", 512)
            .put("gemma3.feed_forward_length", new GgufValue.Int64(128))
            .put("scalar.u8", new GgufValue.Uint8(1)).put("scalar.i8", new GgufValue.Int8((byte) 1))
            .put("scalar.i16", new GgufValue.Int16((short) 1)).put("scalar.f64", new GgufValue.Float64(1)).put("scalar.bool", true)
            .put("split.no", new GgufValue.Uint16(0)).put("split.count", new GgufValue.Uint16(1))
            .put("tokenizer.ggml.tokens", List.of("a", "b", "", "token"))
            .put("tokenizer.ggml.scores", new float[] {1, 2, 3, 4})
            .put("nested", new GgufValue.Nested(List.of(TinyGgufWriter.strings(List.of("x", "y")))))
            .tensor("token_embd.weight", new float[64 * 4], 64, 4)
            .tensor("quantized", GgmlType.Q4_K, new byte[144], 256)
            .tensor("four", new float[16], 2, 2, 2, 2)
            .bytes();

    @Property(tries = 300)
    void whatIsWrittenIsRead(@ForAll("metadata") Map<String, GgufValue> metadata, @ForAll @IntRange(min = 2, max = 3) int version)
            throws IOException {
        TinyGgufWriter writer = new TinyGgufWriter().version(version);
        metadata.forEach(writer::put);

        GgufFile file = read(writer.bytes()).orElseThrow();

        assertThat(file.metadata()).containsExactlyEntriesOf(metadata);
        assertThat(file.version()).isEqualTo(version);
    }

    @Property(tries = 200)
    void tensorsLieWhereTheyWereWritten(@ForAll @IntRange(min = 0, max = 12) int count, @ForAll @IntRange(min = 0, max = 9) int log2,
            @ForAll Random random) throws IOException {
        TinyGgufWriter writer = new TinyGgufWriter().alignment(1 << log2);
        byte[][] data = new byte[count][];
        for (int i = 0; i < count; i++) {
            data[i] = new byte[(1 + random.nextInt(50)) * 4];
            random.nextBytes(data[i]);
            writer.tensor("t" + i, GgmlType.F32, data[i], data[i].length / 4);
        }
        byte[] bytes = writer.bytes();

        GgufFile file = read(bytes).orElseThrow();

        assertThat(file.tensors()).hasSize(count);
        for (int i = 0; i < count; i++) {
            GgufTensor tensor = file.tensor("t" + i).orElseThrow();
            int from = Math.toIntExact(tensor.offset());
            assertThat(Arrays.copyOfRange(bytes, from, from + (int) tensor.byteSize())).isEqualTo(data[i]);
        }
    }

    @Property(tries = 3000)
    void damagedFilesAreReadOrRefused(@ForAll Random random) throws IOException {
        byte[] bytes = SAMPLE.clone();
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        for (int i = random.nextInt(4); i >= 0; i--) {
            long nasty = NASTY[random.nextInt(NASTY.length)];
            switch (random.nextInt(4)) {
                case 0 -> bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
                case 1 -> bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
                case 2 -> buffer.putInt(random.nextInt(bytes.length - 4), (int) nasty);
                default -> buffer.putLong(random.nextInt(bytes.length - 8), nasty);
            }
        }
        if (random.nextInt(4) == 0) {
            bytes = Arrays.copyOf(bytes, random.nextInt(bytes.length));
        }
        byte[] damaged = bytes;

        Assertions.assertTimeout(BOUND, () -> useAll(damaged));
    }

    @Property(tries = 500)
    void noiseAfterTheMagicIsRefused(@ForAll Random random) {
        byte[] bytes = new byte[24 + random.nextInt(2000)];
        random.nextBytes(bytes);
        ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
        buffer.putInt(0x4655_4747).putInt(3).putLong(random.nextInt(4)).putLong(random.nextInt(4));

        Assertions.assertTimeout(BOUND, () -> useAll(bytes));
    }

    /// Everything that can be asked of a file, if it can be read.
    private static void useAll(byte[] bytes) throws IOException {
        Optional<GgufFile> read = read(bytes);
        if (read.isEmpty()) {
            return;
        }
        GgufFile file = read.get();
        for (GgufTensor tensor : file.tensors()) {
            assertThat(tensor.offset()).isBetween(0L, (long) bytes.length);
            assertThat(tensor.byteSize()).isBetween(0L, bytes.length - tensor.offset());
        }
        file.metadata().values().forEach(GgufFilePropertyTest::use);
        file.vocabularySize();
        file.split();
        file.dominantType();
        for (boolean whole : new boolean[] {true, false}) {
            for (FlashAttention attention : FlashAttention.values()) {
                try {
                    MemoryEstimate estimate = file.estimate(ContextOptions.defaults()
                            .withFullWindowCache(whole).withFlashAttention(attention).withKvTypes(KvType.Q8_0, KvType.F16));
                    assertThat(estimate.totalBytes()).isNotNegative();
                } catch (GgufException tooLarge) {
                    assertThat(tooLarge).hasMessageContaining("2^63");
                }
            }
        }
        assertThat(file.toString()).isNotEmpty();
    }

    private static void use(GgufValue value) {
        if (value instanceof GgufValue.Array array) {
            for (int i = 0; i < array.size(); i++) {
                use(array.get(i));
            }
        }
        assertThat(value).isEqualTo(value).hasSameHashCodeAs(value);
        assertThat(value.toString()).isNotNull();
    }

    /// A file of its own each time: when shrinking takes long, it goes on in the background of the next property.
    private static Optional<GgufFile> read(byte[] bytes) throws IOException {
        Path file = Files.createTempFile("gguf-property", ".gguf");
        try {
            Files.write(file, bytes);
            return Optional.of(GgufFile.read(file));
        } catch (GgufException refused) {
            assertThat(refused.getMessage()).contains("at byte ").doesNotContain("became shorter");
            return Optional.empty();
        } finally {
            Files.delete(file);
        }
    }

    @Provide
    Arbitrary<Map<String, GgufValue>> metadata() {
        return anyMetadata();
    }

    static Arbitrary<Map<String, GgufValue>> anyMetadata() {
        Arbitrary<String> key = Arbitraries.strings().withCharRange('a', 'z').withChars('.', '_', 'é').ofMinLength(1).ofMaxLength(30)
                .filter(name -> !name.equals("general.alignment"));
        return Arbitraries.maps(key, values()).ofMaxSize(12).map(LinkedHashMap::new);
    }

    private static Arbitrary<GgufValue> values() {
        return Arbitraries.oneOf(scalars(), arrays().map(array -> array), arrays().list().ofMaxSize(4).map(GgufValue.Nested::new));
    }

    private static Arbitrary<GgufValue> scalars() {
        return Arbitraries.oneOf(
                Arbitraries.integers().between(0, 255).map(GgufValue.Uint8::new),
                Arbitraries.bytes().map(GgufValue.Int8::new),
                Arbitraries.integers().between(0, 65535).map(GgufValue.Uint16::new),
                Arbitraries.shorts().map(GgufValue.Int16::new),
                Arbitraries.longs().between(0, 0xffff_ffffL).map(GgufValue.Uint32::new),
                Arbitraries.integers().map(GgufValue.Int32::new),
                Arbitraries.longs().map(GgufValue.Uint64::new),
                Arbitraries.longs().map(GgufValue.Int64::new),
                Arbitraries.floats().map(GgufValue.Float32::new),
                Arbitraries.doubles().map(GgufValue.Float64::new),
                Arbitraries.of(true, false).map(GgufValue.Bool::new),
                texts().map(GgufValue.Text::new));
    }

    private static Arbitrary<GgufValue.Array> arrays() {
        Arbitrary<GgufValue.Array> numbers = Combinators.combine(
                Arbitraries.of(GgufValue.Type.values()).filter(type -> type.bytes() > 0),
                Arbitraries.bytes().list().ofMaxSize(64))
                .as((type, bytes) -> {
                    byte[] whole = new byte[bytes.size() / type.bytes() * type.bytes()];
                    for (int i = 0; i < whole.length; i++) {
                        whole[i] = type == GgufValue.Type.BOOL ? (byte) (bytes.get(i) & 1) : bytes.get(i);
                    }
                    return new GgufValue.Numbers(type, whole);
                });
        return Arbitraries.oneOf(numbers, texts().list().ofMaxSize(20).map(TinyGgufWriter::strings));
    }

    /// Strings that UTF-8 can express.
    private static Arbitrary<String> texts() {
        return Arbitraries.strings().ofMaxLength(40).map(text -> new String(
                text.getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8));
    }
}
