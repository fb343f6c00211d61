package dev.chasqui.vision;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.InsufficientMemoryException;
import dev.chasqui.NativeAbortException;
import dev.chasqui.bindings.chq_rows_info;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jspecify.annotations.Nullable;

/// How this package calls native functions.
final class Calls {

    private Calls() {
    }

    /// @throws IllegalArgumentException    for what the native side refuses
    /// @throws InsufficientMemoryException if it would need more memory than there is
    static void check(int status) {
        if (status == CHQ_STATUS_OK()) {
            return;
        }
        String message = chq_last_error().getString(0);
        if (status == CHQ_STATUS_ARGUMENT()) {
            throw new IllegalArgumentException(message);
        } else if (status == CHQ_STATUS_MEMORY()) {
            throw new InsufficientMemoryException(message);
        }
        throw new NativeAbortException(message);
    }

    /// What is known of the rows, copied into the arena; importance in place of the tokens' own if there is one. The rows themselves are handed to
    /// native functions as an argument, which keeps their memory from being closed meanwhile.
    static MemorySegment info(Arena arena, ImageTokens tokens, float @Nullable [] importance) {
        MemorySegment image = arena.allocate(chq_rows_info.layout());
        chq_rows_info.stride(image, tokens.stride());
        chq_rows_info.n(image, tokens.count());
        chq_rows_info.dim(image, tokens.width());
        chq_rows_info.grid_width(image, tokens.gridWidth());
        chq_rows_info.grid_height(image, tokens.gridHeight());
        chq_rows_info.marks(image, marks(arena, tokens));
        chq_rows_info.importance(image, floats(arena, importance == null ? tokens.importanceOrNull() : importance));
        chq_rows_info.text(image, floats(arena, tokens.questionOrNull()));
        chq_rows_info.text_stride(image, tokens.width());
        chq_rows_info.n_text(image, tokens.questionCount());
        chq_rows_info.vocab_mean(image, floats(arena, tokens.vocabularyMeanOrNull()));
        return image;
    }

    static MemorySegment marks(Arena arena, ImageTokens tokens) {
        MemorySegment marks = arena.allocate(Math.max(tokens.count(), 1));
        tokens.forced().stream().forEach(i -> mark(marks, i, CHQ_ROW_FORCE()));
        tokens.breaks().stream().forEach(i -> mark(marks, i, CHQ_ROW_BREAK()));
        return marks;
    }

    private static void mark(MemorySegment marks, int row, int bit) {
        marks.set(ValueLayout.JAVA_BYTE, row, (byte) (marks.get(ValueLayout.JAVA_BYTE, row) | bit));
    }

    static MemorySegment floats(Arena arena, float @Nullable [] values) {
        return values == null ? MemorySegment.NULL : arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
    }

    static MemorySegment ints(Arena arena, int[] values) {
        return arena.allocateFrom(ValueLayout.JAVA_INT, values);
    }
}
