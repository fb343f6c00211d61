package dev.chasqui.cli;

import dev.chasqui.ChatAnswer;
import dev.chasqui.PromptProgress;

/// Shows how far the prompt of an answer is, until it is closed.
final class PrefillWatch implements AutoCloseable {

    private static final long EVERY_MILLIS = 100;

    private final Thread thread;

    PrefillWatch(ChatAnswer answer, ChatView view) {
        thread = Thread.ofPlatform().daemon().name("prefill-watch").start(() -> {
            try {
                while (true) {
                    Thread.sleep(EVERY_MILLIS);
                    PromptProgress progress = answer.promptProgress();
                    if (progress.total() > 0) {
                        view.reading(progress);
                    }
                }
            } catch (InterruptedException closed) {
                // the answer has begun
            }
        });
    }

    /// Afterwards nothing more is shown. Idempotent.
    void end() {
        thread.interrupt();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    @Override
    public void close() {
        end();
    }
}
