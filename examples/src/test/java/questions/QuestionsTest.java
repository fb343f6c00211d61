package questions;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

class QuestionsTest {

    private static final Pattern LINE = Pattern.compile("(\\d+) answers, (\\d+) of them began with tokens that were there already");

    @Test
    void aHundredThreadsAreAnsweredAndShareTheSystemPrompt() throws Exception {
        var line = LINE.matcher(Printed.by(() -> Questions.main()));
        assertThat(line.find()).isTrue();
        assertThat(Integer.parseInt(line.group(1))).isEqualTo(100);
        assertThat(Integer.parseInt(line.group(2))).as("all but those that came before the first was computed").isGreaterThan(50);
    }
}
