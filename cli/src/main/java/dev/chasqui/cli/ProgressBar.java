package dev.chasqui.cli;

import java.io.PrintStream;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/// One line of progress on a terminal that disappears when it is done; nothing at all elsewhere.
final class ProgressBar implements AutoCloseable {

    private static final int WIDTH = 30;
    private static final long QUIET_NANOS = 300_000_000L;
    private static final long REDRAW_NANOS = 100_000_000L;

    private final @Nullable PrintStream out;
    private final long startedAt = System.nanoTime();
    private long drawnAt;

    private ProgressBar(@Nullable PrintStream out) {
        this.out = out;
    }

    static ProgressBar onStderr() {
        return new ProgressBar(Terminal.stderrIsTerminal() ? System.err : null);
    }

    void fraction(String what, double fraction) {
        draw(what, fraction, "");
    }

    void bytes(String what, long done, long total) {
        String amount = total > 0 ? "%s of %s".formatted(Bytes.text(done), Bytes.text(total)) : Bytes.text(done);
        draw(what, total > 0 ? (double) done / total : 0, amount);
    }

    /// A line that stays, above the bar.
    void message(String text) {
        close();
        System.err.println(text);
    }

    @Override
    public void close() {
        if (out != null && drawnAt != 0) {
            out.print("\r\u001b[K");
            out.flush();
        }
    }

    /// What is done within a third of a second does not flicker.
    private void draw(String what, double fraction, String amount) {
        long now = System.nanoTime();
        if (out == null || now - startedAt < QUIET_NANOS || now - drawnAt < REDRAW_NANOS) {
            return;
        }
        drawnAt = now;
        int full = (int) Math.round(Math.clamp(fraction, 0, 1) * WIDTH);
        out.printf(Locale.ROOT, "\r\u001b[K%s [%s%s] %3.0f%% %s", what, "#".repeat(full), " ".repeat(WIDTH - full),
                fraction * 100, amount);
        out.flush();
    }
}
