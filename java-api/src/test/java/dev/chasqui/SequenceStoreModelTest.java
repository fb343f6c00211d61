package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStore.Tier;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.models.ModelStore;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Long sequences of real models.
@Tag("model")
class SequenceStoreModelTest {

    private static final int TOKENS = 8000;

    @TempDir
    Path directory;

    /// Bit for bit, from memory and from a file; also where all layers but some see only a window (gemma3).
    @ParameterizedTest
    @Timeout(value = 20, unit = TimeUnit.MINUTES)
    @ValueSource(strings = {"smollm2-135m", "gemma3-270m", "qwen2.5-coder-0.5b"})
    void logitsAreThoseOfASequenceThatNeverLeft(String name) {
        SequenceStoreOptions options = SequenceStoreOptions.in(directory);
        try (Model model = Model.load(ModelStore.standard().get(name));
                Context context = model.newContext(ContextOptions.defaults().withContextSize(8192));
                Sequence sequence = context.newSequence()) {
            int[] prompt = new Random(1).ints(TOKENS, 300, 20_000).toArray();
            int[] next = {500, 600, 700};
            sequence.append(prompt);
            float[] last = sequence.logits();
            float[] after;
            try (SequenceStore store = SequenceStore.open(options)) {
                assertThat(store.park(sequence)).isTrue();
                sequence.append(next);
                after = sequence.logits();
                check(store, Tier.RAM, sequence, prompt, last, next, after);
            }
            try (SequenceStore reopened = SequenceStore.open(options)) {
                check(reopened, Tier.DISK, sequence, prompt, last, next, after);
            }
        }
    }

    private static void check(SequenceStore store, Tier tier, Sequence sequence, int[] prompt, float[] last, int[] next, float[] after) {
        sequence.rewind(0);
        assertThat(store.prepare(sequence, prompt).tier()).isEqualTo(tier);
        assertThat(sequence.logits()).isEqualTo(last);
        sequence.append(next);
        assertThat(sequence.logits()).isEqualTo(after);
    }
}
