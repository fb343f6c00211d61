package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.Arbitrary;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.Provide;
import net.jqwik.api.Tag;
import net.jqwik.api.constraints.IntRange;

@Tag("standalone")
class GgufWriterPropertyTest {

    private static final Path DIRECTORY = TestModels.directory();

    @Property(tries = 200)
    void whatIsWrittenIsRead(@ForAll("metadata") Map<String, GgufValue> metadata, @ForAll @IntRange(min = 0, max = 8) int count,
            @ForAll @IntRange(min = 0, max = 12) int log2, @ForAll Random random) throws IOException {
        GgufWriter writer = GgufWriter.empty().put("general.alignment", 1 << log2);
        metadata.forEach(writer::put);
        byte[][] data = new byte[count][];
        GgmlType[] types = {GgmlType.F32, GgmlType.Q4_0, GgmlType.F16, GgmlType.I8};
        for (int i = 0; i < count; i++) {
            GgmlType type = types[random.nextInt(types.length)];
            long[] shape = {32L * random.nextInt(1, 4), random.nextInt(5)};
            byte[] bytes = new byte[(int) type.bytes(shape[0] * shape[1])];
            random.nextBytes(bytes);
            data[i] = bytes;
            writer.tensor("tensor " + i, type, shape, out -> out.write(ByteBuffer.wrap(bytes)));
        }
        GgufFile file = writer.write(DIRECTORY.resolve("written.gguf"));

        GgufFile copy = GgufWriter.copyOf(file).remove("general.alignment").put("general.alignment", 64).write(DIRECTORY.resolve("copy.gguf"));
        for (GgufFile one : new GgufFile[] {file, copy}) {
            assertThat(one.metadata()).containsAllEntriesOf(metadata).hasSize(metadata.size() + 1);
            assertThat(one.tensors()).hasSize(count);
            byte[] all = Files.readAllBytes(one.path());
            for (int i = 0; i < count; i++) {
                GgufTensor tensor = one.tensors().get(i);
                int from = (int) tensor.offset();
                assertThat(tensor.name()).isEqualTo("tensor " + i);
                assertThat(Arrays.copyOfRange(all, from, from + data[i].length)).isEqualTo(data[i]);
            }
        }
        assertThat(file.alignment()).isEqualTo(1 << log2);
        assertThat(GgufWriter.copyOf(file).write(DIRECTORY.resolve("same.gguf")).path()).hasSameBinaryContentAs(file.path());
    }

    @Provide
    Arbitrary<Map<String, GgufValue>> metadata() {
        return GgufFilePropertyTest.anyMetadata();
    }
}
