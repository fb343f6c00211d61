package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.Chasqui;
import dev.chasqui.Context;
import dev.chasqui.ContextOptions;
import dev.chasqui.GgmlType;
import dev.chasqui.GgufFile;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.SamplerChain;
import dev.chasqui.Sequence;
import dev.chasqui.models.ModelStore;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// The commands with the default model.
class CommandsTest {

    private static final String PROMPT = "The capital of Peru is";

    @TempDir
    Path directory;

    @Test
    void aPromptThatDoesNotFitNamesTheOption() {
        Cli full = Cli.run("run", "-c", "256", "--raw", "word ".repeat(400));
        assertThat(full.status()).isEqualTo(1);
        assertThat(full.err()).contains("--context", "256 more tokens");
    }

    @Test
    void runGivesTheTokensOfTheLibrary() {
        Map<String, Object> answer = only(Cli.run("run", "--json", "--temp", "0", "--speculation", "off", "-n", "24", "--raw", PROMPT));
        List<Long> expected = new ArrayList<>();
        String text;
        try (Model model = Model.load(ModelStore.standard().get("smollm2-135m"));
                Context context = model.newContext(ContextOptions.defaults().withContextSize(64));
                Sequence sequence = context.newSequence();
                SamplerChain greedy = model.newSamplerChain(Sampler.greedy())) {
            sequence.append(PROMPT);
            int[] tokens = new int[24];
            for (int i = 0; i < tokens.length; i++) {
                tokens[i] = sequence.next(greedy);
                expected.add((long) tokens[i]);
            }
            text = model.vocabulary().detokenize(tokens);
        }
        assertThat(answer).containsEntry("model", "smollm2-135m").containsEntry("tokens", expected).containsEntry("text", text)
                .containsEntry("prompt_tokens", 5L).containsEntry("cached_tokens", 0L).containsEntry("finish_reason", "length");
        assertThat(answer).containsKeys("drafted", "accepted");
        assertThat((double) answer.get("ttft_ms")).isPositive();
        assertThat((double) answer.get("decode_tps")).isPositive();
        assertThat((long) answer.get("target_steps")).isBetween(23L, 24L);
    }

    @Test
    void kernelsDecidesWhatIsPacked() {
        String[] options = {"run", "--json", "--temp", "0", "-n", "4", "--raw", "--kernels"};
        assertThat((long) only(Cli.run(with(options, "on", PROMPT))).get("packed_bytes")).isPositive();
        assertThat(only(Cli.run(with(options, "off", PROMPT)))).containsEntry("packed_bytes", 0L);
        assertThat(only(Cli.run(with(options, "AUTO", PROMPT)))).containsKey("packed_bytes");
        assertThat(Cli.run("bench", "--json", "--kernels", "off", "-p", "8", "-n", "0", "-r", "1").json()).singleElement()
                .satisfies(row -> assertThat(row).containsEntry("packed_bytes", 0L));
    }

    @Test
    void embedGivesALineForEachText() throws IOException {
        Path file = Files.writeString(directory.resolve("texts"), "the river\nthe rivers\nint main(void) {\n");
        Cli embedded = Cli.run("embed", "--dimensions", "100", "-f", file.toString());
        assertThat(embedded.status()).as(embedded.err()).isZero();
        List<Map<String, Object>> rows = embedded.json();
        assertThat(rows).extracting(row -> row.get("text")).containsExactly("the river", "the rivers", "int main(void) {");
        assertThat(rows).allSatisfy(row -> assertThat((List<?>) row.get("embedding")).hasSize(100));
        assertThat(dot(rows.get(0), rows.get(0))).isEqualTo(1, within(1e-4));
        assertThat(dot(rows.get(0), rows.get(1))).isGreaterThan(dot(rows.get(0), rows.get(2)));
        Cli single = Cli.run("embed", "--dimensions", "100", "the rivers");
        assertThat(dot(rows.get(1), single.json().getFirst())).isEqualTo(1, within(1e-3));
    }

    private static double dot(Map<String, Object> a, Map<String, Object> b) {
        List<?> left = (List<?>) a.get("embedding");
        List<?> right = (List<?>) b.get("embedding");
        double sum = 0;
        for (int i = 0; i < left.size(); i++) {
            sum += ((Number) left.get(i)).doubleValue() * ((Number) right.get(i)).doubleValue();
        }
        return sum;
    }

