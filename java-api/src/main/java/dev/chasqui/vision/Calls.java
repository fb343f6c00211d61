package dev.chasqui.vision;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.InsufficientMemoryException;
import dev.chasqui.NativeAbortException;
import dev.chasqui.bindings.chq_image_rows;
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

    /// A `chq_image_rows` with copies of what is small; importance in place of the tokens' own if there is one.
    static MemorySegment image(Arena arena, ImageTokens tokens, float @Nullable [] importance) {
        MemorySegment image = arena.allocate(chq_image_rows.layout());
        chq_image_rows.rows(image, tokens.rows());
        chq_image_rows.stride(image, tokens.stride());
        chq_image_rows.n(image, tokens.count());
        chq_image_rows.dim(image, tokens.width());
        chq_image_rows.grid_width(image, tokens.gridWidth());
        chq_image_rows.grid_height(image, tokens.gridHeight());
        chq_image_rows.marks(image, marks(arena, tokens));
        chq_image_rows.importance(image, floats(arena, importance == null ? tokens.importanceOrNull() : importance));
        chq_image_rows.text(image, tokens.question());
        chq_image_rows.text_stride(image, tokens.questionStride());
        chq_image_rows.n_text(image, tokens.questionCount());
        chq_image_rows.vocab_mean(image, floats(arena, tokens.vocabularyMeanOrNull()));
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
