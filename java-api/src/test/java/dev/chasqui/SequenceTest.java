package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.fresh;
import static dev.chasqui.TestModels.greedy;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class SequenceTest {

    private static final Offset<Float> CLOSE = within(1e-3f);

    private final Model model = TestModels.tiny();
    private final int[] prompt = tokens(60, 1);
    private Context context;
    private Sequence sequence;

    @BeforeEach
    void open() {
        context = model.newContext(small().withMaxSequences(4));
        sequence = context.newSequence();
    }

    @AfterEach
    void close() {
        context.close();
    }

    @Test
    void appendInPiecesIsAppendAtOnce() {
        sequence.append(prompt);
        Sequence other = context.newSequence();
        for (int from = 0, size = 1; from < prompt.length; from += size, size = size * 2 + 1) {
            other.append(Arrays.copyOfRange(prompt, from, Math.min(prompt.length, from + size)));
        }

        assertThat(other.tokens()).isEqualTo(prompt);
        assertThat(other.logits()).hasSize(320).usingComparatorWithPrecision(1e-3f).containsExactly(sequence.logits());
        assertThat(greedy(other, 20)).isEqualTo(greedy(sequence, 20));
    }

    @Test
    void appendNothingChangesNothing() {
        sequence.append();
        assertThat(sequence.length()).isZero();
        sequence.append(prompt);
        sequence.append();
        assertThat(sequence.tokens()).isEqualTo(prompt);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
    }

    @Test
    void appendOfTextBeginsTheText() {
        sequence.append("the river");
        assertThat(sequence.tokens()).startsWith(TinyGguf.BEGIN);
        int before = sequence.length();
        sequence.append(" is</s>");

        assertThat(Arrays.copyOfRange(sequence.tokens(), before, sequence.length()))
                .isEqualTo(model.vocabulary().tokenize(" is</s>"))
                .doesNotContain(TinyGguf.BEGIN, TinyGguf.END);
    }

    @Test
    void tokensIsACopy() {
        sequence.append(prompt);
        sequence.tokens()[0] = 0;

        assertThat(sequence.tokens()).isEqualTo(prompt);
    }

    @Test
    void wrongTokensChangeNothing() {
        sequence.append(prompt);
        for (int wrong : new int[] {-1, 320, Integer.MIN_VALUE, Integer.MAX_VALUE}) {
            assertThatIllegalArgumentException().isThrownBy(() -> sequence.append(3, wrong)).withMessageContaining(String.valueOf(wrong));
            assertThatIllegalArgumentException().isThrownBy(() -> sequence.push(wrong));
            assertThatIllegalArgumentException().isThrownBy(() -> sequence.score(3, wrong));
        }

        assertThat(sequence.tokens()).isEqualTo(prompt);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
    }

    @Test
    void setOfWrongTokensChangesNothing() {
        sequence.append(prompt);

        assertThatIllegalArgumentException().isThrownBy(() -> sequence.set(prompt[0], prompt[1], -1));
        assertThatIllegalArgumentException().isThrownBy(() -> sequence.set(320));
        assertThatNullPointerException().isThrownBy(() -> sequence.set((int[]) null));
        assertThat(sequence.tokens()).isEqualTo(prompt);
    }

    @Test
    void setReusesTheCommonPrefix() {
        sequence.append(Arrays.copyOf(prompt, 40));

        assertThat(sequence.set(prompt)).isEqualTo(40);
        assertThat(sequence.tokens()).isEqualTo(prompt);
        assertThat(sequence.set(prompt)).as("nothing to do").isEqualTo(60);

        int[] changed = concat(Arrays.copyOf(prompt, 30), tokens(10, 2));
        int common = Arrays.mismatch(changed, prompt);
        assertThat(sequence.set(changed)).isEqualTo(common);
        assertThat(sequence.tokens()).isEqualTo(changed);
        assertThat(greedy(sequence, 10)).isEqualTo(fresh(model, changed, 10));
    }

    @Test
    void setOfAPrefixComputesItsLastTokenAgain() {
        sequence.append(prompt);

        assertThat(sequence.set(Arrays.copyOf(prompt, 30))).isEqualTo(29);
        assertThat(greedy(sequence, 10)).isEqualTo(fresh(model, Arrays.copyOf(prompt, 30), 10));
    }

    @Test
    void setAfterAnotherSequenceComputesTheLastTokenAgain() {
        sequence.append(prompt);
        context.newSequence().append(tokens(5, 3));

        assertThat(sequence.set(prompt)).isEqualTo(59);
        assertThat(greedy(sequence, 10)).isEqualTo(fresh(model, prompt, 10));
    }

    @Test
    void setOfNothingEmpties() {
        sequence.append(prompt);

        assertThat(sequence.set()).isZero();
        assertThat(sequence.length()).isZero();
        assertThat(sequence.room()).isEqualTo(512);
        assertThatIllegalStateException().isThrownBy(() -> sequence.logits());
    }

    @Test
    void rewindAndGoOnIsAFreshSequence() {
        sequence.append(prompt);
        greedy(sequence, 10);
        sequence.rewind(33);
        assertThat(sequence.tokens()).isEqualTo(Arrays.copyOf(prompt, 33));
        int[] more = tokens(12, 4);
        sequence.append(more);

        assertThat(greedy(sequence, 10)).isEqualTo(fresh(model, concat(Arrays.copyOf(prompt, 33), more), 10));
    }

    @Test
    void rewindToTheEndKeepsEverything() {
        sequence.append(prompt);
        sequence.rewind(60);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));

        sequence.rewind(0);
        assertThat(sequence.length()).isZero();
        sequence.append(prompt);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
    }

    @Test
    void rewindBeforeAnUncomputedToken() {
        sequence.append(prompt);
        greedy(sequence, 1); // picked, not computed yet
        sequence.rewind(60);

        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
    }

    @Test
    void rewindOutOfRangeIsRefused() {
        sequence.append(prompt);

        assertThatIllegalArgumentException().isThrownBy(() -> sequence.rewind(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> sequence.rewind(61)).withMessageContaining("61").withMessageContaining("60");
        assertThat(sequence.tokens()).isEqualTo(prompt);
    }

    @Test
    void forkGoesItsOwnWay() {
        sequence.append(prompt);
        Sequence fork = sequence.fork();
        int[] left = tokens(9, 5);
        int[] right = tokens(7, 6);
        sequence.append(left);
        fork.append(right);

        assertThat(fork.tokens()).isEqualTo(concat(prompt, right));
        assertThat(greedy(fork, 10)).isEqualTo(fresh(model, concat(prompt, right), 10));
        assertThat(greedy(sequence, 10)).isEqualTo(fresh(model, concat(prompt, left), 10));
        fork.close();
        assertThat(greedy(sequence, 10)).hasSize(10);
    }

    @Test
    void forkWithAnUncomputedToken() {
        sequence.append(prompt);
        int[] expected = fresh(model, prompt, 12);
        assertThat(greedy(sequence, 2)).isEqualTo(Arrays.copyOf(expected, 2));
        Sequence fork = sequence.fork();

        assertThat(greedy(fork, 10)).isEqualTo(Arrays.copyOfRange(expected, 2, 12));
        assertThat(greedy(sequence, 10)).isEqualTo(Arrays.copyOfRange(expected, 2, 12));
    }

    @Test
    void forkOutlivesTheOriginal() {
        sequence.append(prompt);
        Sequence fork = sequence.fork();
        sequence.close();

        assertThat(greedy(fork, 10)).isEqualTo(fresh(model, prompt, 10));
    }

    @Test
    void forkOfAnEmptySequence() {
        Sequence fork = sequence.fork();
        fork.append(prompt);

        assertThat(greedy(fork, 3)).isEqualTo(fresh(model, prompt, 3));
        assertThat(sequence.length()).isZero();
    }

    @Test
    void pushAndNextIsAppendAndNext() {
        sequence.append(prompt);
        sequence.push(7);
        assertThat(sequence.length()).isEqualTo(61);

        assertThat(greedy(sequence, 10)).isEqualTo(fresh(model, concat(prompt, new int[] {7}), 10));
    }

    @Test
    void severalPushes() {
        for (int token : prompt) {
            sequence.push(token);
        }

        assertThat(sequence.room()).as("nothing is computed yet").isEqualTo(512);
        assertThat(greedy(sequence, 10)).isEqualTo(fresh(model, prompt, 10));
    }

    @Test
    void nextAppendsWhatItReturns() {
        sequence.append(prompt);
        int[] picked = greedy(sequence, 3);

        assertThat(sequence.tokens()).isEqualTo(concat(prompt, picked));
    }

    @Test
    void greedyIsTheArgmaxOfTheLogits() {
        sequence.append(prompt);
        for (int i = 0; i < 20; i++) {
            int best = TestModels.argmax(sequence.logits());
            assertThat(greedy(sequence, 1)).containsExactly(best);
        }
    }

    @Test
    void logitsOfAnUncomputedToken() {
        sequence.append(prompt);
        sequence.push(5);
        Sequence other = context.newSequence();
        other.append(concat(prompt, new int[] {5}));

        assertThat(sequence.logits()).usingComparatorWithPrecision(1e-3f).containsExactly(other.logits());
        assertThat(sequence.length()).isEqualTo(61);
    }

    @Test
    void logitsStayTheSameAfterAnotherSequence() {
        sequence.append(prompt);
        float[] before = sequence.logits();
        context.newSequence().append(tokens(5, 3));

        assertThat(sequence.logits()).usingComparatorWithPrecision(1e-3f).containsExactly(before);
    }

    @Test
    void scoreIsTheLogSoftmaxOfTheLogits() {
        int[] more = tokens(20, 7);
        sequence.append(prompt);
        Sequence stepwise = sequence.fork();
        float[] expected = new float[more.length];
        for (int i = 0; i < more.length; i++) {
            expected[i] = logSoftmax(stepwise.logits(), more[i]);
            stepwise.append(more[i]);
        }

        assertThat(sequence.score(more)).usingComparatorWithPrecision(1e-3f).containsExactly(expected);
        assertThat(sequence.tokens()).isEqualTo(concat(prompt, more));
        assertThat(greedy(sequence, 10)).isEqualTo(greedy(stepwise, 10));
    }

    @Test
    void scoreInBatchesIsScoreAtOnce() {
        float[] atOnce = sequence.score(prompt);
        for (int rows : new int[] {1, 3, 60}) {
            try (Context narrow = model.newContext(small().withMaxLogitRows(rows))) {
                assertThat(narrow.newSequence().score(prompt)).usingComparatorWithPrecision(1e-3f).containsExactly(atOnce);
            }
        }
    }

    @Test
    void scoreOfTheFirstTokenIsUnknown() {
        float[] scores = sequence.score(prompt);

        assertThat(scores).hasSize(60);
        assertThat(scores[0]).isNaN();
        for (int i = 1; i < scores.length; i++) {
            assertThat(scores[i]).isNegative().isFinite();
        }
        assertThat(context.newSequence().score(prompt[0])).containsExactly(Float.NaN);
        assertThat(sequence.score()).isEmpty();
    }

    @Test
    void scoreWithUncomputedTokens() {
        sequence.append(Arrays.copyOf(prompt, 57));
        for (int i = 57; i < 60; i++) {
            sequence.push(prompt[i]);
        }
        int[] more = tokens(5, 8);
        Sequence other = context.newSequence();
        other.append(prompt);

        assertThat(sequence.score(more)).usingComparatorWithPrecision(1e-3f).containsExactly(other.score(more));
    }

    @Test
    void scoreThatDoesNotFitChangesNothing() {
        sequence.append(prompt);

        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> sequence.score(tokens(453, 9)))
                .satisfies(e -> assertThat(e.needed()).isEqualTo(453), e -> assertThat(e.available()).isEqualTo(452));
        assertThat(sequence.tokens()).isEqualTo(prompt);
        assertThat(sequence.score(tokens(452, 9))).hasSize(452);
    }

    @Test
    void fullContextIsToldBeforeAnythingIsDecoded() {
        assertThat(context.info().contextSize()).isEqualTo(512);
        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> sequence.append(tokens(513, 1)))
                .satisfies(e -> assertThat(e.needed()).isEqualTo(513), e -> assertThat(e.available()).isEqualTo(512))
                .withMessageContaining("513").withMessageContaining("512");
        assertThat(sequence.length()).isZero();
        assertThat(sequence.room()).isEqualTo(512);

        sequence.append(prompt);
        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> sequence.append(tokens(453, 1)))
                .satisfies(e -> assertThat(e.needed()).isEqualTo(453), e -> assertThat(e.available()).isEqualTo(452));
        assertThat(sequence.tokens()).isEqualTo(prompt);
        assertThat(sequence.room()).isEqualTo(452);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
    }

    @Test
    void setThatDoesNotFitKeepsTheCommonPrefix() {
        sequence.append(prompt);
        int[] wanted = concat(Arrays.copyOf(prompt, 20), tokens(500, 5));
        int common = Arrays.mismatch(wanted, prompt);

        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> sequence.set(wanted))
                .satisfies(e -> assertThat(e.needed()).isEqualTo(520 - common), e -> assertThat(e.available()).isEqualTo(512 - common));
        assertThat(sequence.tokens()).isEqualTo(Arrays.copyOf(prompt, common));
    }

    @Test
    void lastCellCanBeUsed() {
        int[] all = tokens(512, 1);
        sequence.append(all);
        assertThat(sequence.room()).isZero();
        int[] picked = greedy(sequence, 1);

        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> greedy(sequence, 1))
                .satisfies(e -> assertThat(e.needed()).isEqualTo(1), e -> assertThat(e.available()).isZero());
        assertThat(sequence.tokens()).isEqualTo(concat(all, picked));
        sequence.rewind(500);
        assertThat(greedy(sequence, 5)).hasSize(5);
    }

    /// The other sequence holds 300 of the 512 cells.
    @Test
    void cellsOfOtherSequencesCount() {
        Sequence other = context.newSequence();
        other.append(tokens(300, 2));
        sequence.append(prompt);

        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> sequence.append(tokens(153, 3)))
                .satisfies(e -> assertThat(e.needed()).isEqualTo(153), e -> assertThat(e.available()).isEqualTo(152));
        assertThat(sequence.tokens()).isEqualTo(prompt);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
        sequence.rewind(60);
        sequence.append(tokens(152, 3));
        assertThat(sequence.length()).isEqualTo(212);
    }

    /// 100 cells are shared, 300 are the fork's own.
    @Test
    void cellsOfAForkThatGrewCount() {
        int[] start = tokens(100, 1);
        sequence.append(start);
        sequence.fork().append(tokens(300, 2));

        assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> sequence.append(tokens(200, 3)))
                .satisfies(e -> assertThat(e.needed()).isEqualTo(200), e -> assertThat(e.available()).isEqualTo(112));
        assertThat(sequence.tokens()).isEqualTo(start);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, start, 5));
    }

    @Test
    void severalSequencesDoNotDisturbEachOther() {
        int[][] prompts = {tokens(30, 10), tokens(31, 11), tokens(32, 12)};
        Sequence[] sequences = {sequence, context.newSequence(), context.newSequence()};
        for (int i = 0; i < 3; i++) {
            sequences[i].append(prompts[i]);
        }
        int[][] picked = {{}, {}, {}};
        for (int round = 0; round < 10; round++) {
            for (int i = 0; i < 3; i++) {
                picked[i] = concat(picked[i], greedy(sequences[i], 1));
            }
        }

        for (int i = 0; i < 3; i++) {
            assertThat(picked[i]).isEqualTo(fresh(model, prompts[i], 10));
        }
    }

    @Test
    void closedSequenceGivesItsPlaceBack() {
        Sequence[] all = {sequence, context.newSequence(), context.newSequence(), context.newSequence()};
        all[2].append(prompt);
        assertThatIllegalStateException().isThrownBy(() -> context.newSequence()).withMessageContaining("4");
        assertThatIllegalStateException().isThrownBy(() -> all[0].fork());
        all[2].close();
        Sequence again = context.newSequence();

        assertThat(again.length()).isZero();
        assertThat(again.room()).isEqualTo(512);
        again.append(tokens(20, 4));
        assertThat(greedy(again, 5)).isEqualTo(fresh(model, tokens(20, 4), 5));
        assertThatIllegalStateException().isThrownBy(() -> all[2].append(3)).withMessageContaining("sequence is closed");
        assertThatIllegalStateException().isThrownBy(() -> context.newSequence());
    }

    @Test
    void closingAFreshSequenceTwiceDoesNotFreeAnothersPlace() {
        sequence.close();
        Sequence again = context.newSequence();
        again.append(prompt);
        sequence.close();

        assertThat(context.newSequence().fork().fork()).isNotNull();
        assertThatIllegalStateException().isThrownBy(() -> context.newSequence());
        assertThat(greedy(again, 5)).isEqualTo(fresh(model, prompt, 5));
    }

    @Test
    void smallBatchesGiveTheSame() {
        try (Context narrow = model.newContext(small().withBatchSize(16).withMicroBatchSize(8))) {
            assertThat(narrow.info().batchSize()).isEqualTo(16);
            assertThat(narrow.info().microBatchSize()).isEqualTo(8);
            Sequence small = narrow.newSequence();
            small.append(prompt);

            assertThat(greedy(small, 10)).isEqualTo(fresh(model, prompt, 10));
        }
    }

    @Test
    void kvTypesAllWork() {
        int[] expected = fresh(model, prompt, 1);
        for (KvType type : KvType.values()) {
            // The heads of the tiny model are 16 wide, quantised blocks are 32.
            if (type == KvType.F32 || type == KvType.F16 || type == KvType.BF16) {
                try (Context typed = model.newContext(small().withKvTypes(type, type))) {
                    Sequence own = typed.newSequence();
                    own.append(prompt);
                    assertThat(greedy(own, 1)).isEqualTo(expected);
                }
            } else {
                assertThatIllegalArgumentException().isThrownBy(() -> model.newContext(small().withKvTypes(type, KvType.F16)))
                        .withMessageContaining("multiple of 32");
            }
        }
    }

    @Test
    void emptySequenceHasNothingToContinue() {
        assertThatIllegalStateException().isThrownBy(() -> greedy(sequence, 1)).withMessageContaining("empty");
        assertThatIllegalStateException().isThrownBy(() -> sequence.logits()).withMessageContaining("empty");
    }

    @Test
    void nullIsRefused() {
        assertThatNullPointerException().isThrownBy(() -> sequence.append((int[]) null));
        assertThatNullPointerException().isThrownBy(() -> sequence.append((String) null));
        assertThatNullPointerException().isThrownBy(() -> sequence.score((int[]) null));
        assertThatNullPointerException().isThrownBy(() -> sequence.next(null));
        assertThatNullPointerException().isThrownBy(() -> sequence.generate(null));
        assertThatNullPointerException().isThrownBy(() -> sequence.generate((int[]) null, GenerationOptions.defaults()));
        assertThatNullPointerException().isThrownBy(() -> sequence.restore((byte[]) null));
        sequence.append(prompt);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
    }

    @Test
    void threadsCanBeChanged() {
        sequence.append(prompt);
        context.threads(2, 2);
        assertThat(greedy(sequence, 5)).isEqualTo(fresh(model, prompt, 5));
        context.threads(1, 2);

        assertThatIllegalArgumentException().isThrownBy(() -> context.threads(100_000, 1));
        assertThat(greedy(sequence, 5)).hasSize(5);
    }

    private static float logSoftmax(float[] logits, int token) {
        double max = logits[TestModels.argmax(logits)];
        double sum = 0;
        for (float logit : logits) {
            sum += Math.exp(logit - max);
        }
        return (float) (logits[token] - max - Math.log(sum));
    }
}
