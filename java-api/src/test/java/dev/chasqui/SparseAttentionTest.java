package dev.chasqui;

import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.chasqui.kv.CellSelector;
import dev.chasqui.kv.KvStats;
import dev.chasqui.kv.SparseAttention;
import dev.chasqui.speculation.SpeculationStats;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

@Tag("standalone")
class SparseAttentionTest {

    private static final int PROMPT = 400;

    private static final SparseAttention FEW =
            SparseAttention.sketch().withShare(0.05).withSinks(8).withWindow(32).withAlways(true);

    private static final GenerationOptions GREEDY = GenerationOptions.defaults().withSampler(Sampler.greedy()).withMaxTokens(30).withIgnoreEnd(true);

    private final Model model = TestModels.tiny();

    private Context context() {
        return model.newContext(ContextOptions.defaults().withContextSize(512).withThreads(2));
    }

    private record Answer(int[] tokens, GenerationStats stats) { }

    private static Answer answer(Sequence sequence, GenerationOptions options) {
        try (Generation generation = sequence.generate(tokens(PROMPT, 1), options)) {
            generation.text();
            return new Answer(sequence.tokens(), generation.stats());
        }
    }

    @ParameterizedTest
    @EnumSource
    void everySelectorAttendsToAPartWhileTheAnswerIsGenerated(CellSelector selector) {
        try (Context context = context(); Sequence sequence = context.newSequence()) {
            Answer sparse = answer(sequence, GREEDY.withSparseAttention(FEW.withSelector(selector)));
            KvStats stats = sparse.stats().kv();
            assertThat(sparse.tokens()).hasSize(PROMPT + 30);
            assertThat(sparse.stats().speculation()).isEqualTo(SpeculationStats.NONE);
            assertThat(stats.steps()).isEqualTo(29);
            assertThat(stats.sparseSteps()).isEqualTo(29);
            // sinks, window, what its last chunk adds to that, and a twentieth
            assertThat(stats.cells()).isBetween((8 + 32 + 0.05 * PROMPT) / (PROMPT + 30), (8 + 32 + 32 + 0.05 * (PROMPT + 30) + 1) / PROMPT);
            boolean estimates = selector != CellSelector.RANDOM && selector != CellSelector.WINDOW;
            assertThat(stats.missing().isPresent()).isEqualTo(estimates);
            if (estimates) {
                assertThat(stats.missing().getAsDouble()).isBetween(0.0, 1.0);
            }
        }
    }

    @Test
    void theNextAnswerAttendsToEverythingAgain() {
        try (Context context = context(); Sequence sequence = context.newSequence()) {
            Answer plain = answer(sequence, GREEDY);
            assertThat(plain.stats().kv()).isEqualTo(KvStats.NONE);
            Answer sparse = answer(sequence, GREEDY.withSparseAttention(FEW.withSelector(CellSelector.WINDOW).withShare(0)));
            assertThat(sparse.stats().kv().sparseSteps()).isPositive();
            assertThat(answer(sequence, GREEDY).tokens()).isEqualTo(plain.tokens());
        }
    }

    @Test
    void aContextHasItUntilItIsSetAgain() {
        try (Context context = context(); Sequence sequence = context.newSequence()) {
            context.setSparseAttention(FEW);
            assertThat(context.sparseAttention()).contains(FEW);
            Answer first = answer(sequence, GREEDY);
            assertThat(first.stats().kv().sparseSteps()).isEqualTo(29);
            assertThat(first.stats().speculation()).isEqualTo(SpeculationStats.NONE);
            Answer other = answer(sequence, GREEDY.withSparseAttention(FEW.withShare(0.3)));
            assertThat(other.stats().kv().cells()).isGreaterThan(first.stats().kv().cells());
            assertThat(answer(sequence, GREEDY).stats().kv().cells()).isEqualTo(first.stats().kv().cells());
            context.setSparseAttention(null);
            assertThat(context.sparseAttention()).isEmpty();
            assertThat(answer(sequence, GREEDY).stats().kv()).isEqualTo(KvStats.NONE);
        }
    }

    @Test
    void aShareOfEverythingIsFullAttention() {
        try (Context context = context(); Sequence sequence = context.newSequence()) {
            sequence.append(tokens(PROMPT, 1));
            sequence.append(270);
            float[] full = sequence.logits();
            sequence.rewind(PROMPT);
            context.setSparseAttention(FEW.withShare(1));
            sequence.append(270);
            assertThat(sequence.logits()).isEqualTo(full);
            assertThat(context.sparseStats().sparseSteps()).isZero();

            sequence.rewind(PROMPT);
            context.setSparseAttention(FEW);
            sequence.append(270);
            assertThat(sequence.logits()).isNotEqualTo(full);

            sequence.rewind(PROMPT);
            context.setSparseAttention(null);
            sequence.append(270);
            assertThat(sequence.logits()).isEqualTo(full);
        }
    }

    @Test
    void anAdaptiveShareStaysBetweenItsLimitsAndFollowsWhatMayBeMissing() {
        double[] cells = new double[3];
        double[] limits = {0.5, 0.1, 0};
        for (int i = 0; i < 3; i++) {
            try (Context context = context(); Sequence sequence = context.newSequence()) {
                SparseAttention adaptive = FEW.withShares(0.02, 0.6).withMissing(limits[i]);
                cells[i] = answer(sequence, GREEDY.withSparseAttention(adaptive)).stats().kv().cells();
            }
        }
        assertThat(cells[0]).isLessThan(cells[1]);
        assertThat(cells[1]).isLessThanOrEqualTo(cells[2]);
    }

    @Test
    void enginesRefuseIt() {
        try (Engine engine = model.newEngine()) {
            assertThatThrownBy(() -> engine.submit(EngineRequest.tokens(tokens(5, 1)).withOptions(GREEDY.withSparseAttention(FEW))))
                    .isInstanceOf(UnsupportedFeatureException.class);
        }
    }

    @Test
    void valuesOutOfRangeAreRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withShare(-0.1));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withShare(Double.NaN));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withShares(0.2, 0.1));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withShare(1.1));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withMissing(1.1));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withSinks(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withWindow(0));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withDenseLayers(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withRefresh(0));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withRefresh(65));
        assertThatIllegalArgumentException().isThrownBy(() -> FEW.withLayersPerChoice(0));
    }
}
