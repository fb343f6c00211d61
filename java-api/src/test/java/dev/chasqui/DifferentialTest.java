package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.chasqui.models.ModelStore;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.io.TempDir;

/// Greedy decoding gives exactly what llama.cpp's own completion tool of the same build gives: both without Chasqui's kernels,
/// or both with them.
///
/// Each model gets 20 prompts with `-Dchasqui.differential=full`; otherwise only the default model does, and the others get 3.
@Tag("model")
class DifferentialTest {

    private static final int TOKENS = 64;
    /// One, so that a busy machine only makes this slower, and not by the factor that waiting for each other costs.
    private static final int THREADS = 1;

    private static final List<String> PROMPTS = List.of(
            "The capital of Peru is",
            "El río Amazonas nace en los Andes y",
            "def fibonacci(n):\n    \"\"\"Return the n-th Fibonacci number.\"\"\"\n",
            "日本の首都は",
            "Once upon a time, in a village at the foot of the mountains, there lived",
            "public static int gcd(int a, int b) {\n",
            "SELECT name, COUNT(*) FROM orders",
            "1, 1, 2, 3, 5, 8, 13,",
            "😀😃😄 means",
            "Q: What is the boiling point of water?\nA:",
            "{\"name\": \"Ada\", \"age\": 36, \"skills\": [",
            "The quick brown fox jumps over the lazy dog. The quick brown fox jumps over the",
            "Die Donau ist der zweitlängste Fluss in Europa und",
            "# Shopping list\n\n- bread\n- milk\n-",
            "Москва — столица",
            "   indented text with   many   spaces",
            "In 1969, the first humans walked on the Moon. The names of the astronauts were",
            "#include <stdio.h>\n\nint main(void) {\n",
            "To be, or not to be, that is the question:\n",
            "a");

    private static final Pattern PROMPT_TOKEN = Pattern.compile("(?m)^.*?\\b(\\d+) -> '");

    @TempDir
    Path directory;

    @TestFactory
    List<DynamicTest> sameAsTheCompletionTool() {
        boolean full = "full".equals(System.getProperty("chasqui.differential"));
        return List.of(
                DynamicTest.dynamicTest("smollm2-135m", () -> compare(ModelStore.standard().get("smollm2-135m"), Kernels.OFF, 20)),
                DynamicTest.dynamicTest("smollm2-135m with kernels", () -> compare(ModelStore.standard().get("smollm2-135m"), Kernels.ON, full ? 20 : 3)),
                DynamicTest.dynamicTest("qwen2.5-coder-0.5b", () -> compare(cached("qwen2.5-coder-0.5b"), Kernels.OFF, full ? 20 : 3)),
                DynamicTest.dynamicTest("gemma3-270m", () -> compare(cached("gemma3-270m"), Kernels.OFF, full ? 20 : 3)));
    }

    private static Path cached(String name) {
        Optional<Path> file = ModelStore.standard().find(name);
        assumeTrue(file.isPresent(), name + " is not in the model store's cache");
        return file.get();
    }

    private void compare(Path file, Kernels kernels, int prompts) throws IOException, InterruptedException {
        Path tool = tool();
        try (Model model = Model.load(file, ModelOptions.defaults().withKernels(kernels));
                Context context = model.newContext(ContextOptions.defaults().withContextSize(512).withThreads(THREADS))) {
            for (String prompt : PROMPTS.subList(0, prompts)) {
                try (Sequence sequence = context.newSequence()) {
                    Completion theirs = complete(tool, file, kernels, prompt);
                    int[] tokens = model.vocabulary().tokenize(prompt, true, false);
                    assertThat(tokens).as("tokens of \"%s\"", prompt).isEqualTo(theirs.promptTokens());
                    byte[] ours = generate(sequence, tokens);
                    assertThat(ours).as(() -> difference(sequence, prompt, tokens.length, ours, theirs.output())).isEqualTo(theirs.output());
                }
            }
        }
    }

    private static byte[] generate(Sequence sequence, int[] prompt) {
        Vocabulary vocabulary = sequence.context().model().vocabulary();
        ByteArrayOutputStream text = new ByteArrayOutputStream();
        try (SamplerChain greedy = sequence.context().model().newSamplerChain(Sampler.greedy())) {
            sequence.append(prompt);
            for (int i = 0; i < TOKENS; i++) {
                int token = sequence.next(greedy);
                text.writeBytes(vocabulary.piece(token));
                if (vocabulary.info(token).isEnd()) {
                    text.writeBytes(" [end of text]\n".getBytes(StandardCharsets.UTF_8));
                    break;
                }
            }
        }
        return text.toByteArray();
    }

