package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("standalone")
class GgufFileTest {

    @TempDir
    Path directory;

    @Test
    void readsTheTinyModel() {
        GgufFile file = GgufFile.read(TinyGguf.write(directory.resolve("tiny.gguf")));

        assertThat(file.version()).isEqualTo(3);
        assertThat(file.alignment()).isEqualTo(32);
        assertThat(file.architecture()).contains("llama");
        assertThat(file.name()).contains("tiny");
        assertThat(file.contextLength()).hasValue(512);
        assertThat(file.embeddingLength()).hasValue(64);
        assertThat(file.layerCount()).hasValue(2);
        assertThat(file.vocabularySize()).hasValue(320);
        assertThat(file.chatTemplate()).isEmpty();
        assertThat(file.split()).isEmpty();
        assertThat(file.dominantType()).contains(GgmlType.F32);
        assertThat(file.tensors()).hasSize(3 + 2 * 9);
        // Two vocabulary matrices, per layer 64 * (64 + 32 + 32 + 64 + 3 * 128 + 2), and the last norm.
        assertThat(file.parameterCount()).isEqualTo(2 * 64 * 320 + 2 * 64 * (64 + 32 + 32 + 64 + 3 * 128 + 2) + 64);

        GgufTensor down = file.tensor("blk.1.ffn_down.weight").orElseThrow();
        assertThat(down.shape()).containsExactly(128, 64);
        assertThat(down.byteSize()).isEqualTo(128 * 64 * 4);
        assertThat(down.offset() % 32).isZero();
        GgufTensor last = file.tensors().getLast();
        assertThat(last.offset() + last.byteSize()).isEqualTo(file.fileSize());
        assertThat(file.tensors().getFirst().offset()).isEqualTo(file.dataOffset());
    }

    @Test
    void sameParametersGiveTheSameBytes() {
        assertThat(TinyGguf.builder().bytes()).isEqualTo(TinyGguf.builder().bytes());
        assertThat(TinyGguf.builder().bytes()).isNotEqualTo(TinyGguf.builder().seed(1).bytes());
    }

    @Test
    void convertsNumbersAndKeepsTypesApart() throws Exception {
        GgufFile file = write(new TinyGgufWriter()
                .put("u8", new GgufValue.Uint8(255)).put("i8", new GgufValue.Int8((byte) -1))
                .put("u16", new GgufValue.Uint16(65535)).put("i16", new GgufValue.Int16((short) -2))
                .put("u32", new GgufValue.Uint32(4294967295L)).put("i32", new GgufValue.Int32(-3))
                .put("u64", new GgufValue.Uint64(Long.MAX_VALUE)).put("huge", new GgufValue.Uint64(-1)).put("i64", new GgufValue.Int64(-4))
                .put("f32", 0.5f).put("f64", new GgufValue.Float64(-2.5)).put("yes", true).put("text", "¿qué?"));

        assertThat(file.integer("u8")).hasValue(255);
        assertThat(file.integer("i8")).hasValue(-1);
        assertThat(file.integer("u16")).hasValue(65535);
        assertThat(file.integer("i16")).hasValue(-2);
        assertThat(file.integer("u32")).hasValue(4294967295L);
        assertThat(file.integer("i32")).hasValue(-3);
        assertThat(file.integer("u64")).hasValue(Long.MAX_VALUE);
        assertThat(file.integer("huge")).isEmpty();
        assertThat(file.integer("i64")).hasValue(-4);
        assertThat(file.integer("f32")).isEmpty();
        assertThat(file.integer("yes")).isEmpty();
        assertThat(file.number("f32")).hasValue(0.5);
        assertThat(file.number("f64")).hasValue(-2.5);
        assertThat(file.number("i32")).hasValue(-3);
        assertThat(file.number("text")).isEmpty();
        assertThat(file.flag("yes")).contains(true);
        assertThat(file.flag("u8")).isEmpty();
        assertThat(file.text("text")).contains("¿qué?");
        assertThat(file.text("absent")).isEmpty();
        assertThat(file.metadata().values()).extracting(GgufValue::toString).containsExactly("255", "-1", "65535", "-2", "4294967295", "-3",
                "9223372036854775807", "18446744073709551615", "-4", "0.5", "-2.5", "true", "¿qué?");
        assertThat(file.metadata().keySet()).containsExactly(
                "u8", "i8", "u16", "i16", "u32", "i32", "u64", "huge", "i64", "f32", "f64", "yes", "text");
    }

