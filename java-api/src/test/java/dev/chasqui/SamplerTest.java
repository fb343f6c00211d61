package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class SamplerTest {

    @Test
    void greedyIsOneStage() {
        assertThat(Sampler.greedy().stages()).containsExactly(new Sampler.Greedy());
        assertThat(Sampler.greedy()).isEqualTo(Sampler.builder().greedy().build());
    }

    @Test
    void standardIsTheUsualChain() {
        assertThat(Sampler.standard().stages()).containsExactly(
                new Sampler.TopK(40), new Sampler.TopP(0.95f, 1), new Sampler.MinP(0.05f, 1),
                new Sampler.Temperature(0.8f), new Sampler.Distribution(Sampler.RANDOM_SEED));
    }

    @Test
    void standardWithoutTemperatureIsGreedy() {
        assertThat(Sampler.standard(0, 7)).isEqualTo(Sampler.greedy());
        assertThat(Sampler.standard(-1, 7)).isEqualTo(Sampler.greedy());
        assertThat(Sampler.standard(0.5f, 7).stages())
                .contains(new Sampler.Temperature(0.5f))
                .endsWith(new Sampler.Distribution(7));
    }

    @Test
    void stagesKeepTheOrderOfTheCalls() {
        assertThat(Sampler.builder().temperature(2).topK(3).greedy().build().stages())
                .containsExactly(new Sampler.Temperature(2), new Sampler.TopK(3), new Sampler.Greedy());
        assertThat(Sampler.builder().topK(3).temperature(2).greedy().build().stages())
                .containsExactly(new Sampler.TopK(3), new Sampler.Temperature(2), new Sampler.Greedy());
    }

    @Test
    void builderEndsWithADistribution() {
        assertThat(Sampler.builder().build().stages()).containsExactly(new Sampler.Distribution(Sampler.RANDOM_SEED));
        assertThat(Sampler.builder().topK(1).seed(5).build().stages()).endsWith(new Sampler.Distribution(5));
        assertThat(Sampler.builder().mirostatV2(5, 0.1f).build().stages()).hasSize(1);
    }

    @Test
    void seedGoesToTheStagesThatFollow() {
        List<Sampler.Stage> stages = Sampler.builder().xtc(0.5f, 0.1f).seed(9).xtc(0.5f, 0.1f).build().stages();

        assertThat(stages).containsExactly(
                new Sampler.Xtc(0.5f, 0.1f, 1, Sampler.RANDOM_SEED), new Sampler.Xtc(0.5f, 0.1f, 1, 9), new Sampler.Distribution(9));
    }

    @Test
    void builderCanGoOn() {
        Sampler.Builder builder = Sampler.builder().topK(2);
        Sampler first = builder.build();
        builder.topP(0.5f);

        assertThat(first.stages()).hasSize(2);
        assertThat(builder.build().stages()).hasSize(3);
    }

    @Test
    void refusesAChainThatDoesNotPick() {
        assertThatIllegalArgumentException().isThrownBy(() -> new Sampler(List.of()));
        assertThatIllegalArgumentException().isThrownBy(() -> new Sampler(List.of(new Sampler.TopK(5))))
                .withMessageContaining("pick");
    }

    @Test
    void refusesAChainThatPicksInTheMiddle() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new Sampler(List.of(new Sampler.Greedy(), new Sampler.TopK(5), new Sampler.Greedy())));
        assertThatIllegalArgumentException().isThrownBy(() -> Sampler.builder().greedy().topK(5).build());
    }

    @Test
    void refusesNull() {
        assertThatNullPointerException().isThrownBy(() -> new Sampler(null));
        assertThatNullPointerException().isThrownBy(() -> new Sampler(Arrays.asList(null, new Sampler.Greedy())));
        assertThatNullPointerException().isThrownBy(() -> Sampler.builder().add(null));
        assertThatNullPointerException().isThrownBy(() -> Sampler.greedy().constrainedBy(null));
        assertThatNullPointerException().isThrownBy(() -> new Sampler.LogitBias(null));
        assertThatNullPointerException().isThrownBy(() -> new Sampler.Dry(1, 2, 2, 64, null));
        assertThatNullPointerException().isThrownBy(() -> Grammar.of((String) null));
    }

    @Test
    void isImmutable() {
        List<Sampler.Stage> stages = new ArrayList<>(List.of(new Sampler.Greedy()));
        Sampler sampler = new Sampler(stages);
        stages.add(new Sampler.TopK(1));
        Map<Integer, Float> biases = new HashMap<>(Map.of(1, 2f));
        Sampler.LogitBias bias = new Sampler.LogitBias(biases);
        biases.put(2, 3f);

        assertThat(sampler.stages()).hasSize(1);
        assertThat(bias.biases()).isEqualTo(Map.of(1, 2f));
        assertThatThrownBy(() -> sampler.stages().add(new Sampler.TopK(1))).isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void grammarGoesFirst() {
        Grammar grammar = Grammar.of("root ::= \"a\"");

        assertThat(Sampler.greedy().constrainedBy(grammar).stages())
                .containsExactly(new Sampler.Constraint(grammar), new Sampler.Greedy());
    }

    @Test
    void grammarIsLazyWithATrigger() {
        Grammar grammar = Grammar.of("root ::= \"a\"");

        assertThat(grammar.root()).isEqualTo("root");
        assertThat(grammar.isLazy()).isFalse();
        assertThat(grammar.after(List.of("x"), List.of()).isLazy()).isTrue();
        assertThat(grammar.after(List.of(), List.of(3)).isLazy()).isTrue();
    }

    @Test
    void penaltiesAndDryLookBack() {
        assertThat(Sampler.standard().looksBack()).isFalse();
        assertThat(Sampler.builder().penalties(64, 1.1f, 0, 0).build().looksBack()).isTrue();
        assertThat(Sampler.builder().dry(0.8f, 1.75f, 2, 64).build().looksBack()).isTrue();
    }
}
