package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class BenchKvCommandTest {

    private static final String MODEL = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm/tiny-text.gguf").toString();
    private static final double DEPTH = 900;

    @TempDir
    Path folder;

    private Path text;

    @BeforeEach
    void writeText() throws IOException {
        StringBuilder words = new StringBuilder();
        for (int i = 0; i < 400; i++) {
            words.append(i * 37 % 11 < 5 ? "there are many shapes " : "no text in the picture ").append(i * 17 % 23).append('\n');
        }
        text = Files.writeString(folder.resolve("text"), words);
    }

    private List<Map<String, Object>> bench(String... more) {
        List<String> all = new ArrayList<>(List.of("bench", "kv", "-m", MODEL, "-f", text.toString(), "-c", String.valueOf((int) DEPTH), "-n", "12", "-t", "1"));
        all.addAll(List.of(more));
        Cli result = Cli.run(all.toArray(String[]::new));
        assertThat(result.status()).as(result.err()).isZero();
        return result.json();
    }

    private static double number(Map<String, Object> row, String name) {
        return ((Number) row.get(name)).doubleValue();
    }

    @Test
    void aBudgetForEverythingIsFullAttention() {
        assertThat(bench("--share", "1", "--selector", "sketch,chunks")).hasSize(2).allSatisfy(row -> {
            assertThat(number(row, "kl")).isZero();
            assertThat(number(row, "delta_nll")).isZero();
            assertThat(number(row, "agreement")).isEqualTo(1);
            assertThat(number(row, "tokens")).isEqualTo(12);
        });
        assertThat(bench("--share", "1", "--needles", "3", "--copies", "2")).satisfiesExactly(
                row -> assertThat(row).containsEntry("test", "needles").containsEntry("found", row.get("full_found")).containsEntry("accuracy", row.get("full_accuracy")),
                row -> assertThat(row).containsEntry("test", "copies").containsEntry("found", row.get("full_found")).containsEntry("accuracy", row.get("full_accuracy")));
    }

    @Test
    void aTextThatWasKeptGivesTheSameRows() {
        String state = folder.resolve("state").toString();
        String[] arguments = {"--share", "0.05", "--selector", "sketch,chunks,window", "--state", state};
        List<Map<String, Object>> computed = bench(arguments);
        assertThat(Path.of(state)).isNotEmptyFile();
        assertThat(computed).hasSize(3).allSatisfy(row -> {
            assertThat(number(row, "kl")).isPositive();
            assertThat(number(row, "cells")).isBetween((64 + 256 + 0.05 * DEPTH) / (DEPTH + 12), (64 + 256 + 32 + 0.05 * DEPTH + 32) / DEPTH);
        });
        assertThat(bench(arguments)).isEqualTo(computed);
    }

    @Test
    void whatIsHiddenIsAskedWithAPartOfTheText() {
        assertThat(bench("--share", "0.02", "--needles", "3")).singleElement().satisfies(row -> {
            assertThat(number(row, "items")).isEqualTo(3);
            assertThat(number(row, "context")).isEqualTo(DEPTH);
            assertThat(number(row, "cells")).isBetween(0.35, 0.45);
            assertThat(number(row, "accuracy")).isBetween(0.0, 1.0);
        });
    }

    @Test
    void moreThanCanBeHiddenIsRefused() {
        for (String[] arguments : new String[][] {{"--needles", "41"}, {"--copies", "30"}, {"--copies", "-1"}}) {
            List<String> all = new ArrayList<>(List.of("bench", "kv", "-m", MODEL, "-f", text.toString(), "-c", String.valueOf((int) DEPTH), "-n", "12"));
            all.addAll(List.of(arguments));
            Cli result = Cli.run(all.toArray(String[]::new));
            assertThat(result.status()).isEqualTo(1);
            assertThat(result.err()).contains(arguments[1].equals("-1") ? "negative" : arguments[1]);
        }
    }
}
