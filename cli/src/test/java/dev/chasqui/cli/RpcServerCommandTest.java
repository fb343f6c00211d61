package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/// The server as people start it, and a model on it.
@DisabledOnOs(OS.WINDOWS)
@Timeout(120)
class RpcServerCommandTest {

    @TempDir
    Path directory;

    @Test
    void layersOfARunAreOnTheServerAndCtrlCEndsIt() throws IOException, InterruptedException {
        int port = freePort();
        Path cache = directory.resolve("cache");
        Process server = start("--port", Integer.toString(port), "-t", "1", "--cache", cache.toString());
        try {
            await(server, port);
            String[] run = {"run", "--json", "--temp", "0", "-n", "12", "--raw", "--kernels", "off", "--speculation", "off"};
            Map<String, Object> here = Cli.run(with(run, "The capital of Peru is")).json().getFirst();
            for (int i = 0; i < 2; i++) { // the second time the large weights come out of the cache
                Cli there = Cli.run(with(run, "--rpc", "127.0.0.1:" + port, "The capital of Peru is"));
                assertThat(there.status()).as(there.err()).isZero();
                assertThat(there.json().getFirst()).containsEntry("text", here.get("text"));
            }
            try (Stream<Path> kept = Files.list(cache)) {
                assertThat(kept).isNotEmpty();
            }
            Cli twice = Cli.run("rpc-server", "--port", Integer.toString(port));
            assertThat(twice.status()).isEqualTo(1);
            assertThat(twice.err().lines()).singleElement().asString().contains("127.0.0.1:" + port, "in use");
        } finally {
            new ProcessBuilder("kill", "-INT", Long.toString(server.pid())).start().waitFor();
        }
        assertThat(server.waitFor(10, TimeUnit.SECONDS)).isTrue();
        assertThat(server.exitValue()).isEqualTo(Interrupt.EXIT_STATUS);
        assertThat(new String(server.getErrorStream().readAllBytes(), StandardCharsets.UTF_8)).isEmpty();
    }

    @Test
    void whoeverListensToOthersIsWarned() {
        Cli other = Cli.run("rpc-server", "--host", "192.0.2.1"); // of no machine, so that nothing is opened
        assertThat(other.status()).isEqualTo(1);
        assertThat(other.err()).contains("private network", "cannot listen on 192.0.2.1:50052");
        assertThat(Cli.run("rpc-server", "--help").out()).contains("--host", "--port", "--threads", "--cache", "private network");
    }

    @Test
    void wrongAddressesAreNamed() {
        assertThat(Cli.run("rpc-server", "--port", "70000").err()).contains("70000");
        assertThat(Cli.run("rpc-server", "--port", "x").status()).isEqualTo(2);
        Cli nobody = Cli.run("run", "--rpc", "127.0.0.1:1", "-n", "1", "x");
        assertThat(nobody.status()).isEqualTo(1);
        assertThat(nobody.err()).contains("127.0.0.1:1", "refused");
    }

    private static Process start(String... args) throws IOException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("--enable-native-access=ALL-UNNAMED");
        command.add("-Dchasqui.library.path=" + System.getProperty("chasqui.library.path"));
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName(), "rpc-server"));
        command.addAll(List.of(args));
        return new ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD).start();
    }

    private static void await(Process server, int port) throws IOException, InterruptedException {
        while (true) {
            try (Socket _ = new Socket(InetAddress.getLoopbackAddress(), port)) {
                return;
            } catch (IOException notYet) {
                if (!server.isAlive()) {
                    try (BufferedReader errors = server.errorReader()) {
                        throw new AssertionError("the server ended: " + errors.lines().toList());
                    }
                }
                Thread.sleep(20);
            }
        }
    }

    private static String[] with(String[] args, String... more) {
        return Stream.concat(Stream.of(args), Stream.of(more)).toArray(String[]::new);
    }

    private static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        }
    }
}
