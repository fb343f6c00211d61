package dev.chasqui;

import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class SavedStateTest {

    private final Model model = TestModels.tiny();
    private final int[] prompt = tokens(60, 1);
    private final int[] old = tokens(25, 2);
    private Context context;
    private byte[] state;
    private Sequence target;

    @TempDir
    Path directory;

    @BeforeEach
    void save() {
        context = model.newContext(small().withMaxSequences(2));
        try (Sequence source = context.newSequence()) {
            source.append(prompt);
            state = source.save();
        }
        target = context.newSequence();
        target.append(old);
    }

    @AfterEach
    void close() {
        context.close();
    }

    @Test
    void restoredSequenceGoesOnAsTheSavedOne() {
        target.restore(state);

        assertThat(target.tokens()).isEqualTo(prompt);
        assertThat(target.room()).isEqualTo(452);
        assertThat(greedy(target, 20)).isEqualTo(fresh(model, prompt, 20));
    }

    @Test
    void restoredIntoAnotherContext() {
        try (Context other = model.newContext(small().withContextSize(1024).withBatchSize(32).withMaxSequences(3))) {
            Sequence sequence = other.newSequence();
            sequence.restore(state);

            assertThat(greedy(sequence, 20)).isEqualTo(fresh(model, prompt, 20));
            assertThat(sequence.set(prompt)).as("all of it is in the cache").isEqualTo(59);
        }
    }

    @Test
    void restoredIntoAnotherCopyOfTheModel() {
        try (Model copy = Model.load(TestModels.tinyFile()); Context other = copy.newContext(small())) {
            Sequence sequence = other.newSequence();
            sequence.restore(state);

            assertThat(greedy(sequence, 20)).isEqualTo(fresh(model, prompt, 20));
        }
    }

    @Test
    void savingIsRepeatableAndChangesNothing() {
        target.restore(state);

        assertThat(target.save()).isEqualTo(state);
        assertThat(target.save()).isEqualTo(state);
        assertThat(greedy(target, 5)).isEqualTo(fresh(model, prompt, 5));
    }

    @Test
    void uncomputedTokenIsSavedToo() {
        target.set(prompt);
        int[] first = greedy(target, 3);
        byte[] later = target.save();
        int[] expected = fresh(model, prompt, 10);
        assertThat(first).isEqualTo(Arrays.copyOf(expected, 3));
        target.rewind(0);
        target.restore(later);

        assertThat(target.length()).isEqualTo(63);
        assertThat(greedy(target, 7)).isEqualTo(Arrays.copyOfRange(expected, 3, 10));
    }

    @Test
    void restoredSequenceCanBeRewoundAndForked() {
        target.restore(state);
        Sequence fork = target.fork();
        target.rewind(20);

        assertThat(greedy(fork, 5)).isEqualTo(fresh(model, prompt, 5));
        assertThat(greedy(target, 5)).isEqualTo(fresh(model, Arrays.copyOf(prompt, 20), 5));
    }

    @Test
    void emptySequence() {
        target.rewind(0);
        byte[] empty = target.save();
        target.append(prompt);
        target.restore(empty);

        assertThat(target.length()).isZero();
        target.append(prompt);
        assertThat(greedy(target, 5)).isEqualTo(fresh(model, prompt, 5));
    }

    @Test
    void eachFlippedByteIsNoticed() {
        int[] places = {0, 7, 8, 12, 16, 20, 24, 31, 32, 40, 48, 52, 56, 60, 64, 100, 64 + 60 * 4, state.length / 2, state.length - 1};
        for (int place : places) {
            for (int bit : new int[] {0x01, 0x80}) {
                byte[] damaged = state.clone();
                damaged[place] ^= (byte) bit;
                refused(damaged);
            }
        }
    }

    @Test
    void otherLengthsAreNoticed() {
        for (int length : new int[] {0, 1, 8, 63, 64, 65, 300, state.length / 2, state.length - 1, state.length + 1, state.length + 8}) {
            refused(Arrays.copyOf(state, length));
        }
        refused(new byte[state.length]);
        refused("this is no state at all".getBytes());
    }

    @Test
    void otherKvTypeIsNoticed() {
        try (Context other = model.newContext(small().withKvTypes(KvType.F32, KvType.F32))) {
            Sequence sequence = other.newSequence();
            sequence.append(old);

            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> sequence.restore(state))
                    .withMessageContaining("f16").withMessageContaining("f32");
            assertThat(sequence.tokens()).isEqualTo(old);
        }
    }

    @Test
    void otherShapeOfModelIsNoticed() {
        otherModel(TinyGguf.builder().layers(3));
        otherModel(TinyGguf.builder().vocabularySize(330));
    }

    /// E.g. two fine-tunes of one model: nothing but the weights tells them apart.
    @Test
    void otherWeightsAreNoticed() {
        otherModel(TinyGguf.builder().chatTemplate(TestModels.CHAT_TEMPLATE).seed(7));
    }

    @Test
    void tooLongForTheContext() {
        try (Context large = model.newContext(small().withContextSize(1024))) {
            Sequence source = large.newSequence();
            source.append(tokens(600, 3));
            byte[] longState = source.save();

            assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> target.restore(longState))
                    .satisfies(e -> assertThat(e.needed()).isEqualTo(600), e -> assertThat(e.available()).isEqualTo(512));
            unchanged();
        }
    }

    /// The state would fit into the context, were it not for the other sequence.
    @Test
    void tooLongForTheCellsThatAreLeft() {
        Sequence other = context.newSequence();
        other.append(tokens(460, 4));

        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> target.restore(state))
                .satisfies(e -> assertThat(e.needed()).isEqualTo(60), e -> assertThat(e.available()).isLessThan(60));
        unchanged();
        assertThat(greedy(other, 2)).hasSize(2);
    }

    private void otherModel(TinyGguf.Builder builder) {
        try (Model other = Model.load(builder.write(directory.resolve("other.gguf"))); Context elsewhere = other.newContext(small())) {
            Sequence sequence = elsewhere.newSequence();
            sequence.append(old);

            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> sequence.restore(state))
                    .withMessageContaining("another model");
            assertThat(sequence.tokens()).isEqualTo(old);
        }
    }

    private void refused(byte[] damaged) {
        assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> target.restore(damaged));
        unchanged();
    }

    private void unchanged() {
        assertThat(target.tokens()).isEqualTo(old);
        int[] next = greedy(target, 3);
        target.rewind(old.length);
        assertThat(next).isEqualTo(fresh(model, old, 3));
    }
}
