package dev.chasqui.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;

import dev.chasqui.vision.TokenScores.EntropyForm;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class TokenScoresTest {

    private static final float[] SIX = {1, 0, 0, 0, 1, 0, 0, 0, 1, -1, 0, 0, 0, -1, 0, 0, 0, -1}; // the mean is 0

    @Test
    void normsAndDistances() {
        ImageTokens tokens = ImageTokens.of(new float[] {3, 4, 0, 0, Float.NaN, 1}, 3, 2);
        assertThat(TokenScores.norms(tokens)).containsExactly(5, 0, Float.NaN);
        assertThat(TokenScores.distancesFromMean(tokens)).containsExactly(2.5f, 2.5f, Float.NaN);
    }

    @Test
    void relevanceIsCentred() {
        float[] shifted = SIX.clone();
        for (int i = 0; i < shifted.length; i += 3) {
            shifted[i] += 100;
        }
        ImageTokens tokens = ImageTokens.of(shifted, 6, 3).withVocabularyMean(0, 5, 0).withQuestion(new float[] {0, 5, 2}, 1);
        assertThat(TokenScores.textRelevance(tokens, 0)).containsExactly(new float[] {0, 0, 1, 0, 0, -1}, within(1e-5f));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.textRelevance(ImageTokens.of(SIX, 6, 3), 0));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.textRelevance(tokens, -1));
    }

    @Test
    void partsAreRanked() {
        ImageTokens tokens = ImageTokens.of(SIX, 6, 3).withQuestion(new float[] {2, 0, 0, 0, 3, 0}, 2);
        assertThat(TokenScores.rankParts(tokens, 0, 2, 4, 4, 6)).containsExactly(1, 0, Float.NEGATIVE_INFINITY, 0);
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.rankParts(tokens, 0, 5));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.rankParts(tokens, 0, 4, 2, 6));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.rankParts(tokens));
    }

    @Test
    void entropyOfQueries() {
        float[] same = {1, 2, 1, 2, 1, 2};
        float[] opposite = {1, 0, -1, 0, 0, 1, 0, -1};
        assertThat(TokenScores.queryEntropy(same, 3, 2, EntropyForm.SHAPE)).containsExactly(0);
        // two directions, equally strong: ln 2 / ln 4
        for (EntropyForm form : List.of(EntropyForm.SHAPE, EntropyForm.RENYI)) {
            assertThat(TokenScores.queryEntropy(opposite, 4, 2, form)).containsExactly(new float[] {0.5f}, within(1e-5f));
        }
        // eigenvalues 1/2 and 1/2 as they are
        assertThat(TokenScores.queryEntropy(opposite, 4, 2, EntropyForm.ENERGY)).containsExactly(new float[] {0.5f}, within(1e-5f));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.queryEntropy(same, 4, 2, EntropyForm.SHAPE));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.queryEntropy(same, 1, 2, EntropyForm.SHAPE));
    }

    @Test
    void transitionsOfTokens() {
        float[] scores = TokenScores.transition(new float[] {1, 0, 1, 0}, new float[] {3, 0, 0, 2}, 2);
        double sum = 1 + Math.E;
        assertThat(scores).containsExactly(new float[] {(float) (3 / sum), (float) (2 * Math.E / sum)}, within(1e-6f));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.transition(new float[4], new float[2], 2));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.transition(new float[4], new float[4], 0));
    }

    @Test
    void attention() {
        float ln3 = (float) Math.log(3);
        float[] received = TokenScores.receivedAttention(new float[] {ln3}, 1, new float[] {1, 0}, 1, 1);
        assertThat(received).containsExactly(new float[] {0.75f, 0.25f}, within(1e-6f));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.receivedAttention(new float[3], 3, new float[2], 2, 1));
        assertThatIllegalArgumentException().isThrownBy(() -> TokenScores.receivedAttention(new float[0], 1, new float[2], 1, 1));
    }
}
