package dev.chasqui.bindings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.lang.foreign.SymbolLookup;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Pattern;
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
        ProcessBuilder generator = new ProcessBuilder(ROOT.resolve("bindings/generate.sh").toString(), "--check").redirectErrorStream(true);
        generator.environment().put("CHASQUI_PRESET", System.getProperty("chasqui.preset"));
        Process check = generator.start();
        String output = new String(check.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(check.waitFor()).as(output).isZero();
    }

    @Test
    void bindEveryFunctionOfOurHeaders() throws IOException {
        Set<String> declared = new TreeSet<>();
        try (Stream<Path> headers = Files.list(ROOT.resolve("extensions-c/include"))) {
            for (Path header : headers.toList()) {
                String code = Files.readString(header).replaceAll("//.*", "");
                Pattern.compile("CHQ_API[^;(]*?\\b(chq_\\w+)\\s*\\(").matcher(code).results().forEach(match -> declared.add(match.group(1)));
            }
        }
        assertThat(declared).contains("chq_abi_structs", "chq_decode");
        assertThat(functions()).containsAll(declared);
    }

    @Test
    void nameOnlyFunctionsThatTheLibrariesHave() throws IOException {
        NativeLoader.load();
        SymbolLookup symbols = SymbolLookup.loaderLookup();
        assertThat(functions()).isNotEmpty().allSatisfy(name -> assertThat(symbols.find(name)).as(name).isPresent());
    }

    private static List<String> functions() throws IOException {
        String option = "--include-function ";
        return Files.readAllLines(ROOT.resolve("bindings/symbols.txt")).stream()
                .filter(line -> line.startsWith(option)).map(line -> line.substring(option.length())).toList();
    }

    private static boolean onPath(String program) {
        return Stream.of(System.getenv("PATH").split(":")).anyMatch(folder -> Files.isExecutable(Path.of(folder, program)));
    }
}
