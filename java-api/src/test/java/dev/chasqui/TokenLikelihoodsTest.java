package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.analysis.LikelihoodSummary;
import dev.chasqui.analysis.TokenLikelihoods;
import dev.chasqui.analysis.TokenLikelihoods.Alternative;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class TokenLikelihoodsTest {

    private static final Offset<Double> CLOSE = within(2e-3);

    private final Model model = TestModels.tiny();
    private final int[] prompt = tokens(30, 1);
    private final int[] more = tokens(50, 7);
    private Context context;
    private Sequence sequence;

    @BeforeEach
    void open() {
        context = model.newContext(small().withMaxSequences(3));
        sequence = context.newSequence();
    }

    @AfterEach
    void close() {
        context.close();
    }

    @Test
    void areThoseOfTheFullLogits() {
        sequence.append(prompt);
        Sequence stepwise = sequence.fork();
        TokenLikelihoods likelihoods = sequence.likelihoods(5, more);

        assertThat(likelihoods.size()).isEqualTo(50);
        assertThat(likelihoods.firstKnown()).isZero();
        for (int i = 0; i < more.length; i++) {
            compare(likelihoods, i, stepwise.logits());
            stepwise.append(more[i]);
        }
        assertThat(sequence.tokens()).isEqualTo(concat(prompt, more));
        assertThat(TestModels.greedy(sequence, 10)).isEqualTo(TestModels.greedy(stepwise, 10));
    }

    /// Plain arithmetic on one row.
    private void compare(TokenLikelihoods likelihoods, int i, float[] logits) {
        double sum = IntStream.range(0, logits.length).mapToDouble(t -> Math.exp(logits[t])).sum();
        double[] p = IntStream.range(0, logits.length).mapToDouble(t -> Math.exp(logits[t]) / sum).toArray();
        List<Integer> order = new ArrayList<>(IntStream.range(0, p.length).boxed().toList());
        order.sort(Comparator.comparing(t -> -logits[t]));
        int token = more[i];
        assertThat(likelihoods.token(i)).isEqualTo(token);
        assertThat((double) likelihoods.logProbability(i)).isCloseTo(Math.log(p[token]), CLOSE);
        assertThat((double) likelihoods.entropy(i)).isCloseTo(-Arrays.stream(p).map(x -> x * Math.log(x)).sum(), CLOSE);
        assertThat((double) likelihoods.bestLogProbability(i)).isCloseTo(Math.log(p[order.get(0)]), CLOSE);
        assertThat((double) likelihoods.margin(i)).isCloseTo(Math.log(p[order.get(0)] / p[order.get(1)]), CLOSE);
        // rounding differs from batch to batch, so tokens that are nearly as probable may change places
        double slack = 2e-3;
        assertThat(likelihoods.rank(i)).isBetween(
                1 + above(logits, logits[token] + slack), above(logits, logits[token] - slack));
        assertThat(likelihoods.quantile(i)).isEqualTo((float) (likelihoods.rank(i) / 320.0));
        assertThat((double) likelihoods.mass(i)).isCloseTo(order.stream().limit(likelihoods.rank(i)).mapToDouble(t -> p[t]).sum(), CLOSE);
        assertThat(likelihoods.alternatives(i)).hasSize(5).allSatisfy(a -> assertThat((double) a.logProbability()).isCloseTo(Math.log(p[a.token()]), CLOSE))
                .isSortedAccordingTo(Comparator.comparing(Alternative::logProbability).reversed());
        assertThat((double) likelihoods.alternatives(i).getLast().logProbability()).isCloseTo(Math.log(p[order.get(4)]), CLOSE);
        assertThat(likelihoods.features(i)).containsExactly(likelihoods.entropy(i), likelihoods.bestLogProbability(i), likelihoods.logProbability(i),
                likelihoods.quantile(i), likelihoods.mass(i));
    }

    private static int above(float[] logits, double limit) {
        return (int) IntStream.range(0, logits.length).filter(t -> logits[t] > limit).count();
    }

    @Test
    void inBatchesAreThoseAtOnce() {
        TokenLikelihoods atOnce = sequence.likelihoods(2, more);
        for (int rows : new int[] {1, 3, 50}) {
            try (Context narrow = model.newContext(small().withMaxLogitRows(rows))) {
                TokenLikelihoods inBatches = narrow.newSequence().likelihoods(2, more);
                for (int i = 1; i < more.length; i++) {
                    assertThat(inBatches.features(i)).usingComparatorWithPrecision(0.02f).containsExactly(atOnce.features(i));
                    assertThat(inBatches.logProbability(i)).isCloseTo(atOnce.logProbability(i), within(1e-3f));
                }
            }
        }
    }

    @Test
    void nothingIsKnownOfTheFirstToken() {
        TokenLikelihoods likelihoods = sequence.likelihoods(2, more);

        assertThat(likelihoods.firstKnown()).isEqualTo(1);
        assertThat(likelihoods.logProbability(0)).isNaN();
        assertThat(likelihoods.margin(0)).isNaN();
        assertThat(likelihoods.rank(0)).isZero();
        assertThat(likelihoods.alternatives(0)).isEmpty();
        assertThat(likelihoods.logProbability(1)).isNegative();
        assertThat(likelihoods.summary().tokens()).isEqualTo(49);
        assertThat(context.newSequence().likelihoods(0, 5).summary().logProbability()).isNaN();
        assertThat(sequence.likelihoods(3).size()).isZero();
    }

    @Test
    void nothingAfterTokensThatAreNotComputed() {
        sequence.append(prompt);
        sequence.push(3);
        sequence.push(4);
        sequence.push(5);
        assertThat(sequence.score()).isEmpty();
        assertThat(sequence.likelihoods(1).size()).isZero();
        assertThat(sequence.length()).isEqualTo(33);
    }

    @Test
    void summaryIsTheMean() {
        sequence.append(prompt);
        TokenLikelihoods likelihoods = sequence.likelihoods(0, more);
        LikelihoodSummary summary = likelihoods.summary();

        double logProbability = IntStream.range(0, 50).mapToDouble(likelihoods::logProbability).sum() / 50;
        assertThat(summary.tokens()).isEqualTo(50);
        assertThat(summary.logProbability()).isCloseTo(logProbability, within(1e-9));
        assertThat(summary.perplexity()).isCloseTo(Math.exp(-logProbability), within(1e-6));
        assertThat(summary.surprise()).isCloseTo(-logProbability / (IntStream.range(0, 50).mapToDouble(likelihoods::entropy).sum() / 50), within(1e-6));
        assertThat(summary.logRank()).isCloseTo(IntStream.range(0, 50).mapToDouble(i -> Math.log(likelihoods.rank(i))).sum() / 50, within(1e-9));
        assertThat(summary.firstShare()).isEqualTo(IntStream.range(0, 50).filter(i -> likelihoods.rank(i) == 1).count() / 50.0);
        assertThat(likelihoods.alternatives(3)).isEmpty();
    }

    @Test
    void whatTheModelWouldSayIsItsFirstChoice() {
        sequence.append(prompt);
        Sequence writer = sequence.fork();
        TokenLikelihoods likelihoods = sequence.likelihoods(1, TestModels.greedy(writer, 20));
        for (int i = 0; i < 20; i++) {
            if (likelihoods.margin(i) > 0.01f) {
                assertThat(likelihoods.rank(i)).isEqualTo(1);
                assertThat(likelihoods.alternatives(i).getFirst().token()).isEqualTo(likelihoods.token(i));
            }
        }
        assertThat(likelihoods.summary().firstShare()).isGreaterThan(0.9);
    }

    @Test
    void ofATextComesAfterTheBeginningOfText() {
        int[] words = model.vocabulary().tokenize("the river");
        TokenLikelihoods likelihoods = TokenLikelihoods.of(context, "the river", 1);
        sequence.append(TinyGguf.BEGIN);

        assertThat(likelihoods.size()).isEqualTo(words.length);
        assertThat(likelihoods.firstKnown()).isZero();
        assertThat(likelihoods.summary().logProbability()).isCloseTo(sequence.likelihoods(0, words).summary().logProbability(), within(1e-3));
    }

    @Test
    void refuses() {
        sequence.append(prompt);
        assertThatIllegalArgumentException().isThrownBy(() -> sequence.likelihoods(-1, more));
        assertThatIllegalArgumentException().isThrownBy(() -> sequence.likelihoods(321, more));
        assertThatIllegalArgumentException().isThrownBy(() -> sequence.likelihoods(1, 3, 320));
        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> sequence.likelihoods(1, tokens(483, 9)));
        assertThat(sequence.tokens()).isEqualTo(prompt);
        assertThat(sequence.likelihoods(320, more).alternatives(0)).hasSize(320);
        assertThatIllegalArgumentException().isThrownBy(() -> new TokenLikelihoods(9, new int[3], 0, new float[3], new int[3], new float[3], new float[2], 0,
                new int[6], new float[6]));
        assertThatIllegalArgumentException().isThrownBy(() -> new TokenLikelihoods(9, new int[3], 0, new float[3], new int[3], new float[3], new float[3], 3,
                new int[6], new float[6]));
    }
}
