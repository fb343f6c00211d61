package dev.chasqui.examples.swingchat.app;

import java.io.IOException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/// The one thread that reads and writes the user's files, in the order in which it is asked to.
final class Disk {

    interface Work {
        void run() throws IOException;
    }

    private final ExecutorService thread = Executors.newSingleThreadExecutor(work -> Thread.ofPlatform().name("chat-disk").unstarted(work));
    private final Consumer<Throwable> onFailure;

    /// @param onFailure called on its thread
    Disk(Consumer<Throwable> onFailure) {
        this.onFailure = onFailure;
    }

    void run(Work work) {
        thread.execute(() -> {
            try {
                work.run();
            } catch (IOException | RuntimeException e) {
                onFailure.accept(e);
            }
        });
    }

    /// Waits until everything is written.
    void close() throws InterruptedException {
        thread.shutdown();
        thread.awaitTermination(1, TimeUnit.MINUTES);
    }
}