    @Test
    void decodesArrays() throws Exception {
        GgufFile file = write(new TinyGgufWriter()
                .put("floats", new float[] {1.5f, -2})
                .put("ints", new int[] {-1, 7})
                .put("u16", new GgufValue.Numbers(GgufValue.Type.UINT16, new byte[] {(byte) 0xff, (byte) 0xff, 1, 0}))
                .put("bools", new GgufValue.Numbers(GgufValue.Type.BOOL, new byte[] {0, 1, 2}))
                .put("texts", List.of("", "a", "río"))
                .put("none", List.of())
                .put("notUtf8", new GgufValue.Strings(new byte[] {(byte) 0xe2, (byte) 0x82}, new int[] {1, 2}))
                .put("nested", new GgufValue.Nested(List.of(
                        TinyGgufWriter.strings(List.of("x")), new GgufValue.Numbers(GgufValue.Type.INT8, new byte[] {-5})))));

        assertThat(file.numbers("floats").orElseThrow().toFloats()).containsExactly(1.5f, -2);
        assertThat(file.numbers("ints").orElseThrow().toLongs()).containsExactly(-1, 7);
        assertThat(file.numbers("u16").orElseThrow().toLongs()).containsExactly(65535, 1);
        assertThat(file.numbers("u16").orElseThrow().get(0)).isEqualTo(new GgufValue.Uint16(65535));
        assertThat(file.numbers("bools").orElseThrow().bool(2)).isTrue();
        assertThat(file.texts("texts").orElseThrow().asList()).containsExactly("", "a", "río");
        assertThat(file.texts("none").orElseThrow().size()).isZero();
        assertThat(file.texts("notUtf8").orElseThrow().text(0)).isEqualTo("\uFFFD");
        assertThat(file.texts("notUtf8").orElseThrow().bytes(1)).containsExactly(0x82);
        assertThat(file.texts("floats")).isEmpty();
        GgufValue.Nested nested = (GgufValue.Nested) file.value("nested").orElseThrow();
        assertThat(nested.get(1).get(0)).isEqualTo(new GgufValue.Int8((byte) -5));
        assertThatThrownBy(() -> file.texts("texts").orElseThrow().text(3)).isInstanceOf(IndexOutOfBoundsException.class);
        assertThatThrownBy(() -> file.numbers("ints").orElseThrow().integer(-1)).isInstanceOf(IndexOutOfBoundsException.class);
    }

    @Test
    void keepsTheBitsOfEveryNan() throws Exception {
        byte[] signalling = {1, 0, (byte) 0xa0, 0x7f};
        GgufFile file = write(new TinyGgufWriter().put("nan", new GgufValue.Numbers(GgufValue.Type.FLOAT32, signalling)));

        GgufValue.Numbers nan = file.numbers("nan").orElseThrow();
        assertThat(Float.floatToRawIntBits(nan.toFloats()[0])).isEqualTo(0x7fa0_0001);
        assertThat(nan.number(0)).isNaN();
    }

    @Test
    void stringsLargerThanTheReadBuffer() throws Exception {
        String large = "ñ".repeat(400_000);
        List<String> many = new ArrayList<>();
        for (int i = 0; i < 300_000; i++) {
            many.add("▁token" + i);
        }
        many.add(large);
        GgufFile file = write(new TinyGgufWriter().put("large", large).put("many", many).put("after", 1));

        assertThat(file.text("large")).contains(large);
        assertThat(file.texts("many").orElseThrow().asList()).isEqualTo(many);
        assertThat(file.integer("after")).hasValue(1);
    }

