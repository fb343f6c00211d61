package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

/// Ctrl-C, which needs a process.
@DisabledOnOs(OS.WINDOWS)
@Timeout(120)
class InterruptTest {

    @Test
    void anAnswerStopsAndWhatWasSaidStays() throws IOException, InterruptedException {
        Process process = start("run", "--raw", "--temp", "0", "-n", "8000", "Once upon a time");
        InputStream out = process.getInputStream();
        String begin = new String(out.readNBytes(20), StandardCharsets.UTF_8);
        interrupt(process);
        String rest = new String(out.readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor(10, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(Interrupt.EXIT_STATUS);
        assertThat(begin).isNotBlank();
        assertThat(rest).endsWith("\n");
        assertThat(new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8)).isEmpty();
    }

    @Test
    void aPrefillStops() throws IOException, InterruptedException {
        Process process = start("run", "--raw", "--temp", "0", "-n", "8", "the river ".repeat(3_000));
        TimeUnit.SECONDS.sleep(3); // 6,000 tokens take longer
        assertThat(process.isAlive()).isTrue();
        interrupt(process);
        assertThat(process.waitFor(5, TimeUnit.SECONDS)).isTrue();
        assertThat(process.exitValue()).isEqualTo(Interrupt.EXIT_STATUS);
    }

    private static void interrupt(Process process) throws IOException, InterruptedException {
        new ProcessBuilder("kill", "-INT", Long.toString(process.pid())).start().waitFor();
    }

    private static Process start(String... args) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("-Dchasqui.library.path=" + System.getProperty("chasqui.library.path"));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
        command.addAll(List.of(args));
        return new ProcessBuilder(command).start();
    }
}
