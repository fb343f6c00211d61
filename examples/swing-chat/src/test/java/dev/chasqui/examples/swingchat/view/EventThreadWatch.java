package dev.chasqui.examples.swingchat.view;

import java.awt.AWTEvent;
import java.awt.EventQueue;
import java.awt.Toolkit;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;

/// Finds out whether the event thread was kept from its work. Other programs may hold the processor for as long as they like, so wall-clock time says
/// nothing here: it counts the processor time of each event, and how long an event was seen to wait for something.
final class EventThreadWatch extends EventQueue implements AutoCloseable {

    private static final ThreadMXBean THREADS = ManagementFactory.getThreadMXBean();
    private static final long LOOK_MILLIS = 5;

    private final Thread watcher = Thread.ofPlatform().daemon().name("event-thread-watch").unstarted(this::watch);
    private volatile boolean open = true;
    private volatile Thread eventThread;
    private volatile long event; // 0 = none is at work
    private long numbers;
    private int nested;
    private long slowestNanos;
    private String slowest = "";
    private int events;
    private volatile long waitedMillis;
    private volatile String waited = "";

    static EventThreadWatch start() {
        EventThreadWatch watch = new EventThreadWatch();
        Toolkit.getDefaultToolkit().getSystemEventQueue().push(watch);
        watch.watcher.start();
        return watch;
    }

    @Override
    protected void dispatchEvent(AWTEvent next) {
        if (nested > 0) { // a dialog has a loop of its own
            super.dispatchEvent(next);
            return;
        }
        nested++;
        eventThread = Thread.currentThread();
        event = ++numbers;
        long before = THREADS.getCurrentThreadCpuTime();
        try {
            super.dispatchEvent(next);
        } finally {
            long nanos = THREADS.getCurrentThreadCpuTime() - before;
            event = 0;
            nested--;
            events++;
            if (nanos > slowestNanos) {
                slowestNanos = nanos;
                slowest = next.toString();
            }
        }
    }

    /// Milliseconds of processor time of the slowest event; to be called on the event thread.
    long slowestMillis() {
        return slowestNanos / 1_000_000;
    }

    int events() {
        return events;
    }

    /// Milliseconds that an event was seen to wait for a lock, for another thread or for a moment to pass.
    long waitedMillis() {
        return waitedMillis;
    }

    String describe() {
        return "slowest: " + slowest + ", waited: " + waited;
    }

    private void watch() {
        long seen = 0;
        int looks = 0;
        while (open) {
            long now = event;
            Thread thread = eventThread;
            boolean waits = now != 0 && thread != null && switch (thread.getState()) {
                case BLOCKED, WAITING, TIMED_WAITING -> true;
                default -> false;
            };
            looks = waits && now == seen ? looks + 1 : 0;
            seen = now;
            if (looks * LOOK_MILLIS > waitedMillis) {
                waitedMillis = looks * LOOK_MILLIS;
                StackTraceElement[] stack = thread.getStackTrace();
                waited = String.join("\n  ", java.util.Arrays.stream(stack).map(String::valueOf).limit(20).toList());
            }
            try {
                Thread.sleep(LOOK_MILLIS);
            } catch (InterruptedException e) {
                return;
            }
        }
    }

    @Override
    public void close() {
        open = false;
        Gui.run(this::pop);
    }
}
