package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// A chat of a process of its own, on a pseudo-terminal that `script` opens: there the kernel turns Ctrl-C into a signal.
@Timeout(300)
class PtyChatTest {

    private static final String CTRL_C = "\u0003";
    private static final String CTRL_D = "\u0004";
    private static final String PROMPT = "> ";
    /// What JLine writes when a line is complete.
    private static final String END_OF_LINE = "\u001b[?2004l";

    private final StringBuffer screen = new StringBuffer();
    private Process script;
    private TypedChat typed;

    @TempDir
    Path folder;

    @BeforeEach
    void start() throws IOException, InterruptedException {
        assumeThat(Path.of("/usr/bin/script")).exists();
        assumeThat(System.getProperty("os.name")).isEqualTo("Linux"); // elsewhere it has other options
        String java = Path.of(System.getProperty("java.home"), "bin", "java").toString();
        List<String> command = List.of(java, "--enable-native-access=ALL-UNNAMED", "-Dchasqui.library.path=" + System.getProperty("chasqui.library.path"),
                "-cp", System.getProperty("java.class.path"), Main.class.getName(), "chat", "--temp", "0", "-c", "4096", "--history", folder.resolve("history").toString());
        Path start = Files.writeString(folder.resolve("start.sh"), "exec '" + String.join("' '", command) + "'\n");
        ProcessBuilder builder = new ProcessBuilder("/usr/bin/script", "-qec", "sh " + start, "/dev/null").redirectErrorStream(true);
        builder.environment().put("TERM", "xterm");
        script = builder.start();
        Thread.ofPlatform().daemon().start(() -> {
            byte[] buffer = new byte[4096];
            try {
                for (int n = script.getInputStream().read(buffer); n >= 0; n = script.getInputStream().read(buffer)) {
                    screen.append(new String(buffer, 0, n, StandardCharsets.UTF_8));
                }
            } catch (IOException e) {
                screen.append(e);
            }
        });
        typed = new TypedChat(script.getOutputStream(), screen::toString);
        typed.waitFor(PROMPT);
    }

    @AfterEach
    void end() {
        if (script != null) {
            script.descendants().forEach(ProcessHandle::destroyForcibly);
            script.destroyForcibly();
        }
    }

    @Test
    void ctrlCStopsAnswersAndPromptsAndCtrlDLeaves() throws IOException, InterruptedException {
        typed.type("Tell me a very long story.\r");
        typed.waitFor(END_OF_LINE);
        typed.waitForMore();
        typed.type(CTRL_C);
        typed.waitFor("(stopped)");
        typed.waitFor(PROMPT);
        typed.paste("the river ".repeat(1700));
        typed.type("\r");
        typed.waitFor("reading 3,"); // so many thousand tokens, which take seconds
        typed.type(CTRL_C);
        typed.waitFor("(stopped before the answer began");
        typed.waitFor(PROMPT);
        typed.type(CTRL_C);
        typed.waitFor("Ctrl-D leaves");
        typed.type("/json {\"enum\": [17]}\r");
        typed.waitFor("follow the schema");
        typed.type("A number\r");
        typed.waitFor("17");
        typed.waitFor(PROMPT);
        typed.type(CTRL_D);
        assertThat(script.waitFor(60, TimeUnit.SECONDS)).isTrue();
        // on some machines the last Ctrl-C is seen twice, as a key and as a signal
        assertThat(script.exitValue()).as(screen.toString()).isIn(0, Interrupt.EXIT_STATUS);
    }
}
