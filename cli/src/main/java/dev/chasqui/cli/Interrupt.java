package dev.chasqui.cli;

import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.IntSupplier;

/// Ctrl-C stops an answer instead of killing the process in the middle of native work.
final class Interrupt {

    /// What shells expect of a program that SIGINT ended.
    static final int EXIT_STATUS = 130;

    private static final long PATIENCE_MILLIS = 2_000;

    private Interrupt() {
    }

    /// Runs the work; a shutdown meanwhile cancels it and waits until it has ended.
    static int during(Runnable cancel, IntSupplier work) {
        CountDownLatch ended = new CountDownLatch(1);
        Thread hook = new Thread(() -> {
            cancel.run();
            try {
                ended.await(PATIENCE_MILLIS, TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }, "interrupt");
        Runtime.getRuntime().addShutdownHook(hook);
        try {
            return work.getAsInt();
        } finally {
            ended.countDown();
            try {
                Runtime.getRuntime().removeShutdownHook(hook);
            } catch (IllegalStateException shuttingDown) {
                // The hook is running; it has been told that the work has ended.
            }
        }
    }
}
