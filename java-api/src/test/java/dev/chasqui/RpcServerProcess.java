package dev.chasqui;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Path;
import java.util.List;

/// An RPC server on the loopback interface, as a process of its own that can be killed.
final class RpcServerProcess implements AutoCloseable {

    private final int port = freePort();
    private Process process;

    RpcServerProcess() {
        start();
    }

    /// What the process runs.
    static final class Main {
        public static void main(String[] arguments) {
            RpcServer.serve(RpcServer.Options.defaults().withPort(Integer.parseInt(arguments[0])).withThreads(1));
        }
    }

    /// Starts it (again) and waits until it listens.
    void start() {
        List<String> command = List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED", "-Dchasqui.library.path=" + System.getProperty("chasqui.library.path"),
                "-cp", System.getProperty("java.class.path"), Main.class.getName(), Integer.toString(port));
        try {
            process = new ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD).redirectError(ProcessBuilder.Redirect.INHERIT).start();
            Runtime.getRuntime().addShutdownHook(new Thread(process::destroyForcibly));
            while (!listens()) {
                if (!process.isAlive()) {
                    throw new IllegalStateException("the server ended with status " + process.exitValue());
                }
                Thread.sleep(20);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    private boolean listens() {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
            return true;
        } catch (IOException e) {
            return false;
        }
    }

    String address() {
        return "127.0.0.1:" + port;
    }

    int port() {
        return port;
    }

    void kill() {
        process.destroyForcibly();
        try {
            process.waitFor();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        kill();
    }

    static int freePort() {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return socket.getLocalPort();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}
