package dev.chasqui.cli;

import dev.chasqui.PromptProgress;
import java.io.PrintWriter;

/// A chat as text. On a terminal reasoning and notes are dimmed. Elsewhere the standard output has what the model says and nothing else.
final class TextView implements ChatView {

    private static final String DIM = "\u001b[2m";
    private static final String RED = "\u001b[31m";
    private static final String PLAIN = "\u001b[0m";

    private final PrintWriter out;
    private final PrintWriter err;
    private final boolean terminal;
    private ProgressBar bar = ProgressBar.onStderr();
    private boolean thinking;
    private boolean lineOpen;

    private TextView(PrintWriter out, PrintWriter err, boolean terminal) {
        this.out = out;
        this.err = err;
        this.terminal = terminal;
    }

    static TextView onTerminal(PrintWriter out) {
        return new TextView(out, out, true);
    }

    static TextView plain(PrintWriter out, PrintWriter err) {
        return new TextView(out, err, false);
    }

    @Override
    public void begin() {
        bar = ProgressBar.onStderr();
    }

    @Override
    public void reading(PromptProgress progress) {
        bar.fraction("reading %,d tokens".formatted(progress.total()), (double) progress.computed() / progress.total());
    }

    @Override
    public void reasoning(String text) {
        bar.close();
        if (!thinking && terminal) {
            err.print(DIM);
        }
        thinking = true;
        print(err, text);
    }

    @Override
    public void content(String text) {
        bar.close();
        endThinking();
        print(out, text);
    }

    @Override
    public void end() {
        bar.close();
        endThinking();
        endLine(out);
        out.flush();
    }

    @Override
    public void note(String text) {
        message(DIM, text);
    }

    @Override
    public void error(String text) {
        message(RED, "chasqui: " + text);
    }

    private void message(String colour, String text) {
        endLine(out);
        out.flush();
        err.println(terminal ? colour + text + PLAIN : text);
        err.flush();
    }

    private void endThinking() {
        if (thinking) {
            endLine(err);
            err.println(terminal ? PLAIN : "");
            err.flush();
            thinking = false;
        }
    }

    private void endLine(PrintWriter writer) {
        if (lineOpen) {
            writer.println();
            lineOpen = false;
        }
    }

    private void print(PrintWriter writer, String text) {
        String shown = terminal ? harmless(text) : text;
        if (!shown.isEmpty()) {
            writer.print(shown);
            writer.flush();
            lineOpen = !shown.endsWith("\n");
        }
    }

    /// What a model writes must not move the cursor.
    private static String harmless(String text) {
        return text.codePoints().filter(c -> c == '\n' || c == '\t' || !Character.isISOControl(c))
                .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append).toString();
    }
}
