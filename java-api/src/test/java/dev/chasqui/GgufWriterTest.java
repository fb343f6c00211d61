package dev.chasqui;

import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import dev.chasqui.models.ModelStore;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GgufWriterTest {

    @TempDir
    Path directory;

    @Test
    @Tag("standalone")
    void copiesHaveTheSameBytes() throws IOException {
        List<Path> models = new ArrayList<>(List.of(TestModels.tinyFile(), TinyMamba.write(directory.resolve("mamba.gguf")),
                TinyBert.write(directory.resolve("bert.gguf"), 4),
                TinyGguf.builder().type(GgmlType.Q8_0).write(directory.resolve("q8.gguf"))));
        for (Path model : models) {
            Path copy = directory.resolve("copy.gguf");
            GgufWriter.copyOf(GgufFile.read(model)).write(copy);
            assertThat(Files.mismatch(model, copy)).as("%s", model).isEqualTo(-1);
        }
    }

    @Test
    @Tag("model")
    void copyOfARealModel() throws IOException {
        GgufFile original = GgufFile.read(ModelStore.standard().get("smollm2-135m"));
        GgufFile copy = GgufWriter.copyOf(original).put("general.name", "copied").write(directory.resolve("copy.gguf"));

        assertThat(copy.name()).hasValue("copied");
        assertThat(copy.metadata()).hasSameSizeAs(original.metadata());
        try (Model one = Model.load(original.path()); Model other = Model.load(copy.path())) {
            int[] prompt = one.vocabulary().tokenize("The capital of Peru is", true, false);
            assertThat(fresh(other, prompt, 16)).isEqualTo(fresh(one, prompt, 16));
        }
    }

    @Test
    @Tag("standalone")
    void changedInPlace() throws IOException {
        Path file = Files.copy(TestModels.tinyFile(), directory.resolve("model.gguf"));
        GgufFile before = GgufFile.read(file);
        GgufFile after = GgufWriter.copyOf(before)
                .put("general.name", "another name, longer than before")
                .put("made.up", GgufValue.strings(List.of("a", "", "c")))
                .put("made.numbers", GgufValue.numbers(1, -2))
                .put("made.floats", GgufValue.numbers(0.5f))
                .put("made.flag", true)
                .remove("tokenizer.chat_template")
                .write(file);

        assertThat(after.name()).hasValue("another name, longer than before");
        assertThat(new ArrayList<>(after.metadata().keySet()).indexOf("general.name")).as("at its place").isEqualTo(1);
        assertThat(after.texts("made.up").orElseThrow().asList()).containsExactly("a", "", "c");
        assertThat(after.numbers("made.numbers").orElseThrow().toLongs()).containsExactly(1, -2);
        assertThat(after.numbers("made.floats").orElseThrow().toFloats()).containsExactly(0.5f);
        assertThat(after.flag("made.flag")).hasValue(true);
        assertThat(after.chatTemplate()).isEmpty();
        try (Model model = Model.load(file)) {
            assertThat(fresh(model, tokens(10, 1), 5)).isEqualTo(fresh(TestModels.tiny(), tokens(10, 1), 5));
        }
    }

    @Test
    @Tag("standalone")
    void tensorsCanBeReplaced() throws IOException {
        GgufFile tiny = GgufFile.read(TestModels.tinyFile());
        GgufTensor norm = tiny.tensor("output_norm.weight").orElseThrow();
        float[] zeros = new float[(int) norm.elementCount()];
        GgufFile silent = GgufWriter.copyOf(tiny).tensor(norm.name(), norm.shape(), zeros).write(directory.resolve("silent.gguf"));

        assertThat(silent.tensors().stream().map(GgufTensor::name)).containsExactlyElementsOf(tiny.tensors().stream().map(GgufTensor::name).toList());
        try (Model model = Model.load(silent.path()); Context context = model.newContext(TestModels.small())) {
            Sequence sequence = context.newSequence();
            sequence.append(tokens(5, 1));
            assertThat(sequence.logits()).containsOnly(0);
        }
        assertThat(GgufWriter.copyOf(tiny).removeTensor(norm.name()).write(directory.resolve("less.gguf")).tensor(norm.name())).isEmpty();
    }

    @Test
    @Tag("standalone")
    void whatNoReaderWouldTake() {
        GgufWriter writer = GgufWriter.empty();
        assertThatIllegalArgumentException().isThrownBy(() -> writer.put("", 1));
        assertThatIllegalArgumentException().isThrownBy(() -> writer.put("k".repeat(70_000), 1));
        assertThatIllegalArgumentException().isThrownBy(() -> writer.put("k", -1));
        assertThatIllegalArgumentException().isThrownBy(() -> writer.put("general.alignment", 12));
        assertThatIllegalArgumentException().isThrownBy(() -> writer.put("general.alignment", "32"));
        GgufValue.Array deep = GgufValue.numbers(1);
        for (int i = 0; i < 4; i++) {
            deep = new GgufValue.Nested(List.of(deep));
        }
        GgufValue nested = deep;
        assertThatIllegalArgumentException().isThrownBy(() -> writer.put("deep", nested));
        assertThatIllegalArgumentException().isThrownBy(() -> writer.tensor("t", GgmlType.Q4_0, new long[] {33}, out -> { }));
        assertThatIllegalArgumentException().isThrownBy(() -> writer.tensor("t", GgmlType.F32, new long[] {1, 1, 1, 1, 1}, out -> { }));
        assertThatIllegalArgumentException().isThrownBy(() -> writer.tensor("t", GgmlType.F32, new long[] {Long.MAX_VALUE, 3}, out -> { }));
        assertThatIllegalArgumentException().isThrownBy(() -> writer.tensor("t", new long[] {3}, 1, 2));
    }

    @Test
    @Tag("standalone")
    void failuresLeaveTheOldFile() throws IOException {
        Path file = Files.writeString(directory.resolve("model.gguf"), "what was there before");
        GgufWriter wrong = GgufWriter.empty().tensor("t", GgmlType.F32, new long[] {2}, out -> out.write(ByteBuffer.allocate(7)));
        assertThatExceptionOfType(IOException.class).isThrownBy(() -> wrong.write(file)).withMessageContaining("8 bytes, 7 were written");
        Path source = Files.copy(TestModels.tinyFile(), directory.resolve("source.gguf"));
        GgufWriter gone = GgufWriter.copyOf(GgufFile.read(source));
        Files.write(source, new byte[100]);
        assertThatExceptionOfType(GgufException.class).isThrownBy(() -> gone.write(file)).withMessageContaining("changed");
        assertThat(file).hasContent("what was there before");
        try (var files = Files.list(directory)) {
            assertThat(files).hasSize(2);
        }
    }
}
