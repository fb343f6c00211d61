package dev.chasqui.models;

import dev.chasqui.CancelledException;

/// Passes progress on to a listener, not too often, and turns its "no" and interrupts into [CancelledException]. Confined to
/// the downloading thread.
final class Progress {

    private static final long INTERVAL_NANOS = 100_000_000;

    private final ProgressListener listener;
    private final String model;
    private final long total;
    private long finishedFiles;
    private long done;
    private String source = "";
    private long lastReport;

    Progress(ProgressListener listener, String model, long total) {
        this.listener = listener;
        this.model = model;
        this.total = total;
        this.lastReport = System.nanoTime() - INTERVAL_NANOS;
    }

    void message(String text) {
        listener.message(model + ": " + text);
    }

    void source(String description) {
        source = description;
        report();
    }

    /// @param bytes bytes of the current file that are here
    void at(long bytes) {
        done = bytes;
        heartbeat();
    }

    /// Gives the listener its chance to cancel while nothing arrives.
    void heartbeat() {
        if (Thread.currentThread().isInterrupted()) {
            throw new CancelledException("download of " + model + " was interrupted");
        }
        if (System.nanoTime() - lastReport >= INTERVAL_NANOS) {
            report();
        }
    }

    void fileFinished(long bytes) {
        finishedFiles += bytes;
        done = 0;
        report();
    }

    /// An interrupt that arrived as an exception.
    CancelledException interrupted() {
        Thread.currentThread().interrupt();
        return new CancelledException("download of " + model + " was interrupted");
    }

    private void report() {
        lastReport = System.nanoTime();
        if (!listener.progress(finishedFiles + done, total, source)) {
            throw new CancelledException("download of " + model + " was stopped");
        }
    }
}