    @Test
    void honoursAlignmentAndVersionTwo() throws Exception {
        GgufFile file = write(new TinyGgufWriter().version(2).alignment(256)
                .tensor("a", new float[3], 3).tensor("b", new float[] {9}, 1).tensor("scalar", new float[1]));

        assertThat(file.version()).isEqualTo(2);
        assertThat(file.alignment()).isEqualTo(256);
        assertThat(file.dataOffset() % 256).isZero();
        GgufTensor b = file.tensor("b").orElseThrow();
        assertThat(b.offset()).isEqualTo(file.dataOffset() + 256);
        try (RandomAccessFile in = new RandomAccessFile(file.path().toFile(), "r")) {
            in.seek(b.offset());
            assertThat(Float.intBitsToFloat(Integer.reverseBytes(in.readInt()))).isEqualTo(9);
        }
        assertThat(file.tensor("scalar").orElseThrow().shape()).isEmpty();
        assertThat(file.tensor("scalar").orElseThrow().elementCount()).isEqualTo(1);
    }

    @ParameterizedTest
    @EnumSource(GgmlType.class)
    void knowsTheSizeOfEveryType(GgmlType type) throws Exception {
        byte[] twoRows = new byte[2 * 2 * type.blockBytes()];
        GgufFile file = write(new TinyGgufWriter().tensor("t", type, twoRows, 2L * type.blockSize(), 2));

        assertThat(file.tensor("t").orElseThrow().byteSize()).isEqualTo(twoRows.length);
        assertThat(GgmlType.of(type.id())).contains(type);
        assertThat(type.bytes(3L * type.blockSize())).isEqualTo(3L * type.blockBytes());
    }

    @Test
    void typesThatWereWithdrawnAreUnknown() {
        assertThat(List.of(-1, 4, 5, 31, 32, 33, 36, 37, 38, 43, Integer.MAX_VALUE)).allSatisfy(id ->
                assertThat(GgmlType.of(id)).isEmpty());
        assertThat(GgmlType.Q4_K.bitsPerWeight()).isEqualTo(4.5);
    }

    @Test
    void knowsItsPlaceInASplitModel() throws Exception {
        GgufFile file = write(new TinyGgufWriter().put("split.no", new GgufValue.Uint16(1)).put("split.count", new GgufValue.Uint16(3))
                .put("split.tensors.count", new GgufValue.Int32(21)));

        assertThat(file.split()).contains(new GgufSplit(1, 3, 21));
        MemoryEstimate estimate = file.estimate(0, KvType.F16, KvType.F16);
        assertThat(estimate.notes()).anyMatch(note -> note.contains("part 2 of 3")).anyMatch(note -> note.contains("not the file of a language model"));
        assertThat(estimate.totalBytes()).isZero();
    }

    // What hostile or damaged files do. Each says what is wrong and where.

