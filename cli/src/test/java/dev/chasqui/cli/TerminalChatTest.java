package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.ChatOptions;
import dev.chasqui.ContextOptions;
import dev.chasqui.GenerationOptions;
import dev.chasqui.Model;
import dev.chasqui.Sampler;
import dev.chasqui.models.ModelStore;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PipedInputStream;
import java.io.PipedOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.jline.terminal.impl.ExternalTerminal;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A chat on a terminal that is in this process: what is typed goes through JLine's line discipline, where Ctrl-C becomes a signal.
@Timeout(120)
class TerminalChatTest {

    private static final String CTRL_C = "\u0003";
    private static final String CTRL_D = "\u0004";
    private static final String ALT_ENTER = "\u001b\r";
    private static final String UP = "\u001bOA";
    private static final String PROMPT = "> ";
    /// What JLine writes when a line is complete.
    private static final String END_OF_LINE = "\u001b[?2004l";

    private TypedChat typed;
    private Thread chat;

    @TempDir
    Path folder;

    @BeforeEach
    void start() throws IOException, InterruptedException {
        PipedOutputStream keys = new PipedOutputStream();
        ByteArrayOutputStream screen = new ByteArrayOutputStream();
        typed = new TypedChat(keys, () -> screen.toString(StandardCharsets.UTF_8));
        var terminal = new ExternalTerminal("test", "xterm", new PipedInputStream(keys, 1 << 16), screen, StandardCharsets.UTF_8);
        terminal.resume();
        chat = Thread.ofPlatform().name("chat").start(() -> {
            ChatOptions options = ChatOptions.defaults().withGeneration(GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(3_000));
            try (TerminalInput input = new TerminalInput(terminal, new ChatCompleter(ModelStore.standard()), folder.resolve("history"));
                    Conversation conversation = new Conversation(name -> Model.load(ModelStore.standard().get(name)), "smollm2-135m",
                            ContextOptions.defaults().withContextSize(4096), options, new PictureOption(), input.view())) {
                ChatCommand.talk(input, conversation);
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        });
        typed.waitFor(PROMPT);
    }

    @AfterEach
    void end() throws InterruptedException {
        chat.join(TimeUnit.SECONDS.toMillis(30));
        assertThat(chat.isAlive()).as("Ctrl-D ends the chat").isFalse();
    }

    @Test
    void ctrlCStopsTheAnswerAndTheChatGoesOn() throws Exception {
        typed.type("Tell me a very long story about a llama.\r");
        typed.waitFor(END_OF_LINE);
        typed.waitForMore();
        typed.type(CTRL_C);
        typed.waitFor("(stopped)");
        typed.waitFor(PROMPT);
        typed.type("/stats\r");
        typed.waitFor("Ctrl-C");
        typed.type(CTRL_D);
    }

    @Test
    void ctrlCStopsAPrompt() throws Exception {
        typed.paste("the river ".repeat(1700));
        typed.type("\r");
        typed.waitFor(END_OF_LINE);
        TimeUnit.MILLISECONDS.sleep(500); // it takes seconds
        typed.type(CTRL_C);
        typed.waitFor("(stopped before the answer began");
        typed.type("/json {\"enum\": [17]}\r");
        typed.waitFor("follow the schema");
        typed.type("A number\r");
        typed.waitFor("17");
        typed.type(CTRL_D);
    }

    @Test
    void linesAreEditedAndBound() throws Exception {
        typed.type("/system one\\\rtwo" + ALT_ENTER + "three\r");
        typed.waitFor("system prompt");
        typed.type("/save " + folder.resolve("chat.json") + "\r");
        typed.waitFor("1 messages");
        assertThat(folder.resolve("chat.json")).content().contains("one\\ntwo\\nthree");
        typed.type("x" + CTRL_C);
        typed.waitFor(PROMPT);
        typed.type(CTRL_C);
        typed.waitFor("Ctrl-D leaves");
        typed.type(CTRL_D);
        chat.join(TimeUnit.SECONDS.toMillis(30));
        assertThat(folder.resolve("history")).content().contains("/save");
        assertThat(Files.getPosixFilePermissions(folder.resolve("history"))).hasToString("[OWNER_READ, OWNER_WRITE]");
    }

    @Test
    void tabCompletesCommandsModelsAndFiles() throws Exception {
        Files.writeString(folder.resolve("only-one.json"), "{\"messages\": [{\"role\": \"user\", \"content\": \"Hello.\"}]}");
        typed.type("/sta\t\r");
        typed.waitFor("no answer yet");
        typed.type("/load " + folder + "/only\t\r");
        typed.waitFor("1 messages from");
        typed.type("/model smol\t\r");
        typed.waitFor("smollm2-135m, context of 4,096 tokens");
        typed.type(UP + UP + "\r");
        typed.waitFor("1 messages from");
        typed.type(CTRL_D);
    }
}