    @Test
    void rerankWantsAModelThatRanks() {
        Cli ranked = Cli.run("rerank", "a query", "a document");
        assertThat(ranked.status()).isEqualTo(1);
        assertThat(ranked.err()).contains("does not rank");
    }

    @Test
    void ggufWritesOtherMetadata() {
        Path output = directory.resolve("renamed.gguf");
        Cli written = Cli.run("gguf", "--set", "general.name=renamed", "--set", "llama.context_length=512", "--set", "my.flag=true",
                "--remove", "tokenizer.chat_template", "-o", output.toString());
        assertThat(written.status()).as(written.err()).isZero();
        assertThat(written.out()).contains("renamed", "my.flag");
        GgufFile file = GgufFile.read(output);
        assertThat(file.name()).hasValue("renamed");
        assertThat(file.contextLength()).hasValue(512);
        assertThat(file.flag("my.flag")).hasValue(true);
        assertThat(file.chatTemplate()).isEmpty();
        assertThat(Cli.run("gguf", "--set", "a=b").status()).isEqualTo(2);
        Cli wrong = Cli.run("gguf", "--set", "llama.context_length=many", "-o", output.toString());
        assertThat(wrong.status()).isEqualTo(1);
        assertThat(wrong.err()).contains("llama.context_length=many");
    }

    @Test
    void quantizeWritesAModel() {
        Path input = ModelStore.standard().get("smollm2-135m");
        Path output = directory.resolve("small.gguf");
        Cli refused = Cli.run("quantize", input.toString(), output.toString(), "q8_0");
        assertThat(refused.status()).isEqualTo(1);
        assertThat(refused.err()).contains("requantizing");
        Cli made = Cli.run("quantize", "--json", "--requantize", "--pure", "--tensor-type", "ffn_down=q8_0", input.toString(), output.toString(), "q4_0");
        assertThat(made.status()).as(made.err()).isZero();
        GgufFile file = GgufFile.read(output);
        assertThat(only(made)).containsEntry("size", file.fileSize()).containsEntry("type", "Q4_0");
        assertThat(file.tensor("blk.3.attn_q.weight").orElseThrow().type()).isEqualTo(GgmlType.Q4_0);
        assertThat(file.tensor("blk.3.ffn_down.weight").orElseThrow().type()).isEqualTo(GgmlType.Q8_0);
        assertThat(Cli.run("quantize", input.toString(), output.toString(), "q9").status()).isEqualTo(2);
    }

    @Test
    void runStreamsTheSameText() {
        // guesses may order cells otherwise the second time, which rounds differently
        String[] options = {"run", "--temp", "0", "-n", "16", "--speculation", "off", "What is the capital of France?"};
        Cli streamed = Cli.run(options);
        assertThat(streamed.status()).isZero();
        assertThat(streamed.out()).isNotBlank();
        List<String> withJson = new ArrayList<>(List.of(options));
        withJson.add("--json");
        assertThat(only(Cli.run(withJson.toArray(String[]::new))).get("text") + System.lineSeparator()).isEqualTo(streamed.out());
    }

    @Test
    void runReadsThePromptFromStandardInput() {
        Cli argument = Cli.run("run", "--raw", "--temp", "0", "-n", "8", PROMPT);
        Cli piped = withInput(PROMPT, "run", "--raw", "--temp", "0", "-n", "8", "-");
        assertThat(piped).isEqualTo(argument);
    }

    /// Without a terminal: answers and nothing else on the standard output, no escapes.
    @Test
    void chatReadsLinesFromAPipe() {
        Cli chat = withInput("/json {\"enum\": [17]}\nA\\\nnumber\n\n/nonsense\nAnother one\n/stats\n/quit\nnot read\n", "chat", "--temp", "0", "-c", "512");
        assertThat(chat.status()).isZero();
        assertThat(chat.out()).isEqualTo("17%n17%n".formatted());
        assertThat(chat.err()).contains("follow the schema", "there is no /nonsense", "tokens per step").doesNotContain("\u001b");
        assertThat(withInput("", "chat").status()).as("nothing to say").isZero();
    }