    private record Completion(int[] promptTokens, byte[] output) { }

    /// The raw continuation: no chat template, no sampler but the best token, control tokens shown.
    private Completion complete(Path tool, Path model, Kernels kernels, String prompt) throws IOException, InterruptedException {
        Path promptFile = Files.writeString(directory.resolve("prompt"), prompt);
        Path output = directory.resolve("output");
        Path errors = directory.resolve("errors");
        ProcessBuilder builder = new ProcessBuilder(tool.toString(), "-m", model.toString(), "-bf", promptFile.toString(),
                "-n", String.valueOf(TOKENS), "-t", String.valueOf(THREADS), "-c", "512", "-b", "2048", "-ub", "512", "-s", "1",
                "--temp", "0", "--samplers", "temperature", "-fa", "auto", "--swa-full", "-no-cnv", "--no-display-prompt", "--no-escape",
                "--special", "--no-warmup", "--simple-io", "--verbose-prompt", "--offline")
                .redirectInput(Path.of("/dev/null").toFile()).redirectOutput(output.toFile()).redirectError(errors.toFile());
        builder.environment().remove("GGML_BACKEND_PATH");
        if (kernels == Kernels.ON) {
            builder.environment().putAll(Map.of("GGML_BACKEND_PATH", kernelLibrary(), "CHASQUI_KERNELS", "on"));
            // a tool with a linked CPU backend looks for others only when an option may name one
            builder.command().addAll(List.of("--override-tensor", "no such tensor=CPU"));
        }
        Process process = builder.start();
        assertThat(process.waitFor(5, TimeUnit.MINUTES)).isTrue();
        String log = new String(Files.readAllBytes(errors), StandardCharsets.UTF_8);
        assertThat(process.exitValue()).as(log).isZero();

        byte[] bytes = Files.readAllBytes(output);
        byte[] end = "\n\n".getBytes(StandardCharsets.UTF_8);
        assertThat(bytes).as(log).endsWith(end);
        int[] promptTokens = PROMPT_TOKEN.matcher(log).results().mapToInt(match -> Integer.parseInt(match.group(1))).toArray();
        return new Completion(promptTokens, Arrays.copyOf(bytes, bytes.length - end.length));
    }

    /// Where they part, and how undecided the model was there.
    private static String difference(Sequence sequence, String prompt, int promptLength, byte[] ours, byte[] theirs) {
        Vocabulary vocabulary = sequence.context().model().vocabulary();
        int at = Arrays.mismatch(ours, theirs);
        if (at < 0) {
            return prompt;
        }
        int[] tokens = sequence.tokens();
        int index = promptLength;
        for (int bytes = 0; index < tokens.length; index++) {
            bytes += vocabulary.piece(tokens[index]).length;
            if (bytes > at) {
                break;
            }
        }
        sequence.rewind(Math.min(index, tokens.length));
        float[] logits = sequence.logits();
        float best = logits[TestModels.argmax(logits)];
        logits[TestModels.argmax(logits)] = Float.NEGATIVE_INFINITY;
        float second = logits[TestModels.argmax(logits)];
        return "\"%s\": token %d of the answer differs, the two best logits are %.4f apart%nours:   %s%ntheirs: %s".formatted(prompt,
                index - promptLength, best - second, new String(ours, StandardCharsets.UTF_8), new String(theirs, StandardCharsets.UTF_8));
    }

    private static String kernelLibrary() {
        return Chasqui.devices().stream().filter(device -> device.backend().equals("Chasqui")).findFirst().orElseThrow().library();
    }

    private static Path tool() {
        String preset = System.getProperty("chasqui.preset", "native");
        for (Path root = root(); root != null; root = root.getParent()) {
            Path tool = root.resolve("build").resolve(preset).resolve("bin").resolve("llama-completion");
            if (Files.isExecutable(tool)) {
                return tool;
            }
        }
        throw new AssertionError("no llama-completion: build the target comparison-tools");
    }

    private static Path root() {
        return Path.of(System.getProperty("chasqui.root", System.getProperty("user.dir"))).toAbsolutePath();
    }
}
