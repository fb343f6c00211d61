package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Locale;

/// Fetches the lines that llama.cpp logged and hands them to the [System.Logger] `dev.chasqui.native`.
final class NativeLog {

    static final String PROPERTY = "chasqui.log";

    private static final System.Logger LOGGER = System.getLogger("dev.chasqui.native");
    private static final int LINE = 1024;

    private static volatile boolean on;

    private NativeLog() {
    }

    /// Silent unless the property says `error`, `warn`, `info` or `debug`.
    static void applyProperty() {
        String wish = System.getProperty(PROPERTY, "off");
        level(switch (wish.toLowerCase(Locale.ROOT)) {
            case "error" -> System.Logger.Level.ERROR;
            case "warn" -> System.Logger.Level.WARNING;
            case "info" -> System.Logger.Level.INFO;
            case "debug" -> System.Logger.Level.DEBUG;
            default -> System.Logger.Level.OFF;
        });
    }

    static void level(System.Logger.Level level) {
        int nativeLevel = switch (level) {
            case ALL, TRACE, DEBUG -> CHQ_LOG_DEBUG();
            case INFO -> CHQ_LOG_INFO();
            case WARNING -> CHQ_LOG_WARN();
            case ERROR -> CHQ_LOG_ERROR();
            case OFF -> CHQ_LOG_OFF();
        };
        Status.check(chq_log_set_level(nativeLevel));
        on = level != System.Logger.Level.OFF;
    }

    /// Called after each coarse native call; does nothing while the log is off.
    static void drain() {
        if (!on || chq_log_pending() == 0) {
            return;
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment level = arena.allocate(ValueLayout.JAVA_INT);
            MemorySegment lost = arena.allocate(ValueLayout.JAVA_LONG);
            MemorySegment text = arena.allocate(LINE);
            while (chq_log_take(level, text, LINE, lost) == CHQ_STATUS_OK()) {
                long missing = lost.get(ValueLayout.JAVA_LONG, 0);
                if (missing > 0) {
                    LOGGER.log(System.Logger.Level.WARNING, "{0} native log lines were lost", missing);
                }
                LOGGER.log(javaLevel(level.get(ValueLayout.JAVA_INT, 0)), text.getString(0));
            }
        }
    }

    private static System.Logger.Level javaLevel(int level) {
        if (level >= CHQ_LOG_ERROR()) {
            return System.Logger.Level.ERROR;
        } else if (level == CHQ_LOG_WARN()) {
            return System.Logger.Level.WARNING;
        } else if (level == CHQ_LOG_INFO()) {
            return System.Logger.Level.INFO;
        }
        return System.Logger.Level.DEBUG;
    }
}