    @Test
    void theSameSeedGivesTheSameAnswer() {
        String[] options = {"run", "--temp", "1.5", "--seed", "7", "-n", "24", "Tell me a story."};
        assertThat(Cli.run(options).out()).isEqualTo(Cli.run(options).out());
    }

    @Test
    void runFollowsAGrammarOrASchema(@TempDir Path folder) throws IOException {
        Path grammar = Files.writeString(folder.resolve("answer.gbnf"), "root ::= \"yes\" | \"no\"\n");
        assertThat(Cli.run("run", "--grammar", grammar.toString(), "Is Cusco in Peru?").out().strip()).isIn("yes", "no");
        String schema = "{\"enum\": [17, 23]}";
        assertThat(Cli.run("run", "--json-schema", schema, "A number, please.").out().strip()).isIn("17", "23");
        Path file = Files.writeString(folder.resolve("schema.json"), schema);
        assertThat(Cli.run("run", "--json-schema", file.toString(), "A number, please.").out().strip()).isIn("17", "23");
        assertThat(Cli.run("run", "--grammar", grammar.toString(), "--json-schema", schema, "a").status()).isEqualTo(2);
        Files.writeString(grammar, "root ::= (\n");
        Cli broken = Cli.run("run", "--grammar", grammar.toString(), "a");
        assertThat(broken.status()).isEqualTo(1);
        assertThat(broken.err()).contains("line");
    }

    @Test
    void stopEndsBeforeTheText() {
        Cli whole = Cli.run("run", "--raw", "--temp", "0", "-n", "24", PROMPT);
        String stop = whole.out().substring(5, 8);
        Map<String, Object> cut = only(Cli.run("run", "--raw", "--json", "--temp", "0", "-n", "24", "--stop", stop, PROMPT));
        assertThat(cut).containsEntry("text", whole.out().substring(0, whole.out().indexOf(stop))).containsEntry("finish_reason", "stop");
    }

    @Test
    void aPromptThatDoesNotFitSaysHowMuchIsMissing() {
        Cli wrong = Cli.run("run", "--raw", "-c", "16", "river ".repeat(400));
        assertThat(wrong.status()).isEqualTo(1);
        assertThat(wrong.err().lines()).hasSize(1).first().asString().containsPattern("room for \\d+ more tokens, \\d+ are needed");
    }

    @Test
    void tokenizeShowsTokensThatMakeUpTheText() {
        String text = "Cusco, 3400 m \uD83E\uDD99\n";
        List<Map<String, Object>> tokens = Cli.run("tokenize", "--json", text).json();
        try (Model model = Model.load(ModelStore.standard().get("smollm2-135m"))) {
            assertThat(tokens.stream().map(token -> (int) (long) token.get("token")))
                    .containsExactlyElementsOf(Arrays.stream(model.vocabulary().tokenize(text, true, false)).boxed().toList());
        }
        assertThat(Cli.run("tokenize", "a b").out().lines().map(line -> line.substring(line.indexOf('\''))).collect(Collectors.joining()))
                .isEqualTo("'a'' b'");
        assertThat(Cli.run("tokenize", "--json", "--special", "<|im_start|>").json()).hasSize(1).first()
                .extracting(token -> token.get("control")).isEqualTo(true);
        assertThat(Cli.run("tokenize", "--json", "<|im_start|>").json()).hasSizeGreaterThan(1)
                .allMatch(token -> token.get("control").equals(false));
    }

    @Test
    void perplexityCountsTheSecondHalfOfEachChunk() throws IOException {
        Path text = Files.writeString(directory.resolve("text.txt"), "The river runs from the mountains to the sea. ".repeat(20));
        Map<String, Object> result = only(Cli.run("perplexity", "--json", "-c", "64", "-f", text.toString()));
        long chunks = (long) result.get("chunks");
        assertThat(chunks).isGreaterThan(1);
        assertThat(result).containsEntry("tokens", chunks * 31);
        double perplexity = (double) result.get("perplexity");
        assertThat(perplexity).isBetween(1.0, 3.0); // it has seen the sentence in the first half
        assertThat(Cli.run("perplexity", "-c", "64", "-f", text.toString()).out()).startsWith("perplexity %.4f".formatted(perplexity));
    }

