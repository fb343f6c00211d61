package dev.chasqui;

import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("standalone")
class QuantizerTest {

    @TempDir
    Path directory;

    private Path input;
    private Path output;

    @BeforeEach
    void write() {
        input = TinyGguf.builder().embedding(256).feedForward(256).write(directory.resolve("f32.gguf"));
        output = directory.resolve("out.gguf");
    }

    @Test
    void pureTypeOfEveryMatrix() throws IOException {
        GgufFile file = Quantizer.quantize(input, output, QuantizeOptions.to(QuantizationType.Q4_0).withPure(true));

        assertThat(file.tensors()).isNotEmpty().allSatisfy(tensor -> assertThat(tensor.type())
                .as(tensor.name()).isEqualTo(tensor.name().contains("norm") ? GgmlType.F32 : GgmlType.Q4_0));
        assertThat(file.integer("general.file_type")).hasValue(QuantizationType.Q4_0.id());
        assertThat(file.text("general.name")).isEqualTo(GgufFile.read(input).text("general.name"));
        assertThat(leftovers()).isEmpty();
    }

    @Test
    void fewBitsLoseLittle() throws IOException {
        int[] prompt = tokens(30, 1);
        Quantizer.quantize(input, output, QuantizeOptions.to(QuantizationType.F16));
        try (Model exact = Model.load(input); Model rounded = Model.load(output)) {
            assertThat(fresh(rounded, prompt, 10)).isEqualTo(fresh(exact, prompt, 10));
        }
    }

    @ParameterizedTest
    @EnumSource
    void everyTypeCanBeLoaded(QuantizationType type) throws IOException {
        GgufFile file = Quantizer.quantize(input, output, QuantizeOptions.to(type));

        assertThat(file.integer("general.file_type")).hasValue(type.id());
        try (Model model = Model.load(output)) {
            assertThat(fresh(model, tokens(5, 1), 1)).hasSize(1);
        }
    }

    @Test
    void typesByName() throws IOException {
        var types = new LinkedHashMap<String, GgmlType>();
        types.put("blk\\.0\\.", GgmlType.Q8_0);
        types.put("ffn", GgmlType.Q5_0);
        GgufFile file = Quantizer.quantize(input, output, QuantizeOptions.to(QuantizationType.Q4_0).withTensorTypes(types)
                .withEmbeddingType(GgmlType.Q6_K).withOutputType(GgmlType.Q5_1));

        assertThat(type(file, "blk.0.ffn_up.weight")).isEqualTo(GgmlType.Q8_0);
        assertThat(type(file, "blk.1.ffn_up.weight")).isEqualTo(GgmlType.Q5_0);
        assertThat(type(file, "blk.1.attn_q.weight")).isEqualTo(GgmlType.Q4_0);
        assertThat(type(file, "token_embd.weight")).isEqualTo(GgmlType.Q6_K);
    }

    @Test
    void tellsHowFarItIs() throws IOException {
        List<String> names = new ArrayList<>();
        Quantizer.quantize(input, output, QuantizeOptions.to(QuantizationType.Q8_0).withListener((index, count, tensor) -> {
            assertThat(index).isEqualTo(names.size());
            assertThat(count).isEqualTo(GgufFile.read(input).tensors().size());
            names.add(tensor);
            return true;
        }));

        assertThat(names).containsExactlyInAnyOrderElementsOf(GgufFile.read(input).tensors().stream().map(GgufTensor::name).toList());
    }

    @Test
    void stoppedByItsListener() throws IOException {
        Files.writeString(output, "what was there before");
        QuantizeOptions options = QuantizeOptions.to(QuantizationType.Q8_0);

        assertThatExceptionOfType(CancelledException.class).isThrownBy(
                () -> Quantizer.quantize(input, output, options.withListener((index, _, _) -> index < 4)));
        assertThatExceptionOfType(ArithmeticException.class).isThrownBy(
                () -> Quantizer.quantize(input, output, options.withListener((index, _, _) -> 1 / (index - 4) < 2)));
        assertThat(output).hasContent("what was there before");
        assertThat(leftovers()).isEmpty();
    }

