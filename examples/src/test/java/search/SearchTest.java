package search;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.util.List;
import org.junit.jupiter.api.Test;

class SearchTest {

    @Test
    void textIsNearTextAndCodeNearCode() throws Exception {
        List<String> lines = Printed.by(Search::main).lines().toList();
        assertThat(lines).hasSize(6);
        assertThat(lines.get(1)).contains("Amazon");
        assertThat(lines.get(4)).contains("for (int i");
        for (int first : new int[] {1, 4}) {
            assertThat(score(lines.get(first))).isBetween(score(lines.get(first + 1)), 1.0);
        }
    }

    private static double score(String line) {
        return Double.parseDouble(line.strip().split(" ")[0]);
    }
}
