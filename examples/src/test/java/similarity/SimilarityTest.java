package similarity;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SimilarityTest {

    private static final Map<String, String> PAIRS = Map.of(
            "cat sleeps", "kitten", "bank raised", "Credit", "We climbed", "summit", "kitten", "cat sleeps", "Credit", "bank raised", "summit", "We climbed");

    @Test
    void eachSentenceFindsTheOneOfItsSubject() throws Exception {
        List<String> lines = Printed.by(Similarity::main).lines().toList();
        assertThat(lines).hasSize(6);
        PAIRS.forEach((one, other) -> assertThat(lines).anySatisfy(line -> {
            String[] halves = line.split("  ~  ");
            assertThat(halves[0]).contains(one);
            assertThat(halves[1]).contains(other);
        }));
        assertThat(lines).allSatisfy(line ->
                assertThat(Double.parseDouble(line.substring(line.lastIndexOf('(') + 1, line.length() - 1))).isBetween(0.05, 0.6));
    }
}
