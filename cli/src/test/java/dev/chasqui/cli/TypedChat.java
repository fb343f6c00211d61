package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;

/// Somebody who types into a chat and reads what it shows.
final class TypedChat {

    private static final long PATIENCE_SECONDS = 90;

    private final OutputStream keys;
    private final Supplier<String> screen;
    private int seen;

    /// @param screen all that was shown so far
    TypedChat(OutputStream keys, Supplier<String> screen) {
        this.keys = keys;
        this.screen = screen;
    }

    void type(String text) throws IOException {
        keys.write(text.getBytes(StandardCharsets.UTF_8));
        keys.flush();
    }

    /// As a terminal hands over what is pasted: without a look at each character.
    void paste(String text) throws IOException {
        type("\u001b[200~" + text + "\u001b[201~");
    }

    /// Waits until something comes after what was waited for last.
    void waitForMore() throws InterruptedException {
        while (screen.get().substring(seen).isBlank()) {
            TimeUnit.MILLISECONDS.sleep(10);
        }
    }

    /// Waits for a text after the one that was waited for last.
    void waitFor(String text) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (true) {
            String shown = screen.get();
            int at = shown.indexOf(text, seen);
            if (at >= 0) {
                seen = at + text.length();
                return;
            }
            assertThat(System.nanoTime()).as("\"%s\" after %s", text, shown.substring(seen)).isLessThan(end);
            TimeUnit.MILLISECONDS.sleep(10);
        }
    }
}
