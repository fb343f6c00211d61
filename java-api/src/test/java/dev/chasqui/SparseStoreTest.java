package dev.chasqui;

import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chasqui.kv.SequenceStore;
import dev.chasqui.kv.SequenceStoreException;
import dev.chasqui.kv.SequenceStoreOptions;
import dev.chasqui.kv.SparseAttention;
import dev.chasqui.kv.SparsePrefill;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/// What attention to a part of a text left in the KV cache stays in the context that asked for it.
@Tag("standalone")
class SparseStoreTest {

    private static final int PROMPT = 700;
    private static final SparsePrefill PREFILL = SparsePrefill.defaults().withMissing(0.3).withWindow(64).withLast(128).withAlways(true);
    private static final SparseAttention ATTENTION = SparseAttention.sketch().withShare(0.1).withSinks(16).withWindow(64).withAlways(true);

    private final Model model = TestModels.tiny();
    private final SequenceStore store = SequenceStore.open(SequenceStoreOptions.inMemory());
    private final ContextOptions options = ContextOptions.defaults().withContextSize(1024).withThreads(1).withMaxSequences(2).withStore(store).withKeptSequences(2);

    @Test
    void aPromptThatAttendedToAPartIsNotStored() {
        try (store; Context context = model.newContext(options); Sequence sequence = context.newSequence()) {
            context.setSparsePrefill(PREFILL);
            sequence.append(tokens(PROMPT, 1));
            assertThat(context.sparsePrefillStats().sparseTokens()).isPositive();
            assertThat(sequence.isExact()).isFalse();
            assertThat(store.park(sequence)).isFalse();
            assertThat(sequence.keep()).isFalse();
            assertThatThrownBy(() -> store.pin(sequence)).isInstanceOf(SequenceStoreException.class);
            try (Sequence fork = sequence.fork()) {
                assertThat(fork.isExact()).isFalse();
            }
            context.setSparsePrefill(null);
            assertThat(sequence.isExact()).isFalse();
            sequence.append(1, 2, 3);
            assertThat(sequence.isExact()).isFalse();
            sequence.rewind(0);
            assertThat(sequence.isExact()).isTrue();
            sequence.append(tokens(PROMPT, 1));
            assertThat(sequence.isExact()).isTrue();
            assertThat(store.park(sequence)).isTrue();
        }
    }

    @Test
    void ofASparseAnswerOnlyThePromptIsStored() {
        int[] prompt = tokens(PROMPT, 2);
        GenerationOptions generation = GenerationOptions.defaults().withSampler(Sampler.greedy()).withIgnoreEnd(true).withMaxTokens(40);
        try (store) {
            int[] text;
            try (Context context = model.newContext(options); Sequence sequence = context.newSequence()) {
                try (Generation answer = sequence.generate(Prompt.of(prompt), generation.withSparseAttention(ATTENTION))) {
                    answer.forEach(piece -> { });
                    assertThat(answer.stats().kv().sparseSteps()).isPositive();
                }
                assertThat(sequence.isExact()).isFalse();
                text = sequence.tokens();
                sequence.rewind(PROMPT);
                assertThat(sequence.isExact()).isTrue();
            }
            try (Context context = model.newContext(options); Sequence sequence = context.newSequence()) {
                assertThat(sequence.set(text)).isEqualTo(PROMPT);
            }
            // the same without
            try (Context context = model.newContext(options); Sequence sequence = context.newSequence()) {
                try (Generation answer = sequence.generate(Prompt.of(tokens(PROMPT, 3)), generation)) {
                    answer.forEach(piece -> { });
                }
                assertThat(sequence.isExact()).isTrue();
                text = sequence.tokens();
            }
            try (Context context = model.newContext(options); Sequence sequence = context.newSequence()) {
                assertThat(sequence.set(text)).isGreaterThan(PROMPT + 30);
            }
        }
    }
}
