package pages;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import org.junit.jupiter.api.Test;

class PagesTest {

    private static final Path VLM = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm");

    @Test
    void everyPageHasAPlaceAndTheBestIsAsked() throws Exception {
        List<String> args = new ArrayList<>(List.of(VLM.resolve("tiny-text.gguf").toString(), VLM.resolve("tiny-mmproj.gguf").toString(), "UNLIKE", "What shape is yellow?"));
        for (int i = 0; i < 6; i++) {
            args.add(VLM.resolve("img/%03d.png".formatted(i)).toString());
        }
        List<String> lines = Printed.by(() -> Pages.main(args.toArray(String[]::new))).lines().toList();
        assertThat(lines).hasSize(7).last().asString().startsWith("What shape is yellow? ").hasSizeGreaterThan(24);
        List<String> ranked = lines.subList(0, 6);
        assertThat(ranked.stream().map(line -> line.split("  ")[1])).containsExactlyInAnyOrder("000.png", "001.png", "002.png", "003.png", "004.png", "005.png");
        assertThat(ranked.stream().map(line -> Double.parseDouble(line.split("  ")[0]))).as("the least alike first").isSortedAccordingTo(Comparator.naturalOrder());
    }
}
