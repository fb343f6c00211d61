package dev.chasqui.vision;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.Chasqui;
import dev.chasqui.bindings.chq_tile;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;

/// How many tokens each tile of an image may keep, by what its thumbnail shows there: GlobalCom² (arXiv 2501.05179). Immutable.
///
/// A tile keeps the share `ratio*(1 + p - mean p)` of its tokens, where p is the softmax over the tiles of the thumbnail's importance under the tile,
/// divided by the temperature.
///
/// @param ratio       share of all tokens to keep, 0 to 1
/// @param temperature greater than 0; importance adds up over a tile's cells, so that the paper's 10 keeps shares of few tiles nearly equal where
///                    importance is attention, and 1 or less tells them apart
public record TileBudget(float ratio, float temperature) {

    /// @throws IllegalArgumentException for a number out of range
    public TileBudget {
        if (!(ratio >= 0 && ratio <= 1)) {
            throw new IllegalArgumentException("ratio = %s is not in 0..1".formatted(ratio));
        }
        if (!(temperature > 0) || Float.isInfinite(temperature)) {
            throw new IllegalArgumentException("temperature = " + temperature);
        }
    }

    /// With the paper's temperature of 10.
    public static TileBudget keeping(float ratio) {
        return new TileBudget(ratio, 10);
    }

    public TileBudget withTemperature(float value) {
        return new TileBudget(ratio, value);
    }

    /// The number of tokens to keep of each tile.
    ///
    /// @param thumbnail importance of the thumbnail's cells `[height, width]`; what is negative or not finite counts as 0
    /// @throws IllegalArgumentException if the lengths do not fit, or there is no tile
    public int[] split(float[] thumbnail, int width, int height, List<Tile> tiles) {
        checkGrid(thumbnail, width, height);
        Chasqui.load();
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment all = chq_tile.allocateArray(Math.max(tiles.size(), 1), arena);
            for (int i = 0; i < tiles.size(); i++) {
                tiles.get(i).write(chq_tile.asSlice(all, i));
            }
            MemorySegment keep = arena.allocate(ValueLayout.JAVA_INT, Math.max(tiles.size(), 1));
            Calls.check(chq_tile_budget(Calls.floats(arena, thumbnail), width, height, all, tiles.size(), ratio, temperature, keep));
            return keep.toArray(ValueLayout.JAVA_INT);
        }
    }

    static void checkGrid(float[] values, int width, int height) {
        if (width < 1 || height < 1 || (long) width * height != values.length) {
            throw new IllegalArgumentException("%d numbers for a grid of %d x %d".formatted(values.length, width, height));
        }
    }
}