    @Test
    void whatCannotBeDone() throws IOException {
        QuantizeOptions options = QuantizeOptions.to(QuantizationType.Q4_0);
        assertThatIllegalArgumentException().isThrownBy(() -> Quantizer.quantize(input, input, options)).withMessageContaining("same file");
        Path link = Files.createSymbolicLink(directory.resolve("link.gguf"), input);
        assertThatIllegalArgumentException().isThrownBy(() -> Quantizer.quantize(input, link, options));
        assertThatExceptionOfType(ModelLoadException.class).isThrownBy(() -> Quantizer.quantize(directory.resolve("no"), output, options));
        assertThatExceptionOfType(NoSuchFileException.class).isThrownBy(
                () -> Quantizer.quantize(input, directory.resolve("no/such/out.gguf"), options));
        var pattern = new LinkedHashMap<String, GgmlType>();
        pattern.put("[", GgmlType.Q8_0);
        assertThatIllegalArgumentException().isThrownBy(() -> Quantizer.quantize(input, output, options.withTensorTypes(pattern)));
        assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(
                () -> Quantizer.quantize(input, output, options.withEmbeddingType(GgmlType.IQ1_S)));

        Files.copy(input, directory.resolve("cut.gguf"));
        try (var channel = Files.newByteChannel(directory.resolve("cut.gguf"), StandardOpenOption.WRITE)) {
            channel.truncate(Files.size(input) / 2);
        }
        assertThatExceptionOfType(ModelLoadException.class).isThrownBy(() -> Quantizer.quantize(directory.resolve("cut.gguf"), output, options));
        assertThat(output).doesNotExist();
    }

    @Test
    void twiceOnlyIfMeant() throws IOException {
        Quantizer.quantize(input, output, QuantizeOptions.to(QuantizationType.Q8_0));
        Path again = directory.resolve("again.gguf");
        QuantizeOptions options = QuantizeOptions.to(QuantizationType.Q4_0);

        assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> Quantizer.quantize(output, again, options))
                .withMessageContaining("requantizing");
        assertThat(type(Quantizer.quantize(output, again, options.withRequantize(true)), "blk.0.attn_q.weight")).isEqualTo(GgmlType.Q4_0);
    }

    /// A limit on the size of files stands for a full disk.
    @Test
    void noRoomOnTheDisk() throws IOException {
        Files.writeString(output, "what was there before");
        List<String> command = new ArrayList<>(List.of("/bin/sh", "-c", "ulimit -f 500; exec \"$@\"", "sh"));
        command.addAll(ChildJvm.command(QuantizeOnFullDisk.class, directory, List.of("-Xmx256m", "-XX:-UsePerfData"),
                List.of(input.toString(), output.toString())));
        ChildJvm.Result result = ChildJvm.run(command, directory, 5);

        assertThat(result.exit()).as(result.summary()).isZero();
        assertThat(result.last("failed: ")).containsIgnoringCase("too large").contains(output.toString());
        assertThat(output).hasContent("what was there before");
        assertThat(leftovers()).isEmpty();
    }

    /// The tool is there where the comparisons of the benchmarks were built.
    @Test
    void sameBytesAsTheTool() throws IOException, InterruptedException {
        Path tool = Path.of("../build/native/bin/llama-quantize");
        Assumptions.assumeTrue(Files.isExecutable(tool), "llama-quantize is not built");
        Path theirs = directory.resolve("theirs.gguf");
        for (QuantizationType type : List.of(QuantizationType.Q4_0, QuantizationType.Q4_K_M, QuantizationType.Q6_K)) {
            Process process = new ProcessBuilder(tool.toString(), "--pure", input.toString(), theirs.toString(), type.name(), "1")
                    .redirectErrorStream(true).redirectOutput(directory.resolve("tool.log").toFile()).start();
            assertThat(process.waitFor()).isZero();
            Quantizer.quantize(input, output, QuantizeOptions.to(type).withPure(true));
            assertThat(Files.mismatch(output, theirs)).as("%s", type).isEqualTo(-1);
        }
    }

    private static GgmlType type(GgufFile file, String tensor) {
        return file.tensor(tensor).orElseThrow().type();
    }

    private List<Path> leftovers() throws IOException {
        try (Stream<Path> files = Files.list(directory)) {
            return files.filter(file -> file.toString().endsWith(".part")).toList();
        }
    }
}
