package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.chasqui.kv.KvCacheOptions;
import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreOptions;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class ContextOptionsTest {

    private static final ContextOptions DEFAULTS = ContextOptions.defaults();

    @Test
    void defaults() {
        assertThat(DEFAULTS).isEqualTo(new ContextOptions(0, 2048, 512, 1, 64, 0, 0, FlashAttention.AUTO,
                KvType.F16, KvType.F16, true, true, 0, 0, 50, 0, null, KvCacheOptions.inMemory()));
    }

    @Test
    void eachWithChangesItsOwnPartOnly() {
        SequenceStore store = SequenceStore.open(SequenceStoreOptions.inMemory());
        KvCacheOptions file = KvCacheOptions.onFile(Path.of("folder"), 1000);
        ContextOptions all = DEFAULTS.withContextSize(100).withBatchSize(64).withMicroBatchSize(32).withMaxSequences(3)
                .withMaxLogitRows(7).withThreads(2, 4).withFlashAttention(FlashAttention.OFF).withKvTypes(KvType.Q8_0, KvType.F32)
                .withOffloadKv(false).withFullWindowCache(false).withRope(1e6f, 0.5f).withPoll(10)
                .withKeptSequences(5).withStore(store).withKvCache(file);

        assertThat(all).isEqualTo(new ContextOptions(100, 64, 32, 3, 7, 2, 4, FlashAttention.OFF,
                KvType.Q8_0, KvType.F32, false, false, 1e6f, 0.5f, 10, 5, store, file));
        assertThat(DEFAULTS.withThreads(3)).isEqualTo(DEFAULTS.withThreads(3, 3));
    }

    @Test
    void smallerBatchLowersTheMicroBatch() {
        assertThat(DEFAULTS.withBatchSize(100).microBatchSize()).isEqualTo(100);
        assertThat(DEFAULTS.withBatchSize(4096).microBatchSize()).isEqualTo(512);
    }

    @Test
    void limitsAreAllowed() {
        assertThat(DEFAULTS.withContextSize(Integer.MAX_VALUE).contextSize()).isEqualTo(Integer.MAX_VALUE);
        assertThat(DEFAULTS.withMaxSequences(256).maxSequences()).isEqualTo(256);
        assertThat(DEFAULTS.withPoll(0).withPoll(100).poll()).isEqualTo(100);
        assertThat(DEFAULTS.withThreads(512).threads()).isEqualTo(512);
    }

    @Test
    void beyondTheLimitsIsRefusedByName() {
        refused("contextSize", o -> o.withContextSize(-1));
        refused("batchSize", o -> o.withBatchSize(0));
        refused("batchSize", o -> o.withBatchSize(Integer.MIN_VALUE));
        refused("microBatchSize", o -> o.withMicroBatchSize(0));
        refused("microBatchSize", o -> o.withMicroBatchSize(2049));
        refused("maxSequences", o -> o.withMaxSequences(0));
        refused("maxSequences", o -> o.withMaxSequences(257));
        refused("keptSequences", o -> o.withKeptSequences(-1));
        refused("keptSequences", o -> o.withMaxSequences(200).withKeptSequences(57));
        refused("maxLogitRows", o -> o.withMaxLogitRows(0));
        refused("threads", o -> o.withThreads(-1));
        refused("threads", o -> o.withThreads(513));
        refused("batchThreads", o -> o.withThreads(1, -1));
        refused("poll", o -> o.withPoll(-1));
        refused("poll", o -> o.withPoll(101));
        for (float bad : List.of(-1f, Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY)) {
            refused("ropeFrequencyBase", o -> o.withRope(bad, 0));
            refused("ropeFrequencyScale", o -> o.withRope(0, bad));
        }
    }

    @Test
    void nullIsRefusedByName() {
        assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withFlashAttention(null)).withMessage("flashAttention");
        assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withKvTypes(null, KvType.F16)).withMessage("keyType");
        assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withKvTypes(KvType.F16, null)).withMessage("valueType");
    }

    private static void refused(String name, UnaryOperator<ContextOptions> change) {
        assertThatIllegalArgumentException().isThrownBy(() -> change.apply(DEFAULTS)).withMessageStartingWith(name + " is ");
    }
}
