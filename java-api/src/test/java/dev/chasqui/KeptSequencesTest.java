package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class KeptSequencesTest {

    private final Model model = TestModels.tiny();
    private final Context context = model.newContext(small().withKeptSequences(2));
    private final Sequence sequence = context.newSequence();
    private final int[] a = tokens(100, 1);
    private final int[] b = tokens(80, 2);

    @AfterEach
    void close() {
        context.close();
    }

    private SavedSequence saved(int[] tokens) {
        try (Context other = model.newContext(small())) {
            Sequence source = other.newSequence();
            source.append(tokens);
            return source.snapshot();
        }
    }

    private void keep(int[] tokens) {
        sequence.set(tokens);
        assertThat(sequence.keep()).isTrue();
    }

    @Test
    void sequencesTakeTurnsWithoutComputing() {
        keep(a);
        keep(b);
        for (int i = 0; i < 3; i++) {
            assertThat(sequence.set(a)).as("all but the last token, for its logits").isEqualTo(99);
            assertThat(greedy(sequence, 3)).isEqualTo(fresh(model, a, 3));
            assertThat(sequence.set(b)).isEqualTo(79);
            assertThat(greedy(sequence, 3)).isEqualTo(fresh(model, b, 3));
        }
    }

    @Test
    void aPrefixIsTaken() {
        keep(a);
        sequence.rewind(0);
        int[] other = concat(Arrays.copyOf(a, 70), tokens(5, 3));
        assertThat(sequence.recall(other)).isEqualTo(70);
        assertThat(sequence.tokens()).isEqualTo(Arrays.copyOf(a, 70));
        assertThat(sequence.set(other)).isEqualTo(70);
        assertThat(greedy(sequence, 4)).isEqualTo(fresh(model, other, 4));
        assertThat(sequence.recall(tokens(5, 4))).isZero();
        assertThat(sequence.length()).isZero();
    }

    @Test
    void ownTokensComeFirst() {
        keep(Arrays.copyOf(a, 50));
        sequence.set(a);
        assertThat(sequence.recall(a)).isEqualTo(100);
    }

    @Test
    void theOneUsedLongestAgoGoes() {
        keep(a);
        keep(b);
        sequence.set(a); // used
        keep(tokens(60, 3));
        sequence.rewind(0);
        assertThat(sequence.recall(b)).isZero();
        assertThat(sequence.recall(a)).isEqualTo(100);
    }

    /// A conversation that grows has one copy, not one for each turn.
    @Test
    void longerTakesThePlaceOfItsPrefix() {
        keep(b);
        keep(Arrays.copyOf(a, 50));
        keep(a);
        keep(Arrays.copyOf(a, 70));
        sequence.rewind(0);
        assertThat(sequence.recall(a)).isEqualTo(100);
        assertThat(sequence.recall(b)).isEqualTo(80);
    }

    @Test
    void theyMakeRoom() {
        keep(a);
        keep(b);
        sequence.rewind(0);
        assertThat(sequence.room()).isEqualTo(512);
        int[] large = tokens(500, 5);
        sequence.set(large);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, large, 5));
        sequence.rewind(0);
        assertThat(sequence.recall(a)).isZero();
        assertThat(sequence.recall(b)).isZero();

        keep(a);
        sequence.set(b);
        assertThat(sequence.score(tokens(430, 6))).hasSize(430);

        sequence.rewind(0);
        keep(a);
        try (SavedSequence saved = saved(large)) {
            sequence.rewind(0);
            assertThat(sequence.restore(saved)).isEqualTo(500);
        }
    }

    /// The last token that fits, computed by [Sequence#next].
    @Test
    void theyMakeRoomForSingleTokens() {
        keep(a);
        int[] large = tokens(405, 5);
        sequence.set(large);
        assertThat(greedy(sequence, 20)).isEqualTo(fresh(model, large, 20));
    }

    @Test
    void fullIsStillFull() {
        keep(a);
        sequence.set(b);
        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> sequence.append(tokens(433, 1)))
                .satisfies(e -> assertThat(e.available()).isEqualTo(432));
        assertThat(sequence.tokens()).isEqualTo(b);
    }

    @Test
    void theyTakeNoSequenceFromTheCaller() {
        keep(a);
        keep(b);
        assertThat(context.info().maxSequences()).isEqualTo(1);
        assertThatIllegalStateException().isThrownBy(context::newSequence);
        sequence.close();
        Sequence next = context.newSequence();
        assertThat(next.recall(a)).isEqualTo(100);
        assertThat(greedy(next, 3)).isEqualTo(fresh(model, a, 3));
    }

    /// As on a GPU: the copies take no cells and are not given up for them. On this machine the device is the CPU itself.
    @Test
    void copiesInOtherMemoryOfTheDevice() {
        context.kept().onDevice();
        keep(a);
        keep(b);
        sequence.rewind(0);
        int[] large = tokens(500, 5);
        sequence.set(large);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, large, 5));
        for (int i = 0; i < 2; i++) {
            assertThat(sequence.set(a)).isEqualTo(99);
            assertThat(greedy(sequence, 3)).isEqualTo(fresh(model, a, 3));
            assertThat(sequence.set(b)).isEqualTo(79);
            assertThat(greedy(sequence, 3)).isEqualTo(fresh(model, b, 3));
        }
        int[] other = concat(Arrays.copyOf(a, 70), tokens(5, 3));
        assertThat(sequence.set(other)).isEqualTo(70);
        assertThat(greedy(sequence, 4)).isEqualTo(fresh(model, other, 4));
        keep(tokens(60, 3));
        sequence.rewind(0);
        assertThat(sequence.recall(b)).as("used longest ago").isZero();
        assertThat(sequence.recall(a)).isEqualTo(100);
    }

    /// Cells that another sequence takes cannot be had for a copy on the device.
    @Test
    void noRoomForACopyOfTheDevice() {
        try (Context two = model.newContext(small().withMaxSequences(2).withKeptSequences(1))) {
            two.kept().onDevice();
            Sequence first = two.newSequence();
            first.set(a);
            assertThat(first.keep()).isTrue();
            first.rewind(0);
            Sequence second = two.newSequence();
            second.set(tokens(450, 8));
            assertThat(first.recall(a)).isZero();
            assertThat(first.length()).isZero();
            second.rewind(10);
            assertThat(first.recall(a)).isEqualTo(100);
            assertThat(greedy(first, 3)).isEqualTo(fresh(model, a, 3));
        }
    }

    @Test
    void withoutSpareSequencesNothingIsKept() {
        try (Context plain = model.newContext(small())) {
            Sequence only = plain.newSequence();
            only.append(a);
            assertThat(only.keep()).isFalse();
        }
    }
}
