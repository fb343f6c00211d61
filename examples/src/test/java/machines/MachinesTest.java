package machines;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Timeout(120)
class MachinesTest {

    @Test
    void theAnswerComesFromTheOtherProcess() throws Exception {
        int port;
        try (ServerSocket free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            port = free.getLocalPort();
        }
        String address = "127.0.0.1:" + port;
        assertThat(Printed.by(() -> Machines.main(address))).startsWith("lost: ").contains(address);

        Process lender = lend(port);
        try {
            assertThat(Printed.by(() -> Machines.main(address))).contains("RPC0[" + address + "]: ", "MiB free", "the capital of the country of Peru");
        } finally {
            lender.destroyForcibly().waitFor();
        }
    }

    private static Process lend(int port) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(Path.of(System.getProperty("java.home"), "bin", "java").toString(), "--enable-native-access=ALL-UNNAMED",
                "-Dchasqui.library.path=" + System.getProperty("chasqui.library.path"), "-cp", System.getProperty("java.class.path"),
                Lend.class.getName(), "127.0.0.1", Integer.toString(port))
                .redirectOutput(ProcessBuilder.Redirect.DISCARD).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        while (process.isAlive()) {
            try (Socket _ = new Socket(InetAddress.getLoopbackAddress(), port)) {
                return process;
            } catch (IOException notYet) {
                Thread.sleep(20);
            }
        }
        throw new IllegalStateException("the lender ended with status " + process.exitValue());
    }
}
