package dev.chasqui.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class GeneratedSourcesTest {

    private static final Path ROOT = Path.of(Objects.requireNonNull(System.getProperty("chasqui.root")));

    @Test
    void nameNoPathOfTheMachineThatGeneratedThem() throws IOException {
        try (Stream<Path> files = Files.walk(ROOT.resolve("bindings/src/main/generated"))) {
            for (Path file : files.filter(Files::isRegularFile).toList()) {
                assertThat(Files.readString(file)).as("%s", file).doesNotContain("/include/", ROOT.toString(), "/home/", "/usr/");
            }
        }
    }

    @Test
    void areWhatTheGeneratorWrites() throws Exception {
        assumeTrue(onPath("jextract"), "jextract is not on PATH");
        Process check = new ProcessBuilder(ROOT.resolve("bindings/generate.sh").toString(), "--check").redirectErrorStream(true).start();
        String output = new String(check.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(check.waitFor()).as(output).isZero();
    }

    private static boolean onPath(String program) {
        return Stream.of(System.getenv("PATH").split(":")).anyMatch(folder -> Files.isExecutable(Path.of(folder, program)));
    }
}
