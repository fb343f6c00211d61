package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.kv.KvStats;
import dev.chasqui.speculation.Speculation;
import dev.chasqui.speculation.SpeculationStats;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class GenerationOptionsTest {

    private static final GenerationOptions DEFAULTS = GenerationOptions.defaults();

    @Test
    void defaults() {
        assertThat(DEFAULTS).isEqualTo(new GenerationOptions(Integer.MAX_VALUE, Sampler.standard(), List.of(), false, false, Speculation.auto(), Optional.empty(), Optional.empty(), Optional.empty()));
    }

    @Test
    void eachWithChangesItsOwnPartOnly() {
        assertThat(DEFAULTS.withMaxTokens(5).withSampler(Sampler.greedy()).withStop("a", "b").withSpecialTokens(true).withIgnoreEnd(true)
                .withSpeculation(Speculation.off()))
                .isEqualTo(new GenerationOptions(5, Sampler.greedy(), List.of("a", "b"), true, true, Speculation.off(), Optional.empty(), Optional.empty(), Optional.empty()));
        assertThat(DEFAULTS.withStop("a").withStop().stop()).isEmpty();
    }

    @Test
    void refusesWhatMakesNoSense() {
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withMaxTokens(-1)).withMessageContaining("-1");
        assertThatIllegalArgumentException().isThrownBy(() -> DEFAULTS.withStop("a", ""));
        assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withSampler(null));
        assertThatNullPointerException().isThrownBy(() -> DEFAULTS.withStop((String) null));
        assertThat(DEFAULTS.withMaxTokens(0).maxTokens()).isZero();
    }

    @Test
    void statsComputeRates() {
        GenerationStats stats = new GenerationStats(
                100, 20, 11, Duration.ofMillis(400), Duration.ofSeconds(2), 10, SpeculationStats.NONE, KvStats.NONE, 0, FinishReason.LENGTH);

        assertThat(stats.decodeTokensPerSecond()).isCloseTo(5, within(1e-9));
        assertThat(stats.prefillTokensPerSecond()).isCloseTo(200, within(1e-9));
    }

    @Test
    void statsOfNothingAreZero() {
        GenerationStats stats = new GenerationStats(0, 0, 0, Duration.ZERO, Duration.ZERO, 0, SpeculationStats.NONE, KvStats.NONE, 0, FinishReason.CANCELLED);

        assertThat(stats.decodeTokensPerSecond()).isZero();
        assertThat(stats.prefillTokensPerSecond()).isZero();
    }
}
