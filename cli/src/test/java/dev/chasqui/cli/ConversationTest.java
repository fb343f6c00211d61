package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.ChatOptions;
import dev.chasqui.ContextOptions;
import dev.chasqui.GenerationOptions;
import dev.chasqui.GgufFile;
import dev.chasqui.GgufWriter;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.models.ModelStore;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import picocli.CommandLine;

/// A chat without a terminal.
class ConversationTest {

    private static final Path TINY_VLM = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm");
    private static final Pattern PROMPT = Pattern.compile("prompt +([\\d,]+) tokens, ([\\d,]+) of them");

    private final RecordingView view = new RecordingView();

    @TempDir
    Path folder;

    @Test
    void answersAreOfTheConversation() {
        try (Conversation chat = conversation(ContextOptions.defaults().withContextSize(1024))) {
            lines(chat, "What is the capital of France?", "/regen", "/stats");
            assertThat(view.answers).hasSize(2).noneMatch(String::isBlank);
            assertThat(prompt() - cached()).as("the question is there, its last token is computed again").isEqualTo(1);
            assertThat(view.errors).isEmpty();
            lines(chat, "And of Peru?", "/stats");
            assertThat(cached()).as("the first question and its answer").isGreaterThan(30);
            lines(chat, "/clear", "And of Peru?", "/stats");
            assertThat(cached()).isLessThan(30);
        }
    }

    @Test
    void theSystemPromptAndTheSchemaHoldUntilTheyAreTakenBack() {
        try (Conversation chat = conversation(ContextOptions.defaults().withContextSize(1024))) {
            lines(chat, "/json {\"enum\": [17, 23]}", "A number, please.", "/json", "/clear", "Tell me of rivers.");
            assertThat(view.answers.get(0)).isIn("17", "23");
            assertThat(view.answers.get(1)).isNotIn("17", "23");
            lines(chat, "/clear", "Hello.", "/stats");
            int plain = prompt();
            lines(chat, "/clear", "/system You are a pirate. You say arr.", "Hello.", "/stats");
            assertThat(prompt()).isNotEqualTo(plain);
            lines(chat, "/system", "/clear", "Hello.", "/stats");
            assertThat(prompt()).isEqualTo(plain);
            assertThat(view.answers.get(2)).isNotEqualTo(view.answers.get(3));
        }
    }

    @Test
    void errorsLeaveTheChatAlive() {
        try (Conversation chat = conversation(ContextOptions.defaults().withContextSize(256))) {
            lines(chat, "/nonsense", "/load " + folder.resolve("none"), "/load", "/image " + folder.resolve("none.png"), "/audio " + folder.resolve("none.wav"), "/model no-such-model", "/json {", "/json {\"type\": 7}",
                    "/regen", "river ".repeat(400));
            assertThat(view.errors).satisfiesExactly(
                    error -> assertThat(error).contains("/nonsense", "/help"), error -> assertThat(error).contains("no such file", "none"),
                    error -> assertThat(error).contains("which file"), error -> assertThat(error).contains("--mmproj"), error -> assertThat(error).contains("--mmproj"),
                    error -> assertThat(error).contains("no-such-model", "smollm2-135m"), error -> assertThat(error).contains("1:"), error -> assertThat(error).isNotBlank(),
                    error -> assertThat(error).contains("nothing to answer"), error -> assertThat(error).contains("--context"));
            lines(chat, "What is the capital of France?");
            assertThat(view.answers.getLast()).isNotBlank();
        }
    }

    /// Whatever is left out, there is room for an answer.
    @Test
    void aFullContextDropsTheOldest() {
        try (Conversation chat = conversation(ContextOptions.defaults().withContextSize(256))) {
            for (int i = 0; i < 6; i++) {
                lines(chat, "Tell me of the river number " + i + " and how it " + "flows and ".repeat(12));
            }
            assertThat(view.errors).isEmpty();
            assertThat(view.answers).hasSize(6).noneMatch(String::isBlank);
            assertThat(view.notes).anyMatch(note -> note.contains("left out"));
        }
    }

    @Test
    void aSavedChatGoesOnWithoutItsPrompt() throws IOException {
        Path file = folder.resolve("chat.json");
        try (SequenceStore store = SequenceStore.open(SequenceStoreOptions.in(folder.resolve("store")));
                Conversation chat = conversation(ContextOptions.defaults().withContextSize(1024).withStore(store))) {
            lines(chat, "/system You are a guide for travellers to the Andes, and you answer in one short sentence.", "What is Cusco?", "/save " + file, "/stats");
        }
        int first = prompt();
        assertThat(Files.readString(file)).contains("What is Cusco?", "Andes");
        try (SequenceStore store = SequenceStore.open(SequenceStoreOptions.in(folder.resolve("store")));
                Conversation chat = conversation(ContextOptions.defaults().withContextSize(1024).withStore(store))) {
            lines(chat, "/load " + file, "/regen", "/stats");
            assertThat(view.answers).hasSize(2).noneMatch(String::isBlank);
            assertThat(prompt()).isEqualTo(first);
            assertThat(prompt() - cached()).as("all but the last token is in the store").isEqualTo(1);
        }
        Files.writeString(file, "{\"messages\": [{\"role\": \"user\"}]}");
        try (Conversation chat = conversation(ContextOptions.defaults().withContextSize(1024))) {
            lines(chat, "Hello.", "/load " + file, "/save " + folder.resolve("kept.json"));
            assertThat(view.errors).singleElement().asString().contains("content", "chat.json:1:");
            assertThat(Files.readString(folder.resolve("kept.json"))).as("the chat is as it was").contains("Hello.");
        }
    }

