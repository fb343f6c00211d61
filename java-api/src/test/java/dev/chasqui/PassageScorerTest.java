package dev.chasqui;

import static dev.chasqui.TestModels.concat;
import static dev.chasqui.TestModels.small;
import static dev.chasqui.TestModels.tokens;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.chasqui.analysis.TokenLikelihoods;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class PassageScorerTest {

    private final Model model = TestModels.tiny();
    private final int[] before = tokens(7, 1);
    private final List<int[]> passages = List.of(tokens(20, 2), tokens(30, 3), tokens(25, 4));
    private final int[] after = tokens(9, 5);
    private final int[] answer = tokens(12, 6);
    private Context context;

    @TempDir
    Path directory;

    @BeforeEach
    void open() {
        context = model.newContext(small().withMaxSequences(2));
    }

    @AfterEach
    void close() {
        context.close();
    }

    private TokenLikelihoods plain(Model of, int... chosen) {
        try (Context own = of.newContext(small())) {
            Sequence sequence = own.newSequence();
            sequence.append(before);
            for (int passage : chosen) {
                sequence.append(passages.get(passage));
            }
            sequence.append(after);
            return sequence.likelihoods(0, answer);
        }
    }

    private static double distance(TokenLikelihoods a, TokenLikelihoods b) {
        double most = 0;
        for (int i = 0; i < a.size(); i++) {
            most = Math.max(most, Math.abs(a.logProbability(i) - b.logProbability(i)));
        }
        return most;
    }

    @Test
    void isThePromptComputedByItself() {
        try (PassageScorer scorer = PassageScorer.of(context, before, passages, after)) {
            for (int[] chosen : List.of(new int[] {0, 1, 2}, new int[] {0, 2}, new int[] {}, new int[] {2, 0, 1}, new int[] {2, 0}, new int[] {1})) {
                assertThat(distance(scorer.score(chosen, answer), plain(model, chosen))).isLessThan(0.01);
            }
        }
        assertThat(distance(plain(model, 0, 1, 2), plain(model, 0, 2))).isGreaterThan(0.1);
    }

    @Test
    void computesWhatFollowsTheCommonBeginning() {
        try (PassageScorer scorer = PassageScorer.of(context, before, passages, after)) {
            scorer.score(new int[] {0, 1}, answer);
            assertThat(scorer.computedTokens()).isEqualTo(7 + 20 + 30 + 9 + 12);
            assertThat(scorer.reusedTokens()).isZero();
            scorer.score(new int[] {0, 1, 2}, answer);
            assertThat(scorer.computedTokens()).isEqualTo(78 + 25 + 9 + 12);
            assertThat(scorer.reusedTokens()).isEqualTo(57);
            scorer.score(new int[] {0, 2}, answer);
            assertThat(scorer.computedTokens()).isEqualTo(124 + 25 + 9 + 12);
            assertThat(scorer.reusedTokens()).isEqualTo(57 + 27);
        }
    }

    @Test
    void nothingHiddenIsTheWholePrompt() {
        try (PassageScorer scorer = PassageScorer.of(context, before, passages, after)) {
            assertThat(distance(scorer.scoreHidden(new int[] {2, 1, 0}, answer), plain(model, 0, 1, 2))).isLessThan(0.01);
            assertThat(scorer.computedTokens()).isEqualTo(7 + 75 + 9 + 12);
            assertThat(distance(scorer.scoreHidden(new int[] {0, 1, 2}, answer), plain(model, 0, 1, 2))).isLessThan(0.01);
            assertThat(scorer.computedTokens()).isEqualTo(103 + 9 + 12);
            assertThat(scorer.reusedTokens()).isEqualTo(82);
        }
    }

    /// No passage has seen one that comes after it.
    @Test
    void hidingTheLastPassagesIsExact() {
        try (PassageScorer scorer = PassageScorer.of(context, before, passages, after)) {
            assertThat(distance(scorer.scoreHidden(new int[] {0, 1}, answer), plain(model, 0, 1))).isLessThan(0.01);
            assertThat(distance(scorer.scoreHidden(new int[] {0}, answer), plain(model, 0))).isLessThan(0.01);
            assertThat(distance(scorer.scoreHidden(new int[] {}, answer), plain(model))).isLessThan(0.01);
            assertThat(distance(scorer.scoreHidden(new int[] {0, 1, 2}, answer), plain(model, 0, 1, 2))).as("hidden passages come back").isLessThan(0.01);
        }
    }

    @Test
    void hidingOthersChangesTheAnswer() {
        try (PassageScorer scorer = PassageScorer.of(context, before, passages, after)) {
            TokenLikelihoods whole = scorer.scoreHidden(new int[] {0, 1, 2}, answer);
            assertThat(distance(scorer.scoreHidden(new int[] {1, 2}, answer), whole)).isGreaterThan(0.05);
            assertThat(distance(scorer.scoreHidden(new int[] {0, 2}, answer), whole)).isGreaterThan(0.05);
        }
    }

    @Test
    void givesItsSequencesBack() {
        PassageScorer scorer = PassageScorer.of(context, before, passages, after);
        scorer.score(new int[] {1}, answer);
        assertThatIllegalStateException().isThrownBy(() -> scorer.scoreHidden(new int[] {1}, answer)); // would need a third
        scorer.close();
        scorer.close();
        assertThatIllegalStateException().isThrownBy(() -> scorer.score(new int[] {1}, answer)).withMessageContaining("closed");
        context.newSequence().append(concat(before, after));
        context.newSequence().append(tokens(400, 1)); // all cells are free
    }

    @Test
    void recurrentModelsHideNothing() {
        try (Model mamba = Model.load(TinyMamba.write(directory.resolve("mamba.gguf"))); Context own = mamba.newContext(small().withMaxSequences(2))) {
            try (PassageScorer scorer = PassageScorer.of(own, before, passages, after)) {
                assertThatExceptionOfType(UnsupportedFeatureException.class).isThrownBy(() -> scorer.scoreHidden(new int[] {1}, answer));
            }
            try (PassageScorer scorer = PassageScorer.of(own, before, passages, after)) {
                scorer.score(new int[] {0, 1}, answer);
                assertThat(distance(scorer.score(new int[] {0, 2}, answer), plain(mamba, 0, 2))).isLessThan(0.01);
                assertThat(scorer.reusedTokens()).isZero();
            }
        }
    }

    @Test
    void refuses() {
        assertThatIllegalArgumentException().isThrownBy(() -> PassageScorer.of(context, before, passages, new int[0]));
        try (PassageScorer scorer = PassageScorer.of(context, before, passages, after)) {
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> scorer.score(new int[] {3}, answer));
            assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> scorer.scoreHidden(new int[] {-1}, answer));
            assertThatIllegalArgumentException().isThrownBy(() -> scorer.score(new int[] {1}, new int[] {320}));
            assertThatExceptionOfType(ContextFullException.class).isThrownBy(() -> scorer.score(new int[] {1}, tokens(600, 1)));
            assertThat(distance(scorer.score(new int[] {1}, answer), plain(model, 1))).as("it goes on").isLessThan(0.01);
        }
    }
}