    @Test
    void benchReportsEachTest() {
        List<Map<String, Object>> rows = Cli.run("bench", "--json", "-p", "16,32", "-n", "4", "-r", "2").json();
        assertThat(rows).extracting(row -> row.get("n_prompt")).containsExactly(16L, 32L, 0L);
        assertThat(rows).extracting(row -> row.get("n_gen")).containsExactly(0L, 0L, 4L);
        for (Map<String, Object> row : rows) {
            List<?> samples = (List<?>) row.get("samples_ns");
            assertThat(samples).hasSize(2);
            double mean = samples.stream().mapToDouble(sample -> ((Number) sample).doubleValue()).average().orElseThrow();
            assertThat(((Number) row.get("avg_ns")).doubleValue()).isCloseTo(mean, within(1.0));
        }
        assertThat(Cli.run("bench", "-p", "16", "-n", "0", "-r", "1").out()).contains("| model", "pp16").doesNotContain("tg");
    }

    @Test
    void ggufShowsWhatTheFileSays() {
        List<Map<String, Object>> lines = Cli.run("gguf", "--json", "--tensors").json();
        Map<String, Object> file = lines.getFirst();
        assertThat(file).containsEntry("architecture", "llama").containsEntry("version", 3L);
        assertThat(lines.stream().filter(line -> line.containsKey("tensor"))).hasSize((int) (long) file.get("tensors"));
        assertThat(lines.stream().filter(line -> "general.architecture".equals(line.get("key")))).hasSize(1)
                .allMatch(line -> line.get("value").equals("llama"));
        assertThat(Cli.run("gguf").out()).contains("general.architecture", "GGUF version 3");
    }

    @Test
    void modelsAreListedAndChecked() {
        Map<String, Object> model = Cli.run("models", "--json").json().stream()
                .filter(line -> line.get("name").equals("smollm2-135m")).findFirst().orElseThrow();
        Path file = ModelStore.standard().get("smollm2-135m");
        assertThat(Cli.run("models", "pull", "smollm2-135m").out().strip()).isEqualTo(file.toString());
        assertThat(model).containsEntry("path", file.toString()).containsEntry("licence", "Apache-2.0");
        assertThat(Cli.run("models", "verify", "smollm2-135m").out()).startsWith("ok ");
        assertThat(Cli.run("models", "list").out()).contains("* smollm2-135m");
    }

    @Test
    void benchSpeculationComparesEachPrompt() throws IOException {
        Path prompts = Files.writeString(directory.resolve("prompts.jsonl"), """
                {"task_id": "a/1", "category": "repeat", "prompt": "Say ten times: one two three four five six.", "more": {"turns": [1]}}

                {"question_id": 7, "turns": ["Name a river.", "And another."]}
                """);
        Cli result = Cli.run("bench", "speculation", "--prompts", prompts.toString(), "-n", "24", "--stock", "8");
        List<Map<String, Object>> rows = result.json();
        assertThat(rows).hasSize(5);
        assertThat(rows.get(0)).containsEntry("id", "a/1").containsEntry("category", "repeat");
        assertThat(rows.get(1)).containsEntry("id", "7").containsEntry("category", "");
        for (Map<String, Object> row : rows.subList(0, 2)) {
            assertThat((double) row.get("speedup")).isPositive();
            assertThat((long) row.get("target_steps") + (long) row.get("accepted")).isEqualTo((long) row.get("tokens") - 1);
            assertThat((boolean) row.get("identical") || (double) row.get("margin") < 0.5).isTrue();
            assertThat((double) row.get("speedup_over_stock")).isEqualTo((double) row.get("spec_tps") / (double) row.get("stock_tps"));
        }
        assertThat(rows.stream().map(row -> row.get("summary")).skip(2)).containsExactly("repeat", "", "all");
        assertThat(rows.get(4)).containsEntry("prompts", 2L).containsKeys("worst_prompt", "median_speedup_over_stock", "worst_speedup_over_stock");
        assertThat(result.err()).contains("over plain", "| repeat | 1 |", "| all | 2 |");
        assertThat(Cli.run("bench", "speculation", "--prompts", prompts.toString(), "--stock", "1").status()).isEqualTo(2);
    }

