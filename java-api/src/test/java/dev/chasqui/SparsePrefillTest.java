package dev.chasqui;

import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chasqui.kv.PrefillStats;
import dev.chasqui.kv.SparsePrefill;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class SparsePrefillTest {

    private static final int PROMPT = 700;

    private static final SparsePrefill SOME = SparsePrefill.defaults().withMissing(0.3).withWindow(64).withLast(128).withAlways(true);

    private final Model model = TestModels.tiny();

    private Context context(int threads) {
        return model.newContext(ContextOptions.defaults().withContextSize(1024).withThreads(threads));
    }

    private float[] rowBehind(SparsePrefill wanted, int threads) {
        try (Context context = context(threads); Sequence sequence = context.newSequence()) {
            context.setSparsePrefill(wanted);
            sequence.append(tokens(PROMPT, 1));
            return sequence.logits();
        }
    }

    @Test
    void aPromptAttendsToAPart() {
        try (Context context = context(2); Sequence sequence = context.newSequence()) {
            sequence.append(tokens(PROMPT, 1));
            float[] full = sequence.logits();
            context.setSparsePrefill(SOME);
            assertThat(context.sparsePrefill()).contains(SOME);
            sequence.rewind(0);
            sequence.append(tokens(PROMPT, 1));
            assertThat(sequence.logits()).isNotEqualTo(full);
            PrefillStats stats = context.sparsePrefillStats();
            assertThat(stats.tokens()).isEqualTo(PROMPT);
            assertThat(stats.sparseTokens()).isBetween(256L, PROMPT - 128L);
            assertThat(stats.pairs()).isBetween(0.1, 0.95);
            assertThat(stats.missing()).isPositive().isLessThanOrEqualTo(0.3);
            assertThat(stats.choiceTime()).isPositive();
            assertThat(stats.savedTime()).isPositive();

            // one token at a time is no prompt
            sequence.append(300);
            assertThat(context.sparsePrefillStats().tokens()).isEqualTo(PROMPT);

            context.setSparsePrefill(null);
            assertThat(context.sparsePrefill()).isEmpty();
            sequence.rewind(0);
            sequence.append(tokens(PROMPT, 1));
            assertThat(sequence.logits()).isEqualTo(full);
        }
    }

    @Test
    void theResultDoesNotDependOnThreads() {
        assertThat(rowBehind(SOME, 1)).isEqualTo(rowBehind(SOME, 2));
    }

    @Test
    void shortPromptsAreDense() {
        try (Context context = context(2); Sequence sequence = context.newSequence()) {
            context.setSparsePrefill(SOME.withWindow(PROMPT));
            sequence.append(tokens(PROMPT, 1));
            assertThat(context.sparsePrefillStats().sparseTokens()).isZero();
            assertThat(context.sparsePrefillStats().pairs()).isEqualTo(1);
        }
    }

    @Test
    void wrongValuesAreRefused() {
        SparsePrefill defaults = SparsePrefill.defaults();
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withMissing(1));
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withMissing(-0.01));
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withMissing(Double.NaN));
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withSinks(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withWindow(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> defaults.withLast(-1));
        Context context = context(1);
        context.setSparsePrefill(defaults.withSinks(Integer.MAX_VALUE).withWindow(Integer.MAX_VALUE).withLast(Integer.MAX_VALUE));
        context.close();
        assertThatThrownBy(() -> context.setSparsePrefill(defaults)).isInstanceOf(IllegalStateException.class);
    }
}
