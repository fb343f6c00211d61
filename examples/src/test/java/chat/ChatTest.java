package chat;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class ChatTest {

    private static final Pattern COUNTS = Pattern.compile("\\((\\d+) tokens of the prompt were there already, (\\d+) new, (\\d+) of the answer\\)");

    @Test
    void secondQuestionsComputeWhatIsNew() throws Exception {
        InputStream before = System.in;
        System.setIn(new ByteArrayInputStream("Say hello.\nSay it again.\n\nnot read\n".getBytes(StandardCharsets.UTF_8)));
        try {
            var counts = COUNTS.matcher(Printed.by(Chat::main)).results().toList();
            assertThat(counts).hasSize(2);
            assertThat(number(counts.get(0), 1)).isZero();
            assertThat(number(counts.get(1), 1)).as("the first question and its answer").isGreaterThanOrEqualTo(number(counts.get(0), 2) + number(counts.get(0), 3) - 1);
            assertThat(number(counts.get(1), 2)).isLessThan(30);
        } finally {
            System.setIn(before);
        }
    }

    private static int number(MatchResult line, int group) {
        return Integer.parseInt(line.group(group));
    }
}
