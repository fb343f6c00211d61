package dev.chasqui.examples.swingchat.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class DownloadsTest {

    private static final Path MODEL = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm/tiny-text.gguf");

    @TempDir
    Path folder;

    /// What a download says, in order.
    private static final class Heard implements Downloads.Listener {

        final BlockingQueue<String> ends = new LinkedBlockingQueue<>();
        volatile long done;

        @Override
        public void progress(long bytes, long total, String source) {
            done = bytes;
        }

        @Override
        public void finished(Path file) {
            ends.add("finished " + file.getFileName());
        }

        @Override
        public void cancelled() {
            ends.add("cancelled");
        }

        @Override
        public void failed(Throwable reason) {
            ends.add("failed " + reason);
        }
    }

    @Test
    void aDownloadIsStoppedAndGoesOnLater() throws Exception {
        try (ModelServer server = new ModelServer(MODEL)) {
            Downloads downloads = new Downloads(server.store(folder));
            Heard first = new Heard();
            downloads.start(ModelServer.NAME, first);
            while (first.done == 0) {
                Thread.sleep(5);
            }
            assertThat(downloads.isRunning(ModelServer.NAME)).isTrue();
            downloads.cancel(ModelServer.NAME);
            assertThat(first.ends.take()).isEqualTo("cancelled");
            assertThat(downloads.isRunning(ModelServer.NAME)).isFalse();

            server.goOn();
            Heard second = new Heard();
            downloads.start(ModelServer.NAME, second);
            assertThat(second.ends.take()).isEqualTo("finished small.gguf");
            assertThat(folder.resolve("small/small.gguf")).hasSameBinaryContentAs(MODEL);
            assertThat(first.ends).isEmpty();
        }
    }

    @Test
    void theLastListenerHearsOfADownloadThatRuns() throws Exception {
        try (ModelServer server = new ModelServer(MODEL)) {
            Downloads downloads = new Downloads(server.store(folder));
            Heard first = new Heard();
            Heard second = new Heard();
            downloads.start(ModelServer.NAME, first);
            downloads.start(ModelServer.NAME, second);
            server.goOn();
            assertThat(second.ends.take()).startsWith("finished");
            assertThat(first.ends).isEmpty();
        }
    }

    @Test
    void anUnknownModelFails() throws Exception {
        Heard heard = new Heard();
        try (ModelServer server = new ModelServer(MODEL)) {
            new Downloads(server.store(folder)).start("unknown", heard);
            assertThat(heard.ends.take()).startsWith("failed").contains("unknown");
        }
    }

    @Test
    void theEndOfTheProgramEndsDownloads() throws Exception {
        try (ModelServer server = new ModelServer(MODEL)) {
            Downloads downloads = new Downloads(server.store(folder));
            Heard heard = new Heard();
            downloads.start(ModelServer.NAME, heard);
            downloads.cancelAll();
            assertThat(heard.ends.take()).isEqualTo("cancelled");
        }
    }
}
