package dev.chasqui;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("standalone")
class TokenEmbeddingsTest {

    @Test
    void givesTheRowsOfTokens() {
        try (TokenEmbeddings embeddings = TinyVlm.model().tokenEmbeddings()) {
            int[] tokens = TinyVlm.model().vocabulary().tokenize("red circle");
            float[] both = embeddings.of("red circle");
            assertThat(embeddings.size()).isEqualTo(192);
            assertThat(both).hasSize(192 * tokens.length).isEqualTo(embeddings.of(tokens));
            assertThat(embeddings.of(tokens[1])).isEqualTo(Arrays.copyOfRange(both, 192, 384));
            assertThat(embeddings.of()).isEmpty();
        }
    }

    @Test
    void knowsTheMean() {
        try (TokenEmbeddings embeddings = TinyVlm.model().tokenEmbeddings()) {
            float[] mean = embeddings.mean();
            int size = TinyVlm.model().vocabulary().size();
            double sum = 0;
            for (int token = 0; token < size; token++) {
                sum += embeddings.of(token)[17];
            }
            assertThat((double) mean[17]).isCloseTo(sum / size, within(1e-6));
            assertThat(embeddings.mean()).isEqualTo(mean);
        }
    }

    @Test
    void refusesWhatIsNoToken() {
        TokenEmbeddings embeddings = TinyVlm.model().tokenEmbeddings();
        assertThatIllegalArgumentException().isThrownBy(() -> embeddings.of(-1));
        assertThatIllegalArgumentException().isThrownBy(() -> embeddings.of(1_000_000));
        embeddings.close();
        embeddings.close();
        assertThatIllegalStateException().isThrownBy(() -> embeddings.of(1));
    }
}
