package dev.chasqui;

import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chasqui.kv.KvCacheOptions;
import dev.chasqui.kv.KvFileException;
import dev.chasqui.kv.KvFileStats;
import dev.chasqui.kv.SparseAttention;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;

@Tag("standalone")
@DisabledOnOs(OS.WINDOWS)
class KvFileTest {

    /// In the build folder: temporary folders can be in memory.
    private static final Path FOLDER = Path.of("target");

    private static final int PROMPT = 900;

    private final Model model = TestModels.tiny();

    private static ContextOptions options() {
        return ContextOptions.defaults().withContextSize(2048).withBatchSize(128).withMicroBatchSize(64).withThreads(1).withMaxSequences(2);
    }

    private Context onFile(ContextOptions options, double part) {
        try (Context whole = model.newContext(options.withKvCache(KvCacheOptions.onFile(FOLDER, Long.MAX_VALUE)))) {
            long bytes = whole.sparseStats().file().fileBytes();
            return model.newContext(options.withKvCache(KvCacheOptions.onFile(FOLDER, (long) (bytes * part))));
        }
    }

    @Test
    void answersAreThoseOfACacheInMemory() {
        try (Context here = model.newContext(options()); Context there = onFile(options(), 0.7)) {
            Sequence a = here.newSequence();
            Sequence b = there.newSequence();
            for (Sequence sequence : new Sequence[] {a, b}) {
                sequence.append(tokens(PROMPT, 1));
            }
            assertThat(b.logits()).isEqualTo(a.logits());
            for (Sequence sequence : new Sequence[] {a, b}) {
                sequence.rewind(PROMPT / 2);
                sequence.append(tokens(PROMPT, 2));
            }
            assertThat(b.logits()).isEqualTo(a.logits());
            KvFileStats stats = there.sparseStats().file();
            assertThat(stats.residentBytes()).isPositive().isLessThanOrEqualTo(stats.budgetBytes());
            assertThat(stats.mostResident()).isLessThanOrEqualTo(stats.budgetBytes());
            assertThat(stats.budgetBytes()).isLessThan(stats.fileBytes());
            assertThat(stats.evictedBytes()).isPositive();
            assertThat(here.sparseStats().file()).isEqualTo(KvFileStats.NONE);
        }
    }

    @Test
    void sparseAttentionWorksOnAPartInMemory() {
        try (Context context = onFile(options(), 0.7); Sequence sequence = context.newSequence()) {
            GenerationOptions greedy = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(20).withIgnoreEnd(true)
                    .withSparseAttention(SparseAttention.sketch().withSinks(8).withWindow(32));
            try (Generation generation = sequence.generate(tokens(PROMPT, 1), greedy)) {
                generation.text();
                assertThat(generation.stats().kv().sparseSteps()).isEqualTo(19); // never both ways
                KvFileStats stats = generation.stats().kv().file();
                assertThat(stats.mostResident()).isLessThanOrEqualTo(stats.budgetBytes());
            }
        }
    }

    @Test
    void aFolderThatCannotTakeTheFileIsNamed() {
        assertThatThrownBy(() -> model.newContext(options().withKvCache(KvCacheOptions.onFile(Path.of("no", "such", "folder"), 1 << 30))))
                .isInstanceOf(KvFileException.class).hasMessageContaining("no/such/folder");
        // contexts can be made as before
        model.newContext(options()).close();
    }

    @Test
    void lessThanALayerIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> onFile(options(), 0.01)).withMessageContaining("at least");
        assertThatIllegalArgumentException().isThrownBy(() -> KvCacheOptions.onFile(FOLDER, 0));
        assertThatThrownBy(() -> model.newContext(options().withFlashAttention(FlashAttention.OFF).withKvCache(KvCacheOptions.onFile(FOLDER, 1 << 30))))
                .isInstanceOf(UnsupportedFeatureException.class);
    }
}
