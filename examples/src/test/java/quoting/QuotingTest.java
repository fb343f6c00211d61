package quoting;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class QuotingTest {

    private static final Pattern PASSES = Pattern.compile("(\\d+) passes of the model without guesses, (\\d+) with them");

    @Test
    void theSameAnswerWithFewerPasses() throws Exception {
        List<String> lines = Printed.by(Quoting::main).lines().toList();
        assertThat(lines).hasSize(2).first().isEqualTo("The answer is the same.");
        var passes = PASSES.matcher(lines.getLast());
        assertThat(passes.matches()).isTrue();
        assertThat(Integer.parseInt(passes.group(1))).isGreaterThan(30);
        assertThat(Integer.parseInt(passes.group(2))).isLessThan(Integer.parseInt(passes.group(1)) / 3);
    }
}
