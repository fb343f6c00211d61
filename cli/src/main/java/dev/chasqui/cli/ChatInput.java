package dev.chasqui.cli;

import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/// Where the lines of a chat come from.
interface ChatInput extends AutoCloseable {

    /// The next line, with those that it goes on in; "" if it was given up, null at the end.
    @Nullable String read();

    /// Works on a line, and lets the user stop that.
    ///
    /// @param stop called from another thread
    boolean during(Runnable stop, BooleanSupplier work);

    @Override
    void close();
}
