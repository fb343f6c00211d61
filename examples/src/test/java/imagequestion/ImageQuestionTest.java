package imagequestion;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

class ImageQuestionTest {

    private static final Path FOLDER = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm");

    @Test
    void answersWithAllTokensAndWithAQuarter() throws Exception {
        String printed = Printed.by(() -> ImageQuestion.main(FOLDER.resolve("tiny-text.gguf").toString(), FOLDER.resolve("tiny-mmproj.gguf").toString(),
                FOLDER.resolve("img/000.png").toString(), "What shape is yellow?"));
        assertThat(printed.lines()).containsSubsequence("144 of 144 tokens", "  What shape is yellow? cross", "36 of 144 tokens");
    }
}
