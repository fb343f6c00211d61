package dev.chasqui.examples.swingchat.app;

import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executor;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.BooleanSupplier;

/// In the place of the event thread, where there is no window.
final class UiThread implements Executor, AutoCloseable {

    private static final long PATIENCE_NANOS = 600_000_000_000L;

    private final ExecutorService thread = Executors.newSingleThreadExecutor();

    @Override
    public void execute(Runnable work) {
        thread.execute(work);
    }

    <T> T on(Callable<T> work) {
        try {
            return thread.submit(work).get();
        } catch (InterruptedException | ExecutionException e) {
            throw new AssertionError(e);
        }
    }

    void run(Runnable work) {
        on(() -> {
            work.run();
            return null;
        });
    }

    void waitFor(String what, BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + PATIENCE_NANOS;
        while (!on(condition::getAsBoolean)) {
            if (System.nanoTime() > end) {
                throw new AssertionError("waited too long for: " + what);
            }
            Thread.sleep(5);
        }
    }

    @Override
    public void close() {
        thread.close();
    }
}
