package dev.chasqui;

import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.speculation.Speculation;
import dev.chasqui.speculation.SpeculationStats;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class RoutingTest {

    private static final GenerationOptions GREEDY = GenerationOptions.defaults()
            .withSampler(Sampler.greedy()).withMaxTokens(60).withIgnoreEnd(true).withSpeculation(Speculation.off());

    private static Model large;

    private final Model model = TestModels.tiny();

    @BeforeAll
    static void load() throws IOException {
        Path file = TestModels.directory().resolve("large.gguf");
        Files.write(file, TinyGguf.builder().seed(77).writer().bytes());
        large = Model.load(file);
    }

    @AfterAll
    static void close() {
        large.close();
    }

    private record Answer(int[] tokens, String text, GenerationStats stats) { }

    private static Answer answer(Model model, GenerationOptions options) {
        try (Context context = model.newContext(small()); Sequence sequence = context.newSequence();
                Generation generation = sequence.generate(tokens(20, 1), options)) {
            String text = generation.text();
            return new Answer(sequence.tokens(), text, generation.stats());
        }
    }

    @Test
    void alwaysAskedItIsTheLargeModelsAnswerAndNeverAskedTheSmallOnes() {
        Answer ofLarge = answer(large, GREEDY);
        Answer ofSmall = answer(model, GREEDY);
        assertThat(ofLarge.tokens()).isNotEqualTo(ofSmall.tokens());
        Answer always = answer(model, GREEDY.withRouting(Routing.to(large).withEntropy(0)));
        assertThat(always.tokens()).isEqualTo(ofLarge.tokens());
        assertThat(always.text()).isEqualTo(ofLarge.text());
        assertThat(always.stats().routedTokens()).isEqualTo(60);
        Answer never = answer(model, GREEDY.withRouting(Routing.to(large).withEntropy(Double.POSITIVE_INFINITY)));
        assertThat(never.tokens()).isEqualTo(ofSmall.tokens());
        assertThat(never.stats().routedTokens()).isZero();
    }

    @Test
    void inBetweenSomeTokensAreTheLargeModels() {
        double middle = 0;
        try (Context context = model.newContext(small()); Sequence sequence = context.newSequence()) {
            sequence.append(tokens(20, 1));
            middle = Router.entropy(sequence.logits());
        }
        Answer mixed = answer(model, GREEDY.withRouting(Routing.to(large).withEntropy(middle)));
        assertThat(mixed.stats().routedTokens()).isBetween(1, 59);
        assertThat(mixed.stats().speculation()).isEqualTo(SpeculationStats.NONE);
        assertThat(mixed.stats().generatedTokens()).isEqualTo(60);
    }

    /// A grammar hears of the larger model's tokens as of the small one's.
    @Test
    void grammarsHold() {
        GenerationOptions options = GREEDY.withSampler(Sampler.greedy().constrainedBy(Grammar.of("root ::= (\"ab\" [cd])+"))).withMaxTokens(40);
        for (double threshold : new double[] {0, 0.5, 1}) {
            String text = answer(model, options.withRouting(Routing.to(large).withEntropy(threshold))).text();
            assertThat(text).matches("(ab[cd])+(a|ab)?");
        }
    }

    @Test
    void entropyIsThatOfTheProbabilities() {
        assertThat(Router.entropy(new float[] {1, 1, 1, 1})).isCloseTo(Math.log(4), within(1e-9));
        assertThat(Router.entropy(new float[] {100, 0, Float.NEGATIVE_INFINITY})).isCloseTo(0, within(1e-9));
        double p = 1 / (1 + Math.E);
        assertThat(Router.entropy(new float[] {3, 2})).isCloseTo(-p * Math.log(p) - (1 - p) * Math.log(1 - p), within(1e-6));
    }

    @Test
    void otherVocabulariesAreRefused() throws IOException {
        Path file = TestModels.directory().resolve("other.gguf");
        Files.write(file, TestModels.tinyWithPiece("another"));
        try (Model other = Model.load(file)) {
            assertThatIllegalArgumentException().isThrownBy(() -> answer(model, GREEDY.withRouting(Routing.to(other))))
                    .withMessageContaining("vocabulary");
        }
        assertThatIllegalArgumentException().isThrownBy(() -> Routing.to(large).withEntropy(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> Routing.to(large).withEntropy(Double.NaN));
    }
}
