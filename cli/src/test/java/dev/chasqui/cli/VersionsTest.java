package dev.chasqui.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// What is not derived from the parent's version agrees with it.
class VersionsTest {

    private static final Path ROOT = Path.of(System.getProperty("chasqui.root"));

    @ParameterizedTest
    @CsvSource({"bom/pom.xml, <artifactId>chasqui-bom</artifactId>\\s*<version>(.*?)</version>", "examples/standalone/pom.xml, <chasqui.version>(.*?)</chasqui.version>",
            "README.md, <artifactId>chasqui</artifactId>\\s*<version>(.*?)</version>"})
    void everyVersionIsTheParents(String file, String pattern) throws IOException {
        String parent = only("pom.xml", "<artifactId>chasqui-parent</artifactId>\\s*<version>(.*?)</version>");
        assertThat(only(file, pattern)).isEqualTo(parent);
    }

    @Test
    void theSampleIsTheProgramOfTheReadme() throws IOException {
        String pattern = "(try \\(var model = Model.load.*?IO.print\\(piece\\);\\s*\\})";
        assertThat(only("examples/standalone/src/main/java/sample/Rivers.java", pattern).replaceAll("\\s+", " "))
                .isEqualTo(only("README.md", pattern).replaceAll("\\s+", " "));
    }

    private static String only(String file, String pattern) throws IOException {
        var found = Pattern.compile(pattern, Pattern.DOTALL).matcher(Files.readString(ROOT.resolve(file)));
        assertThat(found.find()).as("%s in %s", pattern, file).isTrue();
        return found.group(1);
    }
}
