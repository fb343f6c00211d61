package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class BenchVisionCommandTest {

    private static final Path MODELS = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm");

    @TempDir
    Path folder;

    @Test
    void aFolderGivesATableForEachModelAndWayOfPlacingRows() throws IOException {
        for (String name : List.of("mrope-text.gguf", "tiny-text.gguf", "tiny-mmproj.gguf")) {
            Files.copy(MODELS.resolve(name), folder.resolve(name));
        }
        Files.createDirectory(folder.resolve("img"));
        for (String name : List.of("000.png", "001.png")) {
            Files.copy(MODELS.resolve("img").resolve(name), folder.resolve("img").resolve(name));
        }
        String all = Files.readString(MODELS.resolve("qa.json"));
        int end = -1;
        for (int i = 0; i < 8; i++) {
            end = all.indexOf(']', end + 1);
        }
        Files.writeString(folder.resolve("qa.json"), all.substring(0, end + 1) + "]");
        Path lines = folder.resolve("lines.jsonl");

        Cli result = Cli.run("bench", "vision", "--folder", folder.toString(), "--positions", "linear", "--keep", "1,0.1", "--pruner", "herding,coverage,random",
                "--jsonl", lines.toString(), "-t", "1");

        assertThat(result.status()).as(result.err()).isZero();
        assertThat(result.out().lines().filter(line -> line.startsWith("**"))).satisfiesExactly(
                line -> assertThat(line).contains("mrope-text.gguf", "linear positions", "8 questions"),
                line -> assertThat(line).contains("mrope-text.gguf", "compact positions"),
                line -> assertThat(line).contains("tiny-text.gguf", "compact positions"));
        List<String> herding = result.out().lines().filter(line -> line.startsWith("| herding")).toList();
        assertThat(herding).hasSize(3).allSatisfy(line -> assertThat(line).matches("\\| herding \\|( [0-9.]+ ± [0-9.]+ \\|){2} [0-9.e-]+ \\|"));
        assertThat(result.out().lines().filter(line -> line.startsWith("| random"))).hasSize(3).allSatisfy(line -> assertThat(line).endsWith("| – |"));
        // the two files hold the same weights, and with all rows at their places positions are the same too
        double whole = Double.parseDouble(herding.getFirst().split(" ")[3]);
        assertThat(herding).allSatisfy(line -> assertThat(Double.parseDouble(line.split(" ")[3])).isCloseTo(whole, within(1e-9)));
        assertThat(Files.readAllLines(lines)).hasSize(18).allSatisfy(line -> assertThat(line).startsWith("{\"model\":").contains("\"standard_error\":"));
    }

    @Test
    void relevanceIsCheckedForEachShareThatDropsRows() {
        Cli result = Cli.run("bench", "vision", "-m", MODELS.resolve("tiny-text.gguf").toString(), "--mmproj", MODELS.resolve("tiny-mmproj.gguf").toString(),
                "--qa", MODELS.resolve("qa.json").toString(), "--images", MODELS.resolve("img").toString(), "--keep", "1,0.1", "--check-relevance", "-t", "1");
        assertThat(result.status()).as(result.err()).isZero();
        assertThat(result.out().lines()).singleElement().asString().contains("\"keep\":0.1", "\"questions\":240", "\"passed\":false");
    }

    @Test
    void withoutAFolderTheFilesAreNeeded() {
        Cli result = Cli.run("bench", "vision", "-m", MODELS.resolve("tiny-text.gguf").toString());
        assertThat(result.status()).isEqualTo(2);
        assertThat(result.err()).contains("--folder", "--mmproj");
    }
}
