package dev.chasqui.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.EnumSet;
import java.util.List;
import java.util.function.BooleanSupplier;
import org.jline.keymap.KeyMap;
import org.jline.reader.Completer;
import org.jline.reader.EOFError;
import org.jline.reader.EndOfFileException;
import org.jline.reader.LineReader;
import org.jline.reader.LineReaderBuilder;
import org.jline.reader.ParsedLine;
import org.jline.reader.Reference;
import org.jline.reader.UserInterruptException;
import org.jline.reader.impl.DefaultParser;
import org.jline.terminal.Attributes;
import org.jline.terminal.Size;
import org.jline.terminal.Terminal;
import org.jline.terminal.TerminalBuilder;
import org.jline.utils.Signals;
import org.jspecify.annotations.Nullable;

/// Lines that somebody types: with editing, history, completion, several lines by a backslash at the end or Alt-Enter. Ctrl-C stops an answer, Ctrl-D ends the
/// chat.
final class TerminalInput implements ChatInput {

    private static final String PROMPT = "> ";
    private static final String NEWLINE = "chasqui-newline";

    private final Terminal terminal;
    private final LineReader reader;

    /// @param history where lines are kept for the next chat, null = nowhere
    TerminalInput(Terminal terminal, Completer completer, @Nullable Path history) throws IOException {
        this.terminal = terminal;
        reader = LineReaderBuilder.builder().terminal(terminal).parser(new Lines()).completer(completer)
                .option(LineReader.Option.DISABLE_EVENT_EXPANSION, true)
                .variable(LineReader.SECONDARY_PROMPT_PATTERN, "  ")
                .build();
        if (history != null) {
            reader.setVariable(LineReader.HISTORY_FILE, ownFile(history));
        }
        reader.getWidgets().put(NEWLINE, () -> {
            reader.getBuffer().write('\n');
            return true;
        });
        reader.getKeyMaps().get(LineReader.MAIN).bind(new Reference(NEWLINE), KeyMap.alt('\r'), KeyMap.alt('\n'));
    }

    /// The terminal of this process. JLine would hear of signals by a native handler that runs on whatever thread the signal hits, a computing one of ggml too; the
    /// JVM's own handlers have a thread for it.
    static TerminalInput ofSystem(Completer completer, Path history) throws IOException {
        Terminal terminal = TerminalBuilder.builder().system(true).dumb(false).nativeSignals(false).build();
        if (terminal.getSize().getColumns() == 0) { // some pseudo-terminals do not say how large they are
            terminal.setSize(Size.of(80, 24));
        }
        // until the process ends: Ctrl-C between the last line and the end is no reason to end otherwise
        for (Terminal.Signal signal : List.of(Terminal.Signal.INT, Terminal.Signal.WINCH, Terminal.Signal.CONT)) {
            Signals.register(signal.name(), () -> terminal.raise(signal));
        }
        return new TerminalInput(terminal, completer, history);
    }

    ChatView view() {
        return TextView.onTerminal(terminal.writer());
    }

    @Override
    public @Nullable String read() {
        Thread.interrupted(); // Ctrl-C that came too late for the last line
        try {
            return reader.readLine(PROMPT);
        } catch (UserInterruptException e) {
            if (e.getPartialLine().isEmpty()) {
                terminal.writer().println("(Ctrl-D leaves, /help lists the commands)");
            }
            return "";
        } catch (EndOfFileException e) {
            return null;
        }
    }

    /// What is typed meanwhile is not echoed into the answer; it comes with the next line.
    @Override
    public boolean during(Runnable stop, BooleanSupplier work) {
        Terminal.SignalHandler handler = terminal.handle(Terminal.Signal.INT, signal -> stop.run());
        Attributes before = terminal.getAttributes();
        Attributes silent = new Attributes(before);
        silent.setLocalFlags(EnumSet.of(Attributes.LocalFlag.ECHO, Attributes.LocalFlag.ICANON), false);
        silent.setLocalFlag(Attributes.LocalFlag.ISIG, true);
        terminal.setAttributes(silent);
        try {
            return work.getAsBoolean();
        } finally {
            terminal.setAttributes(before);
            terminal.handle(Terminal.Signal.INT, handler);
        }
    }

    @Override
    public void close() {
        try {
            terminal.close();
        } catch (IOException e) {
            // there is nothing left to do with it
        }
    }

    /// A file that only the user may read, where the file system knows of users.
    private static Path ownFile(Path file) throws IOException {
        if (!Files.exists(file)) {
            Files.createDirectories(file.toAbsolutePath().getParent());
            if (file.getFileSystem().supportedFileAttributeViews().contains("posix")) {
                Files.createFile(file, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------")));
            }
        }
        return file;
    }

    /// Words are what spaces separate, without quotes or escapes.
    private static final class Lines extends DefaultParser {

        Lines() {
            setQuoteChars(new char[0]);
            setEscapeChars(new char[0]);
        }

        @Override
        public ParsedLine parse(String line, int cursor, ParseContext context) {
            if (context == ParseContext.ACCEPT_LINE && ChatLine.goesOn(line)) {
                throw new EOFError(-1, -1, "the line goes on");
            }
            return super.parse(line, cursor, context);
        }
    }
}
