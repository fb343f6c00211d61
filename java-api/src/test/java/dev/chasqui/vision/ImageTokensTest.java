package dev.chasqui.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.BitSet;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class ImageTokensTest {

    private static MemorySegment rows(Arena arena, int count, int stride) {
        return arena.allocateFrom(ValueLayout.JAVA_FLOAT, RandomRows.random(count, stride, 1));
    }

    @Test
    void isAViewOfNativeMemory() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = rows(arena, 3, 5);
            ImageTokens tokens = ImageTokens.of(memory, 3, 5, 4);
            assertThat(tokens.count()).isEqualTo(3);
            assertThat(tokens.width()).isEqualTo(4);
            assertThat(tokens.stride()).isEqualTo(5);
            memory.setAtIndex(ValueLayout.JAVA_FLOAT, 5 + 2, 42);
            assertThat(tokens.row(1)).hasSize(4).contains(42);
            assertThat(tokens.rows().address()).isEqualTo(memory.address());
            assertThatThrownBy(() -> tokens.rows().set(ValueLayout.JAVA_FLOAT, 0, 1)).isInstanceOf(IllegalArgumentException.class);
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> tokens.row(3));
        }
    }

    @Test
    void copiesArrays() {
        float[] rows = {1, 2, 3, 4};
        ImageTokens tokens = ImageTokens.of(rows, 2, 2);
        rows[0] = 9;
        assertThat(tokens.row(0)).containsExactly(1, 2);
        float[] question = {5, 6};
        ImageTokens asked = tokens.withQuestion(question, 1);
        question[0] = 9;
        assertThat(asked.question()).containsExactly(5, 6);
        assertThat(asked.questionCount()).isEqualTo(1);
        assertThat(tokens.questionCount()).isZero();
        float[] importance = {1, 2};
        ImageTokens weighed = tokens.withImportance(importance);
        importance[0] = 9;
        weighed.importance().orElseThrow()[1] = 9;
        assertThat(weighed.importance()).hasValueSatisfying(values -> assertThat(values).containsExactly(1, 2));
        BitSet forced = new BitSet();
        forced.set(1);
        ImageTokens bound = tokens.withForced(forced);
        forced.clear();
        bound.forced().clear();
        assertThat(bound.forced().stream()).containsExactly(1);
    }

    @Test
    void aQuestionMayHaveGaps() {
        ImageTokens tokens = ImageTokens.of(new float[] {1, 2}, 1, 2)
                .withQuestion(MemorySegment.ofArray(new float[] {1, 2, 99, 3, 4, 99}), 2, 3);
        assertThat(tokens.question()).containsExactly(1, 2, 3, 4);
    }

    @Test
    void whatDoesNotFitIsRefused() {
        float[] four = new float[4];
        assertThatIllegalArgumentException().isThrownBy(() -> ImageTokens.of(four, 3, 2));
        assertThatIllegalArgumentException().isThrownBy(() -> ImageTokens.of(four, -1, 2));
        assertThatIllegalArgumentException().isThrownBy(() -> ImageTokens.of(four, 2, 0));
        assertThatIllegalArgumentException().isThrownBy(() -> ImageTokens.of(MemorySegment.ofArray(four), 2, 1, 2));
        assertThatIllegalArgumentException().isThrownBy(
                () -> ImageTokens.of(MemorySegment.ofArray(four), Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE));
        assertThatThrownBy(() -> ImageTokens.of((float[]) null, 1, 1)).isInstanceOf(NullPointerException.class);
        ImageTokens tokens = ImageTokens.of(four, 2, 2);
        assertThatIllegalArgumentException().isThrownBy(() -> tokens.withGrid(0, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> tokens.withImportance(1));
        assertThatIllegalArgumentException().isThrownBy(() -> tokens.withVocabularyMean(1));
        assertThatIllegalArgumentException().isThrownBy(() -> tokens.withQuestion(four, 3));
        BitSet third = new BitSet();
        third.set(2);
        assertThatIllegalArgumentException().isThrownBy(() -> tokens.withForced(third)).withMessage("row 2 of 2");
        assertThatIllegalArgumentException().isThrownBy(() -> tokens.withBreaks(third));
        assertThatIllegalArgumentException().isThrownBy(() -> tokens.withBreaksAfterGridRows(3));
        assertThatIllegalArgumentException().isThrownBy(() -> tokens.withGrid(2, 1).withBreaksAfterGridRows(1));
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment odd = arena.allocate(20).asSlice(1);
            assertThatIllegalArgumentException().isThrownBy(() -> ImageTokens.of(odd, 2, 2, 2)).withMessageContaining("multiple of 4");
        }
    }

    @Test
    void memoryThatIsClosedIsNotRead() {
        ImageTokens tokens;
        try (Arena arena = Arena.ofConfined()) {
            tokens = ImageTokens.of(rows(arena, 50, 8), 50, 8, 8);
        }
        assertThatThrownBy(() -> tokens.select(TokenPruner.mmr(), 5)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> tokens.row(0)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> TokenScores.norms(tokens)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(tokens::withBreaksFound).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> new TokenMerger(0.5f).merge(tokens, new int[] {0})).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> new BlockPooling(1, 2, 0).pool(tokens.withGrid(10, 5), 1)).isInstanceOf(IllegalStateException.class);
    }

    @Test
    void confinedMemoryStaysWithItsThread() {
        try (Arena arena = Arena.ofConfined()) {
            ImageTokens tokens = ImageTokens.of(rows(arena, 50, 8), 50, 8, 8);
            assertThatExceptionOfType(CompletionException.class)
                    .isThrownBy(() -> CompletableFuture.supplyAsync(() -> tokens.select(TokenPruner.mmr(), 5)).join())
                    .withCauseInstanceOf(WrongThreadException.class);
        }
    }

    /// Another thread cannot close memory while rows are chosen from it: one of the two is told to wait, or that it is too late.
    @Test
    void memoryIsNotClosedWhileItIsRead() {
        AtomicInteger selected = new AtomicInteger();
        AtomicInteger refused = new AtomicInteger();
        for (int round = 0; round < 100; round++) {
            Arena arena = Arena.ofShared();
            ImageTokens tokens = ImageTokens.of(rows(arena, 200, 64), 200, 64, 64);
            CompletableFuture<Void> reader = CompletableFuture.runAsync(() -> {
                try {
                    while (true) {
                        assertThat(tokens.select(TokenPruner.kCenter(), 20)).hasSize(20);
                        selected.incrementAndGet();
                    }
                } catch (IllegalStateException e) {
                    refused.incrementAndGet();
                }
            });
            int before = selected.get();
            while (round % 2 == 0 && selected.get() == before && !reader.isDone()) {
                Thread.onSpinWait(); // every other time it is read for sure
            }
            while (true) {
                try {
                    arena.close();
                    break;
                } catch (IllegalStateException e) {
                    Thread.onSpinWait(); // in use
                }
            }
            reader.join();
        }
        assertThat(refused).hasValue(100);
        assertThat(selected).hasPositiveValue();
    }
}
