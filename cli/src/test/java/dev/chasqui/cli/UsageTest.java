package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// What people see who ask for help or make a mistake.
class UsageTest {

    @TempDir
    Path directory;

    @Test
    void helpListsEveryCommand() {
        Cli help = Cli.run("--help");
        assertThat(help.status()).isZero();
        assertThat(help.err()).isEmpty();
        assertThat(help.out()).contains("run", "chat", "bench", "perplexity", "tokenize", "gguf", "models", "info", "rpc-server", "Examples:");
    }

    @ParameterizedTest
    @ValueSource(strings = {"run", "bench", "perplexity", "embed", "rerank", "tokenize", "gguf", "quantize", "models", "info"})
    void everyCommandHasHelpAndJson(String command) {
        Cli help = Cli.run(command, "--help");
        assertThat(help.status()).isZero();
        assertThat(help.err()).isEmpty();
        assertThat(help.out()).startsWith("Usage: chasqui " + command).contains("--json");
    }

    @ParameterizedTest
    @ValueSource(strings = {"run", "chat", "bench", "perplexity"})
    void whatLoadsWeightsTakesKernels(String command) {
        assertThat(Cli.run(command, "--help").out()).contains("--kernels=auto|on|off", "--packed-cache");
    }

    @Test
    void theVersionNamesBothParts() {
        assertThat(Cli.run("--version").out()).contains("chasqui", "llama.cpp");
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "nonsense", "run", "run --nonsense x", "run -n many x", "perplexity", "bench -o xml", "run --kernels fast x", "bench --kernels", "models pull"})
    void usageErrorsEndWithTwo(String line) {
        Cli wrong = Cli.run(line.isEmpty() ? new String[0] : line.split(" "));
        assertThat(wrong.status()).isEqualTo(2);
        assertThat(wrong.out()).isEmpty();
        assertThat(wrong.err()).containsAnyOf("Usage: chasqui", "Did you mean: chasqui").doesNotContain("\tat ");
    }

    @Test
    void anUnknownModelIsNamedWithTheKnownOnes() {
        Cli wrong = Cli.run("run", "-m", "no-such-model", "hello");
        assertThat(wrong.status()).isEqualTo(1);
        assertThat(wrong.err().lines()).hasSize(1).first().asString()
                .startsWith("chasqui: ").contains("no-such-model", "smollm2-135m");
    }

    @Test
    void aFileThatIsNoModelIsRefusedInOneLine() throws IOException {
        Path file = Files.writeString(directory.resolve("poem.gguf"), "Roses are red");
        for (String command : new String[] {"gguf", "tokenize", "run"}) {
            Cli wrong = command.equals("gguf") ? Cli.run(command, "-m", file.toString()) : Cli.run(command, "-m", file.toString(), "hello");
            assertThat(wrong.status()).as(command).isEqualTo(1);
            assertThat(wrong.out()).as(command).isEmpty();
            assertThat(wrong.err().lines()).as(command).hasSize(1).first().asString().startsWith("chasqui: ").contains("poem.gguf");
        }
    }

    @Test
    void debugPrintsTheStackTrace() throws IOException {
        Path file = Files.writeString(directory.resolve("poem.gguf"), "Roses are red");
        assertThat(Cli.run("gguf", "--debug", "-m", file.toString()).err()).contains("Exception", "\tat dev.chasqui");
    }

    @Test
    void aMissingTextIsNamed() {
        Cli wrong = Cli.run("perplexity", "-f", directory.resolve("none.txt").toString());
        assertThat(wrong.status()).isEqualTo(1);
        assertThat(wrong.err()).contains("no such file", "none.txt").doesNotContain("\tat ");
    }
}
