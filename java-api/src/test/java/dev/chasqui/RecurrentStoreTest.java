package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStore.Reuse;
import dev.chasqui.kv.SequenceStoreOptions;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// A model whose memory can go on, but never back.
@Tag("standalone")
class RecurrentStoreTest {

    private final int[] a = tokens(100, 1);
    private Model model;
    private SequenceStore store;

    @TempDir
    Path directory;

    @BeforeEach
    void open() {
        model = Model.load(TinyMamba.write(directory.resolve("mamba.gguf")));
        assertThat(model.info().recurrent()).isTrue();
        store = SequenceStore.open(SequenceStoreOptions.in(directory.resolve("store")));
    }

    @AfterEach
    void close() {
        store.close();
        model.close();
    }

    private GenerationStats answer(int[] prompt, int[] expected) {
        try (Context context = model.newContext(small().withStore(store));
                Sequence sequence = context.newSequence();
                Generation generation = sequence.generate(prompt, GenerationOptions.defaults().withSampler(Sampler.greedy())
                        .withMaxTokens(expected.length).withIgnoreEnd(true))) {
            generation.text();
            assertThat(sequence.tokens()).isEqualTo(concat(prompt, expected));
            return generation.stats();
        }
    }

    /// Not even the last token could be computed again for its logits.
    @Test
    void aRestoredSequenceGoesOnWithTheLogitsThatWereSaved() {
        try (Context context = model.newContext(small())) {
            Sequence sequence = context.newSequence();
            sequence.set(a);
            store.park(sequence);
            sequence.rewind(0);
            assertThat(store.prepare(sequence, a).tokens()).isEqualTo(100);
            assertThat(sequence.set(a)).as("nothing is computed").isEqualTo(100);
            assertThat(greedy(sequence, 10)).isEqualTo(fresh(model, a, 10));
        }
    }

    @Test
    void aConversationGoesOnAfterAnotherProcess() {
        int[] expected = fresh(model, a, 10);
        answer(a, expected);
        store.close();
        store = SequenceStore.open(SequenceStoreOptions.in(directory.resolve("store")));
        int[] next = concat(a, expected, tokens(5, 2));
        assertThat(answer(next, fresh(model, next, 3)).cachedTokens()).as("all but the answer's last token").isEqualTo(109);
    }

    /// The beginning that prompts share is stored as such by the second of them, since the first is of no use to it.
    @Test
    void whatPromptsShareIsComputedTwiceAndNoMore() {
        int computed = 0;
        for (int chat = 0; chat < 10; chat++) {
            int[] prompt = concat(a, new int[] {5 + chat}, tokens(9, chat));
            GenerationStats stats = answer(prompt, fresh(model, prompt, 3));
            computed += stats.promptTokens() - stats.cachedTokens();
        }
        assertThat(computed).isEqualTo(2 * 100 + 10 * 10);
    }

    @Test
    void aPinnedSystemPromptIsComputedOnce() {
        try (Context context = model.newContext(small()); Sequence sequence = context.newSequence()) {
            sequence.set(a);
            try (SequenceStore.Pin pin = store.pin(sequence)) {
                assertThat(pin).isNotNull();
                for (int chat = 0; chat < 5; chat++) {
                    int[] prompt = concat(a, new int[] {5 + chat}, tokens(9, chat));
                    assertThat(answer(prompt, fresh(model, prompt, 3)).cachedTokens()).isEqualTo(100);
                }
            }
        }
    }

    @Test
    void partsOfASequenceAreOfNoUse() {
        try (Context context = model.newContext(small()); Sequence sequence = context.newSequence()) {
            sequence.set(a);
            store.park(sequence);
            sequence.rewind(0);
            int[] prompt = concat(Arrays.copyOf(a, 60), tokens(10, 5));
            Reuse reuse = store.prepare(sequence, prompt);
            assertThat(reuse.tokens()).isZero();
            assertThat(reuse.branch()).isEqualTo(60);
        }
    }
}