    @Test
    void benchLosslessCountsEachPolicyInEachSetting() throws IOException {
        Path prompts = Files.writeString(directory.resolve("prompts.jsonl"), """
                {"id": "a", "prompt": "Say ten times: one two three four five six."}
                {"id": "b", "prompt": "Name a river."}
                {"id": "c", "prompt": "Say three times: red green blue."}
                """);
        Cli result = Cli.run("bench", "lossless", "--prompts", prompts.toString(), "-n", "24", "--policies", "merged,model", "--draft-model", "smollm2-135m",
                "--settings", "one_thread,q8_0_cache");
        assertThat(result.status()).isZero();
        List<Map<String, Object>> counts = result.json().stream().filter(row -> row.containsKey("answers")).toList();
        assertThat(counts.stream().map(row -> row.get("policy") + " " + row.get("setting") + " " + row.get("answers"))).containsExactly(
                "merged one_thread 2", "merged q8_0_cache 1", "merged all 3", "model one_thread 2", "model q8_0_cache 1", "model all 3");
        for (Map<String, Object> count : List.of(counts.get(2), counts.get(5))) {
            long parted = result.json().stream().filter(row -> row.containsKey("first_difference") && row.get("policy").equals(count.get("policy"))).count();
            assertThat((long) count.get("identical") + parted).isEqualTo(3);
            assertThat((long) count.get("accepted")).isPositive();
            assertThat((double) count.get("largest_margin")).isLessThan(0.5);
        }
    }

    @Test
    void aPromptFileWithoutPromptsNamesTheLine() throws IOException {
        Path prompts = Files.writeString(directory.resolve("prompts.jsonl"), "{\"prompt\": \"a\"}\n{\"text\": \"b\"}\n");
        Cli result = Cli.run("bench", "speculation", "--prompts", prompts.toString());
        assertThat(result.status()).isEqualTo(1);
        assertThat(result.err()).contains("line 2", "neither prompt nor turns");
        assertThat(Cli.run("bench", "speculation").status()).isEqualTo(2);
    }

    @Test
    void benchKvComparesWithFullAttention() throws IOException {
        Path text = Files.writeString(directory.resolve("text.txt"), "The river rises in the mountains and reaches the sea. ".repeat(60));
        List<Map<String, Object>> rows = Cli.run("bench", "kv", "-f", text.toString(), "-c", "560", "-n", "20", "--selector", "sketch,window", "--share", "0.05,1").json();
        assertThat(rows.stream().map(row -> row.get("selector"))).containsExactly("sketch", "sketch", "window", "window");
        for (Map<String, Object> row : rows) {
            assertThat(row).containsEntry("tokens", 20L).containsEntry("context", 560L);
            if ((double) row.get("share") == 1) {
                assertThat(row).containsEntry("kl", 0.0).containsEntry("agreement", 1.0);
            } else {
                assertThat((double) row.get("kl")).isPositive();
                assertThat((double) row.get("cells")).isBetween(0.5, 0.75);
            }
        }
        rows = Cli.run("bench", "kv", "-f", text.toString(), "-c", "560", "-n", "3", "-r", "1", "--share", "0.05", "--speed").json();
        assertThat(rows).hasSize(1);
        assertThat((double) rows.getFirst().get("speedup")).isPositive();
        assertThat(Cli.run("bench", "kv", "-f", text.toString(), "-c", "100000").status()).isEqualTo(1);
    }

    @Test
    void infoNamesTheDevices() {
        Map<String, Object> info = only(Cli.run("info", "--json"));
        assertThat((List<?>) info.get("devices")).isNotEmpty();
        assertThat((long) info.get("cores")).isPositive();
        assertThat(info).containsEntry("kernels", Chasqui.kernels().orElseThrow());
        assertThat(Cli.run("info").out()).contains("llama.cpp", "device").contains("kernels        " + info.get("kernels"));
    }

    private static String[] with(String[] options, String... more) {
        return Stream.of(options, more).flatMap(Stream::of).toArray(String[]::new);
    }

    private static Map<String, Object> only(Cli result) {
        assertThat(result.err()).isEmpty();
        assertThat(result.status()).isZero();
        assertThat(result.json()).hasSize(1);
        return result.json().getFirst();
    }

    private static Cli withInput(String text, String... args) {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8)));
        try {
            return Cli.run(args);
        } finally {
            System.setIn(before);
        }
    }
}
