package dev.chasqui.vision;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.Chasqui;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// Pools the frames of a video block by block: what HICom (arXiv 2503.16036) does, as far as it needs no training. Models were not trained on such
/// rows. Immutable.
///
/// A block becomes the mean of its rows, weighted by the softmax of `sharpness` times each row's largest cosine to the question; without a question
/// the plain mean. Blocks are equally spaced, and overlap where the video is no multiple of them.
///
/// @param frames    frames of a block, at least 1
/// @param side      rows and columns of a block, at least 1
/// @param sharpness 0 to 1000
public record BlockPooling(int frames, int side, float sharpness) {

    /// @throws IllegalArgumentException for a number out of range
    public BlockPooling {
        if (frames < 1 || side < 1) {
            throw new IllegalArgumentException("blocks of %d frames and side %d".formatted(frames, side));
        }
        if (!(sharpness >= 0 && sharpness <= 1000)) {
            throw new IllegalArgumentException("sharpness = %s is not in 0..1000".formatted(sharpness));
        }
    }

    /// The pooled rows, as frames of a smaller grid one after the other, in memory of their own.
    ///
    /// @param tokens     all frames, one after the other, each with the grid of the tokens
    /// @param frameCount how many frames there are
    /// @throws IllegalArgumentException if the rows are not so many frames, or hold breaks
    public ImageTokens pool(ImageTokens tokens, int frameCount) {
        Chasqui.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment info = Calls.info(arena, tokens, null);
            MemorySegment count = arena.allocate(ValueLayout.JAVA_INT);
            Calls.check(chq_pool_blocks(tokens.rows(), info, frameCount, frames, side, sharpness, MemorySegment.NULL, 0, count));
            int rows = count.get(ValueLayout.JAVA_INT, 0);
            MemorySegment out = Arena.ofAuto().allocate(ValueLayout.JAVA_FLOAT, (long) rows * tokens.stride());
            Calls.check(chq_pool_blocks(tokens.rows(), info, frameCount, frames, side, sharpness, out, tokens.stride(), count));
            return ImageTokens.of(out, rows, tokens.stride(), tokens.width()).withGrid(blocks(tokens.gridWidth()), blocks(tokens.gridHeight()));
        }
    }

    private int blocks(int length) {
        int size = Math.min(length, side);
        return (length + size - 1) / size;
    }
}
