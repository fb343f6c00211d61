package dev.chasqui.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class TileBudgetTest {

    private static final float[] RIGHT = {0, 0, 1, 2, 0, 0, 3, 4}; // 4 x 2
    private static final List<Tile> HALVES = List.of(Tile.inGrid(0, 0, 2, 1, 100), Tile.inGrid(1, 0, 2, 1, 100));

    @Test
    void importantTilesKeepMore() {
        assertThat(TileBudget.keeping(0.25f).split(RIGHT, 4, 2, HALVES)).containsExactly(19, 30); // shares of 0.27 and 0.73 by a softmax of 0 and 1
        assertThat(TileBudget.keeping(0.25f).withTemperature(0.001f).split(RIGHT, 4, 2, HALVES)).containsExactly(12, 37);
        assertThat(TileBudget.keeping(0.25f).split(new float[8], 4, 2, HALVES)).containsExactly(25, 25);
        assertThat(TileBudget.keeping(1).split(RIGHT, 4, 2, List.of(new Tile(0, 0, 1, 1, 7)))).containsExactly(7);
    }

    @Test
    void aTileSeesItsPartOfTheThumbnail() {
        Tile right = Tile.inGrid(1, 0, 2, 1, 0);
        assertThat(right.importance(RIGHT, 4, 2, 2, 2)).containsExactly(1, 2, 3, 4);
        assertThat(right.importance(RIGHT, 4, 2, 1, 1)).containsExactly(2.5f);
        assertThat(Tile.inGrid(0, 0, 2, 1, 0).importance(RIGHT, 4, 2, 2, 1)).containsExactly(0, 0);
    }

    @Test
    void whatIsWrongIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> new Tile(0, 0, 1.1f, 1, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new Tile(0.5f, 0, 0.5f, 1, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new Tile(0, Float.NaN, 1, 1, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new Tile(0, 0, 1, 1, -1));
        assertThatIllegalArgumentException().isThrownBy(() -> Tile.inGrid(2, 0, 2, 1, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new TileBudget(1.5f, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> new TileBudget(0.5f, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> TileBudget.keeping(0.5f).split(RIGHT, 4, 3, HALVES));
        assertThatIllegalArgumentException().isThrownBy(() -> TileBudget.keeping(0.5f).split(RIGHT, 4, 2, List.of()));
        assertThatIllegalArgumentException().isThrownBy(() -> HALVES.get(0).importance(RIGHT, 4, 2, 0, 1));
    }
}