    @Test
    void missingEmptyAndForeignFiles() throws Exception {
        assertRefused(() -> GgufFile.read(directory.resolve("none")), "it does not exist");
        assertRefused(() -> GgufFile.read(directory), "");
        assertRefused(() -> read(new byte[0]), "at byte 0: the file ends in the middle of the header");
        assertRefused(() -> read("PK\3\4 and so on, this is an archive".getBytes(StandardCharsets.US_ASCII)), "at byte 0: it does not begin with 'GGUF'");
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 4, 1000})
    void otherVersions(int version) {
        assertRefused(() -> read(new TinyGgufWriter().version(version).bytes()), "at byte 4: version " + version + " is not supported");
    }

    @Test
    void bigEndian() {
        assertRefused(() -> read(new TinyGgufWriter().version(3 << 24).bytes()), "it is big-endian");
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 32, 5})
    void countsThatCannotBe(long count) {
        assertRefused(() -> read(patched(new TinyGgufWriter(), bytes -> bytes.putLong(8, count))), "at byte 8: ");
        assertRefused(() -> read(patched(new TinyGgufWriter(), bytes -> bytes.putLong(16, count))), "at byte 16: ");
    }

    @ParameterizedTest
    @ValueSource(longs = {-1, Long.MIN_VALUE, Long.MAX_VALUE, 1L << 32, 10_000})
    void lengthsThatCannotBe(long length) {
        // The key "k" is at byte 24, its type at 33, its value at 37.
        TinyGgufWriter text = new TinyGgufWriter().put("k", "value");
        assertRefused(() -> read(patched(text, bytes -> bytes.putLong(24, length))), "at byte 24: a metadata key of ");
        assertRefused(() -> read(patched(text, bytes -> bytes.putLong(37, length))), "at byte 37: the value of 'k' of ");
        TinyGgufWriter texts = new TinyGgufWriter().put("k", List.of("a"));
        assertRefused(() -> read(patched(texts, bytes -> bytes.putLong(41, length))), "elements of 'k' do not fit");
        assertRefused(() -> read(patched(texts, bytes -> bytes.putLong(49, length))), "at byte 49: a string of ");
        TinyGgufWriter ints = new TinyGgufWriter().put("k", new int[2]);
        assertRefused(() -> read(patched(ints, bytes -> bytes.putLong(41, length))), "elements of 'k' do not fit");
    }

    @Test
    void unknownTypes() {
        assertRefused(() -> read(patched(new TinyGgufWriter().put("k", 1), bytes -> bytes.putInt(33, 13))),
                "at byte 33: the type of 'k' is the unknown 13");
        assertRefused(() -> read(patched(new TinyGgufWriter().put("k", new int[1]), bytes -> bytes.putInt(37, -1))),
                "the type of the elements of 'k' is the unknown 4294967295");
        // The tensor "t" is at byte 24: length, name, dimensions, one extent, type at 45, offset at 49.
        assertRefused(() -> read(patched(tensor(), bytes -> bytes.putInt(45, 4))), "at byte 45: the tensor 't' has the unknown type 4");
    }

    @Test
    void arraysNestedTooDeep() {
        GgufValue.Array array = new GgufValue.Nested(List.of());
        for (int i = 0; i < 4; i++) {
            array = new GgufValue.Nested(List.of(array));
        }
        TinyGgufWriter deep = new TinyGgufWriter().put("k", array);
        assertRefused(() -> read(deep.bytes()), "the arrays of 'k' are nested more than 4 deep");
    }

    @Test
    void alignments() {
        for (GgufValue wrong : List.of(new GgufValue.Uint32(0), new GgufValue.Uint32(24), new GgufValue.Uint32(1L << 31),
                new GgufValue.Int32(32), new GgufValue.Text("32"))) {
            assertRefused(() -> read(new TinyGgufWriter().put("general.alignment", wrong).bytes()), "general.alignment is ");
        }
    }

    @Test
    void namesTwice() {
        TinyGgufWriter keys = new TinyGgufWriter().put("ka", 1).put("kb", 2);
        assertRefused(() -> read(replaced(keys, "kb", "ka")), "the metadata key 'ka' is there twice");
        TinyGgufWriter tensors = new TinyGgufWriter().tensor("ta", new float[8], 8).tensor("tb", new float[8], 8);
        assertRefused(() -> read(replaced(tensors, "tb", "ta")), "the tensor 'ta' is there twice");
        assertRefused(() -> read(new TinyGgufWriter().put("", 1).bytes()), "a metadata key is empty");
    }

    @Test
    void badUtf8() {
        assertRefused(() -> read(replaced(new TinyGgufWriter().put("key", "x"), "k", "\u00c3")), "a metadata key is not UTF-8");
        assertRefused(() -> read(replaced(new TinyGgufWriter().put("k", "value"), "v", "\u00c3")), "the value of 'k' is not UTF-8");
        assertRefused(() -> read(replaced(tensor(), "t", "\u00ff")), "a tensor name is not UTF-8");
    }

    @Test
    void shapesThatCannotBe() {
        assertRefused(() -> read(patched(tensor(), bytes -> bytes.putInt(33, 5))), "the tensor 't' has 5 dimensions");
        assertRefused(() -> read(patched(tensor(), bytes -> bytes.putInt(33, -1))), "the tensor 't' has 4294967295 dimensions");
        assertRefused(() -> read(patched(tensor(), bytes -> bytes.putLong(37, -1))), "the shape [-1] of the tensor 't' is impossible");
        assertRefused(() -> read(patched(tensor(), bytes -> bytes.putLong(37, Long.MAX_VALUE))), "would have more than 2^63 bytes");
        assertRefused(() -> read(patched(tensor(), bytes -> bytes.putLong(37, 9))), "ends beyond the file");
        TinyGgufWriter overflow = new TinyGgufWriter().tensor("t", GgmlType.F32, new byte[32], 1L << 32, 1L << 32);
        assertRefused(() -> read(overflow.bytes()), "is impossible");
        TinyGgufWriter blocks = new TinyGgufWriter().tensor("t", GgmlType.Q4_K, new byte[288], 128, 4);
        assertRefused(() -> read(blocks.bytes()), "rows of 128 numbers of the tensor 't' do not fill blocks of 256");
    }

    @Test
    void offsetsThatCannotBe() {
        assertRefused(() -> read(patched(tensor(), bytes -> bytes.putLong(49, 8))), "at byte 49: the offset 8 of the tensor 't' is not a multiple");
        assertRefused(() -> read(patched(tensor(), bytes -> bytes.putLong(49, 32))), "ends beyond the file");
        assertRefused(() -> read(patched(tensor(), bytes -> bytes.putLong(49, -32))), "the offset 18446744073709551584");
        assertRefused(() -> read(patched(tensor(), bytes -> bytes.putLong(49, Long.MAX_VALUE - 31))), "ends beyond the file");
    }

    @Test
    void everyTruncationIsNoticed() throws Exception {
        byte[] whole = new TinyGgufWriter().put("k", List.of("a", "b")).put("n", 3).tensor("t", new float[8], 8).bytes();
        read(whole);
        for (int length = 0; length < whole.length; length++) {
            byte[] cut = Arrays.copyOf(whole, length);
            assertRefused(() -> read(cut), "");
        }
    }

    @Test
    void hugeClaimsInAHugeFileDoNotExhaustTheHeap() throws Exception {
        Path path = directory.resolve("sparse.gguf");
        long size = 1L << 40;
        for (int position : new int[] {8, 16, 24, 37, 41}) {
            byte[] header = new TinyGgufWriter().put("k", position == 37 ? new GgufValue.Text("v") : new GgufValue.Numbers(
                    GgufValue.Type.FLOAT64, new byte[64])).bytes();
            ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putLong(position, 1L << 34);
            Files.write(path, header);
            try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
                file.setLength(size);
            } catch (java.io.IOException fileSystemHasNoSparseFiles) {
                return;
            }
            assertRefused(() -> GgufFile.read(path), "at byte " + (position == 41 ? 37 : position) + ": ");
            Files.delete(path);
        }
    }

    private GgufFile write(TinyGgufWriter writer) throws Exception {
        return GgufFile.read(writer.write(directory.resolve("test.gguf")));
    }

    private GgufFile read(byte[] bytes) throws Exception {
        return GgufFile.read(Files.write(directory.resolve("test.gguf"), bytes));
    }

    private static TinyGgufWriter tensor() {
        return new TinyGgufWriter().tensor("t", new float[8], 8);
    }

    private static byte[] patched(TinyGgufWriter writer, Consumer<ByteBuffer> patch) {
        byte[] bytes = writer.bytes();
        patch.accept(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
        return bytes;
    }

    /// Replaces the last occurrence of a text, byte by byte in Latin-1.
    private static byte[] replaced(TinyGgufWriter writer, String text, String replacement) {
        StringBuilder all = new StringBuilder(new String(writer.bytes(), StandardCharsets.ISO_8859_1));
        int at = all.lastIndexOf(text);
        return all.replace(at, at + text.length(), replacement).toString().getBytes(StandardCharsets.ISO_8859_1);
    }

    private static void assertRefused(ThrowingCallable read, String reason) {
        assertThatThrownBy(read).isInstanceOf(GgufException.class).hasMessageContaining(reason);
    }
}
