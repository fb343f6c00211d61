package longdocument;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LongDocumentTest {

    private static final Pattern ANSWER = Pattern.compile("(full|sparse): ([0-9.]+) tokens/s, attention to (\\d+)% of the text, (\\d+) tokens computed before the answer\n  \\S");

    @TempDir
    Path folder;

    @Test
    void theSecondAnswerAttendsToAPartOfWhatTheFirstHasComputed() throws Exception {
        // Longer than sinks and window, so that there is something to choose from.
        var text = new StringBuilder();
        for (int i = 0; i < 100; i++) {
            text.append("River number %d is %d kilometres long.%n".formatted(i, 20 + 7 * i));
        }
        Path document = Files.writeString(folder.resolve("rivers.txt"), text);
        String printed = Printed.by(() -> LongDocument.main("smollm2-135m", "How long is river number 3?", document.toString()));
        int tokens = Integer.parseInt(printed.split(" ")[0]);
        assertThat(tokens).isGreaterThan(1000);
        assertThat(ANSWER.matcher(printed).results()).satisfiesExactly(
                full -> {
                    assertThat(full.group(1)).isEqualTo("full");
                    assertThat(number(full, 3)).isEqualTo(100);
                    assertThat(number(full, 4)).isEqualTo(tokens);
                },
                sparse -> {
                    assertThat(sparse.group(1)).isEqualTo("sparse");
                    assertThat(number(sparse, 3)).as("a tenth, sinks and window").isBetween(10, 60);
                    assertThat(number(sparse, 4)).as("the last one, for its row").isEqualTo(1);
                });
    }

    private static int number(MatchResult line, int group) {
        return Integer.parseInt(line.group(group));
    }
}
