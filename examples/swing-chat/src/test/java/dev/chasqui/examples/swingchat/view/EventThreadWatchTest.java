package dev.chasqui.examples.swingchat.view;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// The watch sees what it is there for.
@Tag("standalone")
class EventThreadWatchTest {

    @BeforeAll
    static void display() {
        VirtualDisplay.assume();
    }

    @Test
    void workOnTheEventThreadIsSeen() {
        try (EventThreadWatch watch = EventThreadWatch.start()) {
            Gui.run(() -> { });
            assertThat(Gui.on(watch::slowestMillis)).isLessThan(50);
            Gui.run(() -> {
                ThreadMXBean threads = ManagementFactory.getThreadMXBean();
                long begin = threads.getCurrentThreadCpuTime();
                while (threads.getCurrentThreadCpuTime() - begin < 100_000_000L) {
                    Thread.onSpinWait();
                }
            });
            assertThat(Gui.on(watch::slowestMillis)).isGreaterThan(50);
        }
    }

    @Test
    void waitingOnTheEventThreadIsSeen() {
        try (EventThreadWatch watch = EventThreadWatch.start()) {
            Gui.run(() -> {
                try {
                    Thread.sleep(400);
                } catch (InterruptedException e) {
                    throw new AssertionError(e);
                }
            });
            assertThat(watch.waitedMillis()).isGreaterThan(50);
            assertThat(watch.describe()).contains("Thread.sleep");
        }
    }
}
