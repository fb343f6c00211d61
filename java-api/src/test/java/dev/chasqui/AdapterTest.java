package dev.chasqui;

import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// LoRA adapters and control vectors.
@Tag("standalone")
class AdapterTest {

    private static final float ROUNDING = 2e-3f;

    private final int[] prompt = tokens(60, 1);

    @TempDir
    Path directory;

    private Model model;
    private LoraAdapter first;
    private LoraAdapter second;

    @BeforeEach
    void load() {
        model = Model.load(TestModels.tinyFile());
        first = LoraAdapter.load(model, TinyLora.write(directory.resolve("first.gguf"), 1));
        second = LoraAdapter.load(model, TinyLora.write(directory.resolve("second.gguf"), 2));
    }

    @AfterEach
    void close() {
        first.close();
        second.close();
        model.close();
    }

    @Test
    void everySequenceIsComputedAgain() {
        float[] plain = logits(null);
        float[] adapted = logits(null, first.scaled(1));
        float[] both = logits(null, first.scaled(1), second.scaled(0.5f));
        assertThat(distance(plain, adapted)).isGreaterThan(0.05f);
        assertThat(distance(adapted, both)).isGreaterThan(0.05f);

        try (Context context = model.newContext(small().withMaxSequences(2))) {
            Sequence one = context.newSequence();
            one.append(prompt);
            Sequence fork = one.fork();
            long plainFit = context.stateFit();
            context.setAdapters(first.scaled(1));
            assertThat(one.tokens()).isEqualTo(prompt);
            assertThat(one.computed()).isZero();
            assertThat(one.logits()).containsExactly(adapted, within(ROUNDING));
            assertThat(fork.logits()).containsExactly(adapted, within(ROUNDING));
            assertThat(one.set(prompt)).as("tokens reused with the same adapters").isEqualTo(prompt.length - 1);

            context.setAdapters(first.scaled(1), second.scaled(0.5f));
            assertThat(one.set(prompt)).as("tokens reused with other adapters").isZero();
            assertThat(one.logits()).containsExactly(both, within(ROUNDING));
            assertThat(context.adapters()).containsExactly(first.scaled(1), second.scaled(0.5f));

            context.setAdapters();
            assertThat(one.logits()).containsExactly(plain, within(ROUNDING));
            assertThat(context.stateFit()).isEqualTo(plainFit);
        }
    }

    @Test
    void theSameAdaptersAgainKeepWhatIsComputed() {
        try (Context context = model.newContext(small())) {
            context.setAdapters(first.scaled(1));
            Sequence sequence = context.newSequence();
            sequence.append(prompt);
            context.setAdapters(first.scaled(1));
            assertThat(sequence.computed()).isEqualTo(prompt.length);
            context.setAdapters(first.scaled(0.9f));
            assertThat(sequence.computed()).isZero();
        }
    }

    @Test
    void keptCopiesAreGivenUp() {
        try (Context context = model.newContext(small().withKeptSequences(4))) {
            Sequence sequence = context.newSequence();
            sequence.append(prompt);
            assertThat(sequence.keep()).isTrue();
            sequence.rewind(0);
            assertThat(sequence.recall(prompt)).isEqualTo(prompt.length);
            sequence.rewind(0);
            context.setAdapters(first.scaled(1));
            assertThat(sequence.recall(prompt)).isZero();
            sequence.append(prompt);
            for (int i = 0; i < 6; i++) {
                sequence.keep();
                context.setAdapters(first.scaled(1 + i));
                assertThat(sequence.logits()).hasSize(320);
            }
        }
    }

    @Test
    void storesKeepTextsOfOtherAdaptersApart() {
        try (SequenceStore store = SequenceStore.open(SequenceStoreOptions.in(directory.resolve("store")));
                Context context = model.newContext(small().withStore(store))) {
            Sequence sequence = context.newSequence();
            sequence.append(prompt);
            assertThat(store.park(sequence)).isTrue();
            sequence.rewind(0);
            assertThat(store.prepare(sequence, prompt).tokens()).isEqualTo(prompt.length);

            context.setAdapters(first.scaled(1));
            sequence.rewind(0);
            assertThat(store.prepare(sequence, prompt).tokens()).as("of another adapter").isZero();
            sequence.set(prompt);
            assertThat(store.park(sequence)).isTrue();
            context.setAdapters(first.scaled(0.5f));
            sequence.rewind(0);
            assertThat(store.prepare(sequence, prompt).tokens()).as("of another scale").isZero();
            context.setAdapters(first.scaled(1));
            assertThat(store.prepare(sequence, prompt).tokens()).as("of the same adapter").isEqualTo(prompt.length);
            assertThat(sequence.logits()).containsExactly(logits(null, first.scaled(1)), within(ROUNDING));
        }
    }

    @Test
    void savedStatesAreRefused() {
        try (Context context = model.newContext(small()); Context other = model.newContext(small())) {
            context.setAdapters(first.scaled(1));
            Sequence sequence = context.newSequence();
            sequence.append(prompt);
            byte[] state = sequence.save();
            Sequence target = other.newSequence();
            assertThatExceptionOfType(StateMismatchException.class).isThrownBy(() -> target.restore(state)).withMessageContaining("adapters");
            other.setAdapters(first.scaled(1));
            assertThat(target.restore(state)).isEqualTo(prompt.length);
        }
    }

