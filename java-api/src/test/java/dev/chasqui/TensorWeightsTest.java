package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.offset;

import dev.chasqui.tensor.Tensor;
import dev.chasqui.tensor.TensorArena;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Tensors out of files and models, and the memory that they leave behind.
@Tag("standalone")
class TensorWeightsTest {

    @TempDir
    Path directory;

    private static float[] numbers(int count, long seed) {
        Random random = new Random(seed);
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = random.nextFloat();
        }
        return values;
    }

    private Path file(int alignment) throws IOException {
        return Files.write(directory.resolve("weights-" + alignment + ".gguf"), new TinyGgufWriter()
                .put("general.architecture", "test").alignment(alignment)
                .tensor("odd", numbers(3, 3), 3)
                .tensor("matrix", numbers(12, 1), 4, 3)
                .tensor("deep", numbers(24, 2), 2, 3, 4)
                .bytes());
    }

    @Test
    void loadedAndMapped() throws IOException {
        for (int alignment : new int[] {8, 32, 64}) {
            Path file = file(alignment);
            try (TensorArena arena = TensorArena.confined()) {
                for (Map<String, Tensor> tensors : List.of(arena.load(file), arena.map(file), arena.map(file))) {
                    assertThat(tensors.keySet()).containsExactly("odd", "matrix", "deep");
                    assertThat(tensors.get("matrix").shape()).containsExactly(3, 4);
                    assertThat(tensors.get("deep").shape()).containsExactly(4, 3, 2);
                    assertThat(tensors.get("odd").toFloats()).isEqualTo(numbers(3, 3));
                    assertThat(tensors.get("matrix").toFloats()).isEqualTo(numbers(12, 1));
                    assertThat(tensors.get("deep").toFloats()).isEqualTo(numbers(24, 2));
                    Tensor x = arena.of(new float[] {1, 0, 0, 0}, 4);
                    assertThat(x.matmulTransposed(tensors.get("matrix")).compute().toFloats())
                            .containsExactly(numbers(12, 1)[0], numbers(12, 1)[4], numbers(12, 1)[8]);
                }
                assertThat(arena.load(file, "deep", "odd").keySet()).containsExactly("deep", "odd");
                assertThat(arena.load(file, "odd").get("odd").set(1, 2, 3).toFloats()).containsExactly(1, 2, 3);
                if (alignment >= 32) {
                    Tensor mapped = arena.map(file, "odd").get("odd");
                    assertThatIllegalStateException().isThrownBy(() -> mapped.set(1, 2, 3)).withMessageContaining("read-only");
                    assertThat(mapped.segment().isReadOnly()).isTrue();
                }
            }
        }
    }

    @Test
    void mappedFilesLiveAsLongAsChildren() throws IOException {
        TensorArena arena = TensorArena.shared();
        Tensor matrix = arena.map(file(32), "matrix").get("matrix");
        TensorArena child = arena.child();
        Tensor sum = matrix.add(child.of(new float[] {0}, 1)).sum();
        arena.close();
        float expected = 0;
        for (float value : numbers(12, 1)) {
            expected += value;
        }
        assertThat(sum.compute().toFloat()).isCloseTo(expected, offset(1e-5f));
        child.close();
    }

    @Test
    void filesThatCannotBeUsed() throws IOException {
        Path file = file(32);
        try (TensorArena arena = TensorArena.confined()) {
            assertThatIllegalArgumentException().isThrownBy(() -> arena.load(file, "matrix", "none")).withMessageContaining("no tensor none");
            assertThatIllegalArgumentException().isThrownBy(() -> arena.map(file, "none")).withMessageContaining("no tensor none");
            assertThatExceptionOfType(GgufException.class).isThrownBy(() -> arena.load(directory.resolve("missing.gguf")));
            assertThatExceptionOfType(GgufException.class).isThrownBy(() -> arena.map(directory.resolve("missing.gguf")));
            byte[] bytes = Files.readAllBytes(file);
            Path cut = Files.write(directory.resolve("cut.gguf"), Arrays.copyOf(bytes, bytes.length - 40));
            assertThatExceptionOfType(GgufException.class).isThrownBy(() -> arena.load(cut));
            assertThatExceptionOfType(GgufException.class).isThrownBy(() -> arena.map(cut));
        }
    }

    @Test
    void weightsAndLogitsOfAModel() {
        Path path = TinyGguf.builder().type(GgmlType.Q8_0).write(directory.resolve("tiny.gguf"));
        try (Model model = Model.load(path);
                Context context = model.newContext(TestModels.small());
                TensorArena arena = TensorArena.confined()) {
            Sequence sequence = context.newSequence();
            sequence.append(5, 6, 7);
            Tensor logits = arena.logits(sequence);
            assertThat(logits.toFloats()).isEqualTo(sequence.logits());
            assertThat(logits.argMax().compute().toInts()).containsExactly(TestModels.argmax(sequence.logits()));

            Tensor embeddings = arena.weight(model, "token_embd.weight");
            assertThat(embeddings.type()).isEqualTo(GgmlType.Q8_0);
            assertThat(embeddings.shape()).containsExactly(320, 64);
            assertThat(embeddings.toFloats()).isEqualTo(arena.load(path, "token_embd.weight").get("token_embd.weight").toFloats());
            assertThat(arena.weight(model, "output_norm.weight").toFloats()).hasSize(64).containsOnly(1);
            assertThatIllegalArgumentException().isThrownBy(() -> arena.weight(model, "none")).withMessageContaining("no tensor none");
        }
    }

    @Test
    void weightsOfASplitModel() throws IOException {
        Path whole = TinyGguf.write(directory.resolve("whole.gguf"));
        split(GgufFile.read(whole), Files.readAllBytes(whole));
        try (Model model = Model.load(directory.resolve("split-00001-of-00002.gguf")); TensorArena arena = TensorArena.confined()) {
            for (GgufTensor tensor : GgufFile.read(whole).tensors()) {
                assertThat(arena.weight(model, tensor.name()).toFloats()).as(tensor.name())
                        .isEqualTo(arena.load(whole, tensor.name()).get(tensor.name()).toFloats());
            }
            assertThatIllegalArgumentException().isThrownBy(() -> arena.weight(model, "none")).withMessageContaining("no tensor none");
        }
    }

    /// Two files with half of the tensors each.
    private void split(GgufFile header, byte[] bytes) throws IOException {
        List<GgufTensor> tensors = header.tensors();
        for (int i = 0; i < 2; i++) {
            TinyGgufWriter out = new TinyGgufWriter();
            if (i == 0) {
                header.metadata().forEach(out::put);
            }
            out.put("split.no", new GgufValue.Uint16(i)).put("split.count", new GgufValue.Uint16(2))
                    .put("split.tensors.count", new GgufValue.Int32(tensors.size()));
            int half = tensors.size() / 2;
            for (GgufTensor tensor : i == 0 ? tensors.subList(0, half) : tensors.subList(half, tensors.size())) {
                int begin = (int) tensor.offset();
                out.tensor(tensor.name(), tensor.type(), Arrays.copyOfRange(bytes, begin, begin + (int) tensor.byteSize()), tensor.shape());
            }
            out.write(directory.resolve("split-%05d-of-00002.gguf".formatted(i + 1)));
        }
    }

    /// Memory of the process while arenas, children and graphs are made and closed, in a JVM whose heap cannot grow.
    @Test
    @Timeout(600)
    void arenasAndGraphsLeakNothing() throws IOException {
        ChildJvm.Result result = ChildJvm.run(TensorLeakLoop.class, directory,
                List.of("-Xms64m", "-Xmx64m", "-XX:+AlwaysPreTouch", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"),
                List.of(file(32).toString(), "3000"), 9);

        assertThat(result.exit()).as(result::summary).isZero();
        long growth = Long.parseLong(result.last("growth KiB: "));
        assertThat(growth).as(result::summary).isLessThan(5 * 1024);
    }
}