    @Test
    void stoppingKeepsWhatWasSaid() {
        try (Conversation chat = conversation(ContextOptions.defaults().withContextSize(1024))) {
            view.atContent = chat::stop;
            lines(chat, "Tell me a long story.");
            view.atContent = () -> { };
            assertThat(view.notes).contains("(stopped)");
            assertThat(view.answers.getFirst()).isNotBlank().hasSizeLessThan(40);
            lines(chat, "What is the capital of France?");
            assertThat(view.answers.getLast()).isNotBlank();
        }
    }

    @Test
    void stoppingAPromptForgetsTheQuestion() throws IOException {
        try (Conversation chat = conversation(ContextOptions.defaults().withContextSize(4096))) {
            view.atProgress = chat::stop;
            lines(chat, "the river ".repeat(1700));
            assertThat(view.progress).isNotEmpty().allSatisfy(each -> assertThat(each.total()).isBetween(3_000, 4_000));
            assertThat(view.answers.getFirst()).isEmpty();
            assertThat(view.notes.getLast()).contains("stopped before");
            view.atProgress = () -> { };
            lines(chat, "What is the capital of France?", "/save " + folder.resolve("chat.json"));
            assertThat(view.answers.getLast()).isNotBlank();
            assertThat(Files.readString(folder.resolve("chat.json"))).doesNotContain("the river the river");
        }
    }

    @Test
    void anotherModelGoesOnWithTheMessages() {
        try (Conversation chat = conversation(ContextOptions.defaults().withContextSize(512))) {
            lines(chat, "What is the capital of France?", "/model " + TINY_VLM.resolve("tiny-text.gguf"), "/model", "/save " + folder.resolve("chat.json"));
            assertThat(view.errors).isEmpty();
            assertThat(view.notes).anyMatch(note -> note.contains("tiny-text.gguf"));
            assertThat(folder.resolve("chat.json")).content().contains("What is the capital of France?", "assistant");
        }
    }

    @Test
    void picturesGoWithTheNextMessageAndIntoTheFile() {
        PictureOption pictures = with(TINY_VLM.resolve("tiny-mmproj.gguf"));
        Path picture = TINY_VLM.resolve("img/000.png");
        Path file = folder.resolve("chat.json");
        try (Conversation chat = conversation(TINY_VLM.resolve("tiny-text.gguf").toString(), ContextOptions.defaults().withContextSize(512), pictures)) {
            lines(chat, "/image " + picture, "What shape is yellow?", "/save " + file, "/clear", "/load " + file, "/regen", "/clear", "What shape is yellow?");
            assertThat(view.errors).isEmpty();
            assertThat(view.notes.getFirst()).contains("000.png", "144 tokens");
            assertThat(view.answers.get(0)).contains("cross");
            assertThat(view.answers.get(1)).isEqualTo(view.answers.get(0));
            assertThat(file).content().contains("000.png");
            lines(chat, "/audio " + picture);
            assertThat(view.errors).singleElement().asString().contains("000.png", "WAV, FLAC or MP3");
        }
    }

    @Test
    void soundsGoWithTheNextMessageAndIntoTheFile() throws IOException {
        Path sound = TinyEars.tone(folder.resolve("tone.wav"));
        Path file = folder.resolve("chat.json");
        PictureOption ears = with(TinyEars.projector(folder.resolve("hears.gguf")));
        try (Conversation chat = conversation(TINY_VLM.resolve("tiny-text.gguf").toString(), ContextOptions.defaults().withContextSize(512), ears)) {
            lines(chat, "What do you hear?", "/stats");
            int without = prompt();
            lines(chat, "/clear", "/audio " + sound, "/audio " + sound, "What do you hear?", "/save " + file, "/stats");
            int with = prompt();
            assertThat(with - without).as("two sounds of 25 tokens and their frames").isGreaterThan(50);
            assertThat(view.errors).isEmpty();
            assertThat(view.notes).filteredOn(note -> note.contains("tone.wav, 1.0 s, 25 tokens")).hasSize(2);
            assertThat(file).content().containsOnlyOnce("\"sounds\":[\"" + sound + "\",\"" + sound + "\"]");
            lines(chat, "/clear", "/load " + file, "/regen", "/stats");
            assertThat(prompt()).isEqualTo(with);
            assertThat(view.answers.get(2)).isEqualTo(view.answers.get(1));
            lines(chat, "/audio " + sound, "/clear", "What do you hear?", "/stats");
            assertThat(prompt()).as("what waited is forgotten").isEqualTo(without);
            lines(chat, "/audio " + sound, "/model " + TINY_VLM.resolve("tiny-text.gguf"), "/clear", "What do you hear?", "/stats");
            assertThat(view.notes).anyMatch(note -> note.contains("sounds were encoded for the other model"));
            assertThat(prompt()).isEqualTo(without);
            assertThat(view.errors).isEmpty();
        }
    }