    @Test
    void closedInAnyOrder() {
        Context context = model.newContext(small());
        context.setAdapters(first.scaled(1));
        first.close();
        model.close();
        Sequence sequence = context.newSequence();
        sequence.append(prompt);
        assertThat(sequence.logits()).hasSize(320);
        assertThatIllegalStateException().isThrownBy(() -> context.setAdapters(first.scaled(2))).withMessageContaining("first.gguf is closed");
        assertThatIllegalStateException().isThrownBy(() -> LoraAdapter.load(model, first.path()));
        assertThat(sequence.logits()).hasSize(320);
        context.setAdapters(second.scaled(1));
        second.close();
        context.close();
        context.close();
    }

    @Test
    void whatIsNoAdapter() throws IOException {
        assertThatExceptionOfType(ModelLoadException.class).isThrownBy(() -> LoraAdapter.load(model, directory.resolve("no.gguf")));
        assertThatExceptionOfType(ModelLoadException.class).isThrownBy(() -> LoraAdapter.load(model, TestModels.tinyFile()));
        Path wide = TinyGguf.builder().embedding(128).write(directory.resolve("wide.gguf"));
        try (Model other = Model.load(wide); Context context = other.newContext(small())) {
            assertThatExceptionOfType(ModelLoadException.class).isThrownBy(() -> LoraAdapter.load(other, first.path()));
            assertThatIllegalArgumentException().isThrownBy(() -> context.setAdapters(first.scaled(1)));
        }
        assertThatIllegalArgumentException().isThrownBy(() -> first.scaled(Float.NaN));
        try (Context context = model.newContext(small())) {
            assertThatIllegalArgumentException().isThrownBy(() -> context.setAdapters(first.scaled(1), first.scaled(2)));
            assertThat(context.adapters()).isEmpty();
        }
    }

    /// Loading waits for those who compute, and they go on unharmed.
    @Test
    void loadedWhileOthersCompute() {
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            CompletableFuture<int[]> work = TestModels.async(() -> {
                sequence.append(prompt);
                return TestModels.greedy(sequence, 300);
            });
            int loads = 0;
            while (!work.isDone()) {
                LoraAdapter.load(model, first.path()).close();
                loads++;
            }
            assertThat(loads).isPositive();
            assertThat(work.join()).isEqualTo(TestModels.fresh(TestModels.tiny(), prompt, 300));
        }
    }

    @Test
    void controlVectors() throws IOException {
        float[] row = new float[64];
        for (int i = 0; i < row.length; i++) {
            row[i] = (float) Math.sin(i);
        }
        ControlVector vector = ControlVector.of(row);
        float[] plain = logits(null);
        float[] steered = logits(vector);
        assertThat(distance(plain, steered)).isGreaterThan(0.05f);
        assertThat(logits(vector.scaled(0))).containsExactly(plain, within(ROUNDING));
        assertThat(logits(vector.plus(vector.scaled(-1)))).containsExactly(plain, within(ROUNDING));
        assertThat(distance(logits(vector.scaled(-1)), steered)).isGreaterThan(0.05f);

        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            sequence.append(prompt);
            long fit = context.stateFit();
            context.setControlVector(vector);
            assertThat(sequence.computed()).isZero();
            assertThat(sequence.logits()).containsExactly(steered, within(ROUNDING));
            assertThat(context.stateFit()).isNotEqualTo(fit);
            assertThat(context.controlVector()).containsSame(vector);
            context.setControlVector(null);
            assertThat(sequence.logits()).containsExactly(plain, within(ROUNDING));
            assertThat(context.stateFit()).isEqualTo(fit);
            assertThatIllegalArgumentException().isThrownBy(() -> context.setControlVector(ControlVector.of(new float[65])));
            assertThatIllegalArgumentException().isThrownBy(() -> context.setControlVector(ControlVector.of(row, row)));
        }
    }

    @Test
    void controlVectorsOfFiles() throws IOException {
        float[] row = {1, 2, 3};
        Path file = directory.resolve("vector.gguf");
        GgufWriter.empty().tensor("direction.3", new long[] {3}, row).tensor("direction.1", new long[] {3}, 4, 5, 6).write(file);
        ControlVector vector = ControlVector.load(file);
        assertThat(vector.size()).isEqualTo(3);
        assertThat(vector.lastLayer()).isEqualTo(3);
        assertThat(vector.direction(1)).containsExactly(4, 5, 6);
        assertThat(vector.direction(2)).isEmpty();
        assertThat(vector.direction(3)).containsExactly(1, 2, 3);
        assertThat(vector.layers(2, 3).direction(1)).isEmpty();
        assertThat(vector.scaled(2).plus(ControlVector.of(row, row)).direction(1)).containsExactly(9, 12, 15);

        for (String name : new String[] {"direction.0", "direction.x", "other", "direction.99999"}) {
            GgufWriter.empty().tensor(name, new long[] {3}, row).write(file);
            assertThatExceptionOfType(GgufException.class).as(name).isThrownBy(() -> ControlVector.load(file));
        }
        GgufWriter.empty().tensor("direction.1", new long[] {3}, row).tensor("direction.2", new long[] {2}, 1, 2).write(file);
        assertThatExceptionOfType(GgufException.class).isThrownBy(() -> ControlVector.load(file));
        assertThatIllegalArgumentException().isThrownBy(ControlVector::of);
    }

    private float[] logits(ControlVector vector, LoraAdapter.Scaled... adapters) {
        try (Context context = model.newContext(small())) {
            context.setAdapters(adapters);
            if (vector != null) {
                context.setControlVector(vector);
            }
            Sequence sequence = context.newSequence();
            sequence.append(prompt);
            return sequence.logits();
        }
    }

    private static float distance(float[] a, float[] b) {
        float most = 0;
        for (int i = 0; i < a.length; i++) {
            most = Math.max(most, Math.abs(a[i] - b[i]));
        }
        return most;
    }
}
