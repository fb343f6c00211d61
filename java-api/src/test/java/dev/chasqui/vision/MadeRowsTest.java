package dev.chasqui.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class MadeRowsTest {

    @Test
    void droppedRowsAreMerged() {
        float[] rows = {1, 0, 10, 2, 0.2f, 20, 0, 1, 30, 0.1f, 3, 40};
        ImageTokens tokens = ImageTokens.of(MemorySegment.ofArray(rows), 4, 3, 2);
        ImageTokens merged = new TokenMerger(0.5f).merge(tokens, new int[] {0, 2});
        assertThat(merged.count()).isEqualTo(2);
        assertThat(merged.width()).isEqualTo(2);
        assertThat(merged.rows().toArray(ValueLayout.JAVA_FLOAT)).containsExactly(new float[] {1.5f, 0.1f, 15, 0.05f, 2, 35}, within(1e-6f));
        assertThat(new TokenMerger(0).merge(tokens, new int[] {0, 2}).rows().toArray(ValueLayout.JAVA_FLOAT)).containsExactly(1, 0, 10, 0, 1, 30);
        assertThat(new TokenMerger(0.5f).merge(tokens, new int[0]).count()).isZero();
        assertThatIllegalArgumentException().isThrownBy(() -> new TokenMerger(0.6f));
        assertThatIllegalArgumentException().isThrownBy(() -> new TokenMerger(0.5f).merge(tokens, new int[] {2, 0}));
        assertThatIllegalArgumentException().isThrownBy(() -> new TokenMerger(0.5f).merge(tokens, new int[] {4}));
        assertThatIllegalArgumentException().isThrownBy(() -> new TokenMerger(0.5f).merge(tokens, new int[5]));
    }

    @Test
    void blocksArePooled() {
        float[] rows = new float[2 * 3 * 4];
        for (int i = 0; i < rows.length; i++) {
            rows[i] = i;
        }
        ImageTokens video = ImageTokens.of(rows, 24, 1).withGrid(4, 3);
        ImageTokens pooled = new BlockPooling(2, 2, 0).pool(video, 2);
        assertThat(pooled.count()).isEqualTo(4);
        assertThat(pooled.gridWidth()).isEqualTo(2);
        assertThat(pooled.gridHeight()).isEqualTo(2);
        assertThat(pooled.rows().toArray(ValueLayout.JAVA_FLOAT)).containsExactly(8.5f, 10.5f, 12.5f, 14.5f);
        assertThat(new BlockPooling(1, 9, 0).pool(video, 2).rows().toArray(ValueLayout.JAVA_FLOAT)).containsExactly(5.5f, 17.5f);
        assertThatIllegalArgumentException().isThrownBy(() -> new BlockPooling(1, 2, 0).pool(video, 3));
        assertThatIllegalArgumentException().isThrownBy(() -> new BlockPooling(0, 2, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> new BlockPooling(1, 2, Float.NaN));
    }
}