    @Test
    void whoHasNoEarsOrEyesSaysSo() throws IOException {
        Path sound = TinyEars.tone(folder.resolve("tone.wav"));
        String model = TINY_VLM.resolve("tiny-text.gguf").toString();
        try (Conversation chat = conversation(model, ContextOptions.defaults().withContextSize(512), with(TINY_VLM.resolve("tiny-mmproj.gguf")))) {
            lines(chat, "/audio " + sound);
        }
        try (Conversation chat = conversation(model, ContextOptions.defaults().withContextSize(512), with(TinyEars.projector(folder.resolve("hears.gguf"))))) {
            lines(chat, "/image " + TINY_VLM.resolve("img/000.png"));
        }
        assertThat(view.errors).satisfiesExactly(error -> assertThat(error).contains("takes no sound"), error -> assertThat(error).contains("not take images"));
    }

    @Test
    void reasoningIsShownApart() throws IOException {
        String template = """
                {%- for m in messages -%}
                <|im_start|>{{ m.role }}
                {% if m.reasoning_content %}<think>
                {{ m.reasoning_content }}
                </think>

                {% endif %}{{ m.content }}<|im_end|>
                {% endfor -%}
                {%- if add_generation_prompt -%}
                <|im_start|>assistant
                {% if enable_thinking is defined and not enable_thinking %}<think>

                </think>

                {% else %}<think>
                {% endif %}{% endif %}""";
        Path thinker = GgufWriter.copyOf(GgufFile.read(ModelStore.standard().get("smollm2-135m"))).put("tokenizer.chat_template", template).write(folder.resolve("thinker.gguf")).path();
        try (Conversation chat = conversation(thinker.toString(), ContextOptions.defaults().withContextSize(512), new PictureOption())) {
            lines(chat, "Hello.");
            assertThat(view.reasoning.toString()).isNotBlank();
            assertThat(view.answers.getFirst()).isEmpty();
        }
        String[] run = {"run", "-m", thinker.toString(), "--temp", "0", "-n", "24", "Hello.", "--reasoning-budget"};
        assertThat(Cli.run(with(run, "0")).out()).startsWith("</think>");
        assertThat(Cli.run(with(run, "2")).out()).contains("</think>").doesNotStartWith("</think>");
        assertThat(Cli.run(with(run, "100")).out()).doesNotContain("</think>");
        assertThat(Cli.run(with(run, "2", "--raw")).err()).contains("--reasoning-budget", "--raw");
        Cli negative = Cli.run("chat", "-m", thinker.toString(), "--reasoning-budget", "-1");
        assertThat(negative.status()).isNotZero();
        assertThat(negative.err()).contains("reasoningBudget is -1");
    }

    private static String[] with(String[] options, String... more) {
        return Stream.concat(Arrays.stream(options), Arrays.stream(more)).toArray(String[]::new);
    }

    /// What `--mmproj` gives a chat.
    private static PictureOption with(Path projector) {
        PictureOption pictures = new PictureOption();
        new CommandLine(CommandLine.Model.CommandSpec.create().addMixin("pictures", CommandLine.Model.CommandSpec.forAnnotatedObject(pictures)))
                .setCaseInsensitiveEnumValuesAllowed(true).parseArgs("--mmproj", projector.toString());
        return pictures;
    }

    private Conversation conversation(ContextOptions context) {
        return conversation("smollm2-135m", context, new PictureOption());
    }

    private Conversation conversation(String model, ContextOptions context, PictureOption pictures) {
        ChatOptions options = ChatOptions.defaults().withGeneration(GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(24));
        return new Conversation(name -> Model.load(ModelStore.standard().get(name)), model, context, options, pictures, view);
    }

    private static void lines(Conversation chat, String... lines) {
        for (String line : lines) {
            assertThat(chat.take(ChatLine.parse(line))).isTrue();
        }
    }

    private int prompt() {
        return counted(1);
    }

    private int cached() {
        return counted(2);
    }

    private int counted(int group) {
        var counts = PROMPT.matcher(view.notes.getLast());
        assertThat(counts.find()).as(view.notes.getLast()).isTrue();
        return Integer.parseInt(counts.group(group).replace(",", ""));
    }
}
