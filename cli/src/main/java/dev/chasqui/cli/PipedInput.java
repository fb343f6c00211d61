package dev.chasqui.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/// Lines of a file or a pipe. Nobody is there to stop an answer.
final class PipedInput implements ChatInput {

    private final BufferedReader lines;

    PipedInput(InputStream in) {
        lines = new BufferedReader(new InputStreamReader(in, StandardCharsets.UTF_8));
    }

    @Override
    public @Nullable String read() {
        try {
            String line = lines.readLine();
            while (line != null && ChatLine.goesOn(line)) {
                String more = lines.readLine();
                if (more == null) {
                    break;
                }
                line += "\n" + more;
            }
            return line;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Override
    public boolean during(Runnable stop, BooleanSupplier work) {
        return work.getAsBoolean();
    }

    @Override
    public void close() {
        // the standard input is not ours
    }
}
