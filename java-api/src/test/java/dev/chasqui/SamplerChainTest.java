package dev.chasqui;

import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class SamplerChainTest {

    /// Letters of the tiny vocabulary.
    private static final int A = letter('a');
    private static final int B = letter('b');
    private static final int C = letter('c');
    private static final int D = letter('d');

    private final Model model = TestModels.tiny();

    @Test
    void greedyTakesTheFirstOfEquals() {
        assertThat(pick(Sampler.greedy(), row(A, 1f, B, 2f, C, 2f))).isEqualTo(B);
    }

    @Test
    void distributionFollowsTheProbabilities() {
        int[] counts = new int[320];
        try (SamplerChain chain = model.newSamplerChain(Sampler.builder().seed(1).build())) {
            for (int i = 0; i < 4000; i++) {
                counts[chain.pick(probabilities(A, 0.5f, B, 0.3f, C, 0.2f))]++;
            }
        }

        // 4000 draws: five standard deviations are below 160.
        assertThat(counts[A]).isBetween(1840, 2160);
        assertThat(counts[B]).isBetween(1040, 1360);
        assertThat(counts[C]).isBetween(640, 960);
    }

    @Test
    void topKKeepsTheBest() {
        assertThat(picks(Sampler.builder().topK(2).seed(1), probabilities(A, 0.3f, B, 0.4f, C, 0.3f - 1e-3f))).containsExactly(A, B);
        assertThat(picks(Sampler.builder().topK(0).seed(1), probabilities(A, 0.3f, B, 0.4f, C, 0.3f))).containsExactly(A, B, C);
    }

    @Test
    void topPKeepsTheSmallestSetThatReachesIt() {
        float[] row = probabilities(A, 0.5f, B, 0.3f, C, 0.15f, D, 0.05f);

        assertThat(picks(Sampler.builder().topP(0.4f).seed(1), row)).containsExactly(A);
        assertThat(picks(Sampler.builder().topP(0.6f).seed(1), row)).containsExactly(A, B);
        assertThat(picks(Sampler.builder().topP(1).seed(1), row)).containsExactly(A, B, C, D);
        assertThat(picks(Sampler.builder().add(new Sampler.TopP(0.4f, 3)).seed(1), row)).containsExactly(A, B, C);
    }

    @Test
    void minPKeepsWhatIsProbableEnough() {
        float[] row = probabilities(A, 0.5f, B, 0.3f, C, 0.15f, D, 0.05f);

        assertThat(picks(Sampler.builder().minP(0.5f).seed(1), row)).containsExactly(A, B);
        assertThat(picks(Sampler.builder().minP(1).seed(1), row)).containsExactly(A);
        assertThat(picks(Sampler.builder().minP(0.05f).seed(1), row)).containsExactly(A, B, C, D);
    }

    /// The entropy is 1.14 nats, which B's 1.20 is nearest to.
    @Test
    void typicalKeepsTheTypicalAndNotTheBest() {
        float[] row = probabilities(A, 0.5f, B, 0.3f, C, 0.15f, D, 0.05f);

        assertThat(picks(Sampler.builder().typical(0.2f).seed(1), row)).containsExactly(B);
    }

    @Test
    void temperatureSharpensAndFlattens() {
        float[] row = probabilities(A, 0.6f, B, 0.4f);

        assertThat(picks(Sampler.builder().temperature(0).seed(1), row)).containsExactly(A);
        assertThat(picks(Sampler.builder().temperature(0.02f).seed(1), row)).containsExactly(A);
        assertThat(picks(Sampler.builder().temperature(3).seed(1), probabilities(A, 0.99f, B, 0.01f))).containsExactly(A, B);
    }

    /// Nearly certain, the temperature falls to about 0.1; nearly undecided, it rises to 2.
    @Test
    void dynamicTemperatureFollowsTheEntropy() {
        Sampler.Builder dynamic = Sampler.builder().dynamicTemperature(1, 1, 1).seed(1);

        assertThat(picks(dynamic, probabilities(A, 0.9f, B, 0.1f))).containsExactly(A);
        assertThat(picks(Sampler.builder().temperature(1).seed(1), probabilities(A, 0.9f, B, 0.1f))).containsExactly(A, B);
        assertThat(picks(dynamic, new float[320])).hasSizeGreaterThan(50);
    }

    @Test
    void topNSigmaKeepsWhatIsNearTheBest() {
        float[] row = new float[320];
        row[A] = 10;
        row[B] = 9.9f;
        row[C] = 5;

        assertThat(picks(Sampler.builder().topNSigma(1).temperature(3).seed(1), row)).containsExactly(A, B);
    }

    @Test
    void xtcExcludesTheTopChoices() {
        float[] row = probabilities(A, 0.5f, B, 0.3f, C, 0.15f, D, 0.05f);

        assertThat(picks(Sampler.builder().seed(1).xtc(1, 0.1f), row)).containsExactly(C, D);
        assertThat(picks(Sampler.builder().seed(1).xtc(0, 0.1f), row)).containsExactly(A, B, C, D);
    }

    @Test
    void mirostatKeepsTheSurpriseDown() {
        float[] row = probabilities(A, 0.5f, B, 0.3f, C, 0.15f, D, 0.05f);

        assertThat(picks(Sampler.builder().seed(1).mirostatV2(0.1f, 1e-4f), row)).containsExactly(A);
        assertThat(picks(Sampler.builder().seed(1).mirostatV2(10, 0.1f), row)).containsExactly(A, B, C, D);
        assertThat(picks(Sampler.builder().seed(1).mirostat(0.1f, 1e-4f), row)).containsExactly(A);
        assertThat(picks(Sampler.builder().seed(1).mirostat(10, 0.1f), row)).containsExactly(A, B, C, D);
    }

    @Test
    void adaptivePPrefersTheTargetProbability() {
        float[] row = probabilities(A, 0.55f, B, 0.3f, C, 0.1f, D, 0.05f);
        int[] counts = new int[320];
        try (SamplerChain chain = model.newSamplerChain(Sampler.builder().seed(1).adaptiveP(0.1f, 0.9f).build())) {
            for (int i = 0; i < 500; i++) {
                counts[chain.pick(row)]++;
            }
        }

        assertThat(counts[C]).isGreaterThan(counts[A]);
    }

    @Test
    void infillEndsWhereTheModelIsUnsure() {
        float[] row = probabilities(A, 0.2f, B, 0.2f, C, 0.2f, TinyGguf.END, 0.19f);

        assertThat(pick(Sampler.builder().greedy().build(), row)).isEqualTo(A);
        assertThat(pick(Sampler.builder().infill().greedy().build(), row)).isEqualTo(TinyGguf.END);
    }

    @Test
    void penaltiesPushBackWhatWasSaid() {
        float[] row = row(A, 4f, B, 3f);

        assertThat(afterAccepting(Sampler.builder().penalties(64, 2, 0, 0), row, A)).as("4 / 2 < 3").isEqualTo(B);
        assertThat(afterAccepting(Sampler.builder().penalties(64, 1, 0, 1.5f), row, A)).as("4 - 1.5 < 3").isEqualTo(B);
        assertThat(afterAccepting(Sampler.builder().penalties(64, 1, 0.6f, 0), row, A)).as("4 - 0.6 > 3").isEqualTo(A);
        assertThat(afterAccepting(Sampler.builder().penalties(64, 1, 0.6f, 0), row, A, A)).as("4 - 1.2 < 3").isEqualTo(B);
        assertThat(afterAccepting(Sampler.builder().penalties(1, 2, 0, 0), row, A, C)).as("A is too long ago").isEqualTo(A);
        assertThat(afterAccepting(Sampler.builder().penalties(0, 2, 5, 5), row, A)).as("off").isEqualTo(A);
    }

    @Test
    void dryPenalisesTheContinuationOfARepeat() {
        float[] row = row(C, 4f, D, 3f);
        Sampler.Builder dry = Sampler.builder().dry(2, 2, 2, 64);

        assertThat(afterAccepting(dry, row, A, B, C, A, B)).as("ab was followed by c").isEqualTo(D);
        assertThat(afterAccepting(dry, row, A, B, D, A, B)).isEqualTo(C);
        assertThat(afterAccepting(dry, row, B, C, A, B)).as("too short").isEqualTo(C);
    }

    @Test
    void logitBiasForbidsAndFavours() {
        float[] row = row(A, 4f, B, 3f, C, 0f);

        assertThat(pick(Sampler.builder().logitBias(Map.of(A, Float.NEGATIVE_INFINITY)).greedy().build(), row)).isEqualTo(B);
        assertThat(pick(Sampler.builder().logitBias(Map.of(C, 5f)).greedy().build(), row)).isEqualTo(C);
        assertThat(pick(Sampler.builder().logitBias(Map.of()).greedy().build(), row)).isEqualTo(A);
    }

    @Test
    void stagesRunInTheOrderGiven() {
        float[] row = row(A, 4f, B, 3f, C, 2f);
        Map<Integer, Float> favourC = Map.of(C, 10f);

        assertThat(pick(Sampler.builder().topK(2).logitBias(favourC).greedy().build(), row)).isEqualTo(A);
        assertThat(pick(Sampler.builder().logitBias(favourC).topK(2).greedy().build(), row)).isEqualTo(C);
    }

    @Test
    void samePickWithoutAccepting() {
        try (SamplerChain chain = model.newSamplerChain(Sampler.builder().penalties(64, 2, 0, 0).greedy().build())) {
            assertThat(chain.pick(row(A, 4f, B, 3f))).isEqualTo(A);
            assertThat(chain.pick(row(A, 4f, B, 3f))).isEqualTo(A);
        }
    }

    @Test
    void resetForgets() {
        float[] row = row(A, 4f, B, 3f);
        try (SamplerChain chain = model.newSamplerChain(Sampler.builder().penalties(64, 2, 0, 0).greedy().build())) {
            chain.accept(A);
            assertThat(chain.pick(row)).isEqualTo(B);
            chain.reset();
            assertThat(chain.pick(row)).isEqualTo(A);
        }
    }

    @Test
    void resetRestartsTheRandomNumbers() {
        try (SamplerChain chain = model.newSamplerChain(Sampler.builder().seed(3).build())) {
            int[] first = draw(chain, 30);
            int[] second = draw(chain, 30);
            chain.reset();

            assertThat(second).isNotEqualTo(first);
            assertThat(draw(chain, 30)).isEqualTo(first);
        }
    }

    @Test
    void forkHasTheSameStateAndItsOwnFuture() {
        try (SamplerChain chain = model.newSamplerChain(Sampler.builder().penalties(64, 2, 0, 0).seed(3).build())) {
            chain.accept(A);
            draw(chain, 5);
            try (SamplerChain fork = chain.fork()) {
                assertThat(draw(fork, 30)).isEqualTo(draw(chain, 30));
                chain.reset();
                assertThat(fork.sampler()).isEqualTo(chain.sampler());
            }
            assertThat(draw(chain, 3)).hasSize(3);
        }
    }

    @Test
    void seedRepeatsARun() {
        Sampler.Builder hot = Sampler.builder().temperature(1.5f);
        int[] first = run(hot.seed(1).build());

        assertThat(run(hot.seed(1).build())).isEqualTo(first);
        assertThat(run(hot.seed(2).build())).isNotEqualTo(first);
    }

    @Test
    void randomSeedIsToldAndRepeatsTheRun() {
        try (SamplerChain chain = model.newSamplerChain(Sampler.builder().build());
                SamplerChain other = model.newSamplerChain(Sampler.builder().build())) {
            int seed = chain.seed().orElseThrow();
            int[] drawn = draw(chain, 50);

            assertThat(other.seed()).isNotEqualTo(chain.seed());
            try (SamplerChain again = model.newSamplerChain(Sampler.builder().seed(seed).build())) {
                assertThat(again.seed()).hasValue(seed);
                assertThat(draw(again, 50)).isEqualTo(drawn);
            }
        }
    }

    @Test
    void nothingRandomHasNoSeed() {
        try (SamplerChain chain = model.newSamplerChain(Sampler.greedy())) {
            assertThat(chain.seed()).isEmpty();
        }
    }

    @Test
    void grammarAllowsOnlyItsSentences() {
        Grammar grammar = Grammar.of("""
                root ::= ("a" | "b") ("c" | "d") "."
                """);
        Set<String> seen = new TreeSet<>();
        for (int seed = 0; seed < 40; seed++) {
            seen.add(generate(Sampler.builder().temperature(3).seed(seed).build().constrainedBy(grammar)));
        }

        assertThat(seen).containsExactly("ac.", "ad.", "bc.", "bd.");
    }

    @Test
    void grammarWithRepetition() {
        Grammar grammar = new Grammar("start ::= [a-c]{3,5} \"x\"", "start", List.of(), List.of());
        for (int seed = 0; seed < 20; seed++) {
            assertThat(generate(Sampler.builder().seed(seed).build().constrainedBy(grammar))).matches("[a-c]{3,5}x");
        }
    }

    @Test
    void grammarWithWideCharacters() {
        Grammar grammar = Grammar.of("root ::= \"é\" [α-γ] \"😀\"");
        for (int seed = 0; seed < 10; seed++) {
            assertThat(generate(Sampler.builder().seed(seed).build().constrainedBy(grammar))).matches("é[α-γ]😀");
        }
    }

    /// Without the trigger x would come for ever.
    @Test
    void lazyGrammarWaitsForItsToken() {
        Grammar grammar = Grammar.of("root ::= \"x\" \"ab\"");
        Map<Integer, Float> favour = Map.of(letter('x'), 100f);
        Sampler.Builder triggered = Sampler.builder().logitBias(favour).grammar(grammar.after(List.of(), List.of(letter('x')))).greedy();
        Sampler.Builder waiting = Sampler.builder().logitBias(favour).grammar(grammar.after(List.of(), List.of(letter('y')))).greedy();

        assertThat(generate(triggered.build())).isEqualTo("xab");
        assertThat(generate(waiting.build())).isEqualTo("x".repeat(20));
    }

    @Test
    void lazyGrammarWaitsForItsPattern() {
        Grammar grammar = Grammar.of("root ::= \"x\" \"ab\"").after(List.of("xx(x)"), List.of());
        Map<Integer, Float> favour = Map.of(letter('x'), 100f);

        assertThat(generate(Sampler.builder().logitBias(favour).grammar(grammar).greedy().build())).isEqualTo("xxxab");
    }

    @Test
    void grammarDoesNotHearOfThePrompt() {
        Grammar grammar = Grammar.of("root ::= \"a\" \"b\"");
        Sampler sampler = Sampler.builder().grammar(grammar).penalties(64, 1.1f, 0, 0).greedy().build();

        assertThat(generate(sampler)).isEqualTo("ab");
    }

    @Test
    void resetRestartsTheGrammar() {
        Sampler sampler = Sampler.greedy().constrainedBy(Grammar.of("root ::= \"ab\""));
        try (Context context = model.newContext(small()); SamplerChain chain = model.newSamplerChain(sampler)) {
            Sequence sequence = context.newSequence();
            sequence.append(tokens(10, 1));
            int[] first = TestModels.next(sequence, chain, 3);
            chain.reset();

            assertThat(first[2]).isEqualTo(TinyGguf.END);
            assertThat(model.vocabulary().detokenize(TestModels.next(sequence, chain, 2))).isEqualTo("ab");
        }
    }

    /// END is all that the grammar allows and it is forbidden.
    @Test
    void grammarThatAllowsNothingIsAnError() {
        Sampler sampler = Sampler.builder().grammar(Grammar.of("root ::= \"a\""))
                .logitBias(Map.of(TinyGguf.END, Float.NEGATIVE_INFINITY)).greedy().build();
        try (Context context = model.newContext(small()); SamplerChain chain = model.newSamplerChain(sampler)) {
            Sequence sequence = context.newSequence();
            sequence.append(tokens(10, 1));
            assertThat(model.vocabulary().detokenize(sequence.next(chain))).isEqualTo("a");

            assertThatExceptionOfType(RuntimeException.class).isThrownBy(() -> sequence.next(chain))
                    .isInstanceOfAny(GrammarException.class, IllegalStateException.class);
            assertThat(sequence.length()).isEqualTo(11);
            assertThat(TestModels.greedy(sequence, 3)).hasSize(3);
        }
    }

    @Test
    void badGrammarsSayWhatIsWrong() {
        for (String bad : List.of("", "root ::= (", "root ::= \"a", "root ::= undefined", "other ::= \"a\"", "root ::= [a", "::=",
                "root ::= root \"a\"", "root ::= \"a\"{3,1}", "root ::= \"a\"{9999999999}", "root ::= \\", "root = \"a\"")) {
            assertThatExceptionOfType(GrammarException.class).as(bad)
                    .isThrownBy(() -> model.newSamplerChain(Sampler.greedy().constrainedBy(Grammar.of(bad))))
                    .satisfies(e -> assertThat(e.getMessage()).isNotBlank());
        }
        assertThatIllegalArgumentException().isThrownBy(
                () -> model.newSamplerChain(Sampler.greedy().constrainedBy(Grammar.of("root ::= \"a\0b\""))));
    }

    @Test
    void valuesOutOfRangeAreRefused() {
        float nan = Float.NaN;
        float infinite = Float.POSITIVE_INFINITY;
        List<Sampler.Stage> bad = List.of(
                new Sampler.TopP(nan, 1), new Sampler.TopP(-0.1f, 1), new Sampler.TopP(1.1f, 1), new Sampler.TopP(0.5f, -1),
                new Sampler.MinP(nan, 1), new Sampler.MinP(2, 1), new Sampler.Typical(nan, 1), new Sampler.Typical(infinite, 1),
                new Sampler.Temperature(nan), new Sampler.Temperature(infinite),
                new Sampler.DynamicTemperature(nan, 0, 1), new Sampler.DynamicTemperature(1, -1, 1),
                new Sampler.DynamicTemperature(1, 0, infinite), new Sampler.TopNSigma(nan),
                new Sampler.Xtc(2, 0.1f, 1, 1), new Sampler.Xtc(0.5f, -1, 1, 1), new Sampler.Xtc(0.5f, nan, 1, 1),
                new Sampler.Mirostat(0, 0.1f, 100, 1), new Sampler.Mirostat(5, nan, 100, 1), new Sampler.Mirostat(5, 0.1f, 1, 1),
                new Sampler.MirostatV2(-1, 0.1f, 1), new Sampler.MirostatV2(5, 0, 1),
                new Sampler.AdaptiveP(2, 0.5f, 1), new Sampler.AdaptiveP(nan, 0.5f, 1), new Sampler.AdaptiveP(0.5f, 1, 1),
                new Sampler.Penalties(-1, 1, 0, 0), new Sampler.Penalties(Integer.MAX_VALUE, 1, 0, 0),
                new Sampler.Penalties(64, 0, 0, 0), new Sampler.Penalties(64, nan, 0, 0), new Sampler.Penalties(64, 1, infinite, 0),
                new Sampler.Dry(-1, 2, 2, 64, List.of()), new Sampler.Dry(1, 0.5f, 2, 64, List.of()),
                new Sampler.Dry(1, 2, -1, 64, List.of()), new Sampler.Dry(1, 2, 2, Integer.MAX_VALUE, List.of()),
                new Sampler.Dry(1, 2, 2, 64, List.of("a\0b")),
                new Sampler.LogitBias(Map.of(-1, 1f)), new Sampler.LogitBias(Map.of(320, 1f)),
                new Sampler.LogitBias(Map.of(5, nan)), new Sampler.LogitBias(Map.of(5, infinite)));
        for (Sampler.Stage stage : bad) {
            List<Sampler.Stage> stages = stage.picks() ? List.of(stage) : List.of(stage, new Sampler.Greedy());
            assertThatIllegalArgumentException().as(stage.toString()).isThrownBy(() -> model.newSamplerChain(new Sampler(stages)))
                    .satisfies(e -> assertThat(e.getMessage()).isNotBlank());
        }
    }

    @Test
    void wrongRowsAreRefused() {
        try (SamplerChain chain = model.newSamplerChain(Sampler.greedy())) {
            assertThatIllegalArgumentException().isThrownBy(() -> chain.pick(new float[319])).withMessageContaining("319");
            assertThatIllegalArgumentException().isThrownBy(() -> chain.pick(new float[0]));
            assertThatNullPointerException().isThrownBy(() -> chain.pick(null));
            assertThatIllegalArgumentException().isThrownBy(() -> chain.accept(-1)).withMessageContaining("-1");
            assertThatIllegalArgumentException().isThrownBy(() -> chain.accept(320)).withMessageContaining("320");
            assertThat(chain.pick(row(B, 1f))).isEqualTo(B);
        }
    }

    @Test
    void rowsWithoutANumberAreRefused() {
        float[] none = new float[320];
        for (float value : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
            Arrays.fill(none, value);
            for (Sampler sampler : List.of(Sampler.greedy(), Sampler.standard(), Sampler.builder().mirostat(5, 0.1f).build(),
                    Sampler.builder().mirostatV2(5, 0.1f).build(), Sampler.builder().typical(0.5f).build(),
                    Sampler.builder().topNSigma(1).build(), Sampler.builder().xtc(1, 0.1f).build(),
                    Sampler.builder().adaptiveP(0.5f, 0.5f).build(), Sampler.builder().infill().build(),
                    Sampler.builder().dynamicTemperature(1, 0.5f, 1).build())) {
                try (SamplerChain chain = model.newSamplerChain(sampler)) {
                    assertThatIllegalStateException().as(sampler + " of " + value).isThrownBy(() -> chain.pick(none));
                }
            }
        }
    }

    @Test
    void someNotANumberIsIgnored() {
        float[] row = row(A, 1f, B, Float.NaN);

        assertThat(pick(Sampler.greedy(), row)).isEqualTo(A);
        assertThat(picks(Sampler.builder().topK(40).temperature(0.8f).seed(1), row)).containsExactly(A);
    }

    @Test
    void closedChainIsRefused() {
        SamplerChain chain = model.newSamplerChain(Sampler.greedy());
        chain.close();
        chain.close();

        assertThatIllegalStateException().isThrownBy(() -> chain.accept(3)).withMessage("sampler chain is closed");
        assertThatIllegalStateException().isThrownBy(() -> chain.pick(new float[320])).withMessage("sampler chain is closed");
        assertThatIllegalStateException().isThrownBy(chain::reset).withMessage("sampler chain is closed");
        assertThatIllegalStateException().isThrownBy(chain::seed).withMessage("sampler chain is closed");
        assertThatIllegalStateException().isThrownBy(chain::fork).withMessage("sampler chain is closed");
    }

    static int letter(char c) {
        Vocabulary vocabulary = TestModels.tiny().vocabulary();
        for (int token = 0; token < vocabulary.size(); token++) {
            if (token >= TinyGguf.FIRST_BYTE + 256 && Arrays.equals(vocabulary.piece(token), new byte[] {(byte) c})) {
                return token;
            }
        }
        throw new AssertionError(c);
    }

    /// Every other token is out of the question.
    private static float[] row(Object... tokensAndLogits) {
        float[] row = new float[320];
        Arrays.fill(row, -80);
        for (int i = 0; i < tokensAndLogits.length; i += 2) {
            row[(int) tokensAndLogits[i]] = (float) tokensAndLogits[i + 1];
        }
        return row;
    }

    private static float[] probabilities(Object... tokensAndProbabilities) {
        Object[] logits = tokensAndProbabilities.clone();
        for (int i = 1; i < logits.length; i += 2) {
            logits[i] = (float) Math.log((float) logits[i]);
        }
        return row(logits);
    }

    private int pick(Sampler sampler, float[] row) {
        try (SamplerChain chain = model.newSamplerChain(sampler)) {
            return chain.pick(row);
        }
    }

    /// The different tokens of 400 picks.
    private Set<Integer> picks(Sampler.Builder sampler, float[] row) {
        Set<Integer> picked = new TreeSet<>();
        try (SamplerChain chain = model.newSamplerChain(sampler.build())) {
            for (int i = 0; i < 400; i++) {
                picked.add(chain.pick(row));
            }
        }
        return picked;
    }

    private int afterAccepting(Sampler.Builder sampler, float[] row, int... accepted) {
        try (SamplerChain chain = model.newSamplerChain(Sampler.builder().add(sampler.build().stages().getFirst()).greedy().build())) {
            for (int token : accepted) {
                chain.accept(token);
            }
            return chain.pick(row);
        }
    }

    private static int[] draw(SamplerChain chain, int count) {
        int[] drawn = new int[count];
        Arrays.setAll(drawn, i -> chain.pick(new float[320]));
        return drawn;
    }

    private int[] run(Sampler sampler) {
        try (Context context = model.newContext(small()); SamplerChain chain = model.newSamplerChain(sampler)) {
            Sequence sequence = context.newSequence();
            sequence.append(tokens(20, 1));
            return TestModels.next(sequence, chain, 30);
        }
    }

    /// At most 20 tokens after a prompt.
    private String generate(Sampler sampler) {
        try (Context context = model.newContext(small())) {
            return context.newSequence()
                    .generate(tokens(20, 1), GenerationOptions.defaults().withMaxTokens(20).withSampler(sampler)).text();
        }
    }
}
