package dev.chasqui.cli;

import java.io.Console;

/// Whether somebody is watching.
final class Terminal {

    private Terminal() {
    }

    /// The launcher knows for sure and says so in a property; without it the console must do.
    static boolean stderrIsTerminal() {
        String told = System.getProperty("chasqui.stderr.terminal");
        if (told != null) {
            return Boolean.parseBoolean(told);
        }
        return consoleIsTerminal();
    }

    /// Whether somebody types and reads on a terminal that can move its cursor.
    static boolean isInteractive() {
        return consoleIsTerminal() && !"dumb".equals(System.getenv("TERM"));
    }

    private static boolean consoleIsTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }
}
