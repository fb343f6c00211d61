package dev.chasqui.vision;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.Chasqui;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Averages each dropped token into the kept one that is nearest by cosine, after ToMe and VisionZip. Never done unless asked for: models were not
/// trained on such rows. Immutable.
///
/// A kept row with dropped ones becomes `(1 - weight)*row + weight*mean` of them. Breaks, and rows that are not finite, neither give nor take.
///
/// @param weight how much the dropped rows count, 0 to 0.5
public record TokenMerger(float weight) {

    /// @throws IllegalArgumentException for a number out of range
    public TokenMerger {
        if (!(weight >= 0 && weight <= 0.5f)) {
            throw new IllegalArgumentException("weight = %s is not in 0..0.5".formatted(weight));
        }
    }

    /// The kept rows, changed so; as long as the image's, in memory of their own.
    ///
    /// @param kept ascending numbers of rows
    /// @throws IllegalArgumentException for other numbers
    public ImageTokens merge(ImageTokens tokens, int[] kept) {
        Chasqui.load();
        MemorySegment out = Arena.ofAuto().allocate(ValueLayout.JAVA_FLOAT, Math.max((long) kept.length * tokens.stride(), 1));
        try (Arena arena = Arena.ofConfined()) {
            Calls.check(chq_merge_rows(
                    tokens.rows(), Calls.info(arena, tokens, null), Calls.ints(arena, kept), kept.length, weight, out, tokens.stride()));
        }
        return ImageTokens.of(out, kept.length, tokens.stride(), tokens.width());
    }
}
