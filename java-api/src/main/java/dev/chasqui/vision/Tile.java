package dev.chasqui.vision;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.Chasqui;
import dev.chasqui.bindings.chq_tile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/// A part of an image that is encoded by itself, beside a thumbnail of the whole. Its place is in fractions of the image's sides, from the top left.
///
/// @param rows tokens of the tile
public record Tile(float left, float top, float right, float bottom, int rows) {

    /// @throws IllegalArgumentException for a place that is not within the image, or empty
    public Tile {
        if (!(left >= 0 && left < right && right <= 1 && top >= 0 && top < bottom && bottom <= 1)) {
            throw new IllegalArgumentException("a tile from (%s, %s) to (%s, %s)".formatted(left, top, right, bottom));
        }
        if (rows < 0) {
            throw new IllegalArgumentException("a tile of %d rows".formatted(rows));
        }
    }

    /// The tile in a regular grid of tiles.
    ///
    /// @throws IllegalArgumentException if there is none
    public static Tile inGrid(int column, int row, int columns, int rows, int tokens) {
        if (column < 0 || column >= columns || row < 0 || row >= rows) {
            throw new IllegalArgumentException("tile (%d, %d) of %d x %d".formatted(column, row, columns, rows));
        }
        return new Tile((float) column / columns, (float) row / rows, (float) (column + 1) / columns, (float) (row + 1) / rows, tokens);
    }

    /// What a thumbnail says about this tile: its importance, enlarged bilinearly to the tile's own grid, to be added to the tile's own (GlobalCom²,
    /// arXiv 2501.05179).
    ///
    /// @param thumbnail importance of the thumbnail's cells `[thumbnailHeight, thumbnailWidth]`; what is negative or not finite counts as 0
    /// @return `[height, width]`
    /// @throws IllegalArgumentException if the lengths do not fit
    public float[] importance(float[] thumbnail, int thumbnailWidth, int thumbnailHeight, int width, int height) {
        TileBudget.checkGrid(thumbnail, thumbnailWidth, thumbnailHeight);
        if (width < 1 || height < 1 || (long) width * height > Integer.MAX_VALUE) {
            throw new IllegalArgumentException("a grid of %d x %d".formatted(width, height));
        }
        Chasqui.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment tile = arena.allocate(chq_tile.layout());
            write(tile);
            MemorySegment out = arena.allocate(ValueLayout.JAVA_FLOAT, (long) width * height);
            Calls.check(chq_tile_importance(Calls.floats(arena, thumbnail), thumbnailWidth, thumbnailHeight, tile, width, height, out));
            return out.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    void write(MemorySegment tile) {
        chq_tile.left(tile, left);
        chq_tile.top(tile, top);
        chq_tile.right(tile, right);
        chq_tile.bottom(tile, bottom);
        chq_tile.n_rows(tile, rows);
    }
}
