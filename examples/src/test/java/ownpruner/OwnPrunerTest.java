package ownpruner;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OwnPrunerTest {

    private static final Path VLM = Path.of(System.getProperty("chasqui.root"), "java-api/src/test/resources/tiny-vlm");

    @Test
    void halfOfThePictureIsKept(@TempDir Path folder) throws Exception {
        assertThat(Printed.by(() -> OwnPruner.main(VLM.resolve("mrope-text.gguf").toString(), VLM.resolve("tiny-mmproj.gguf").toString(),
                VLM.resolve("img/000.png").toString(), "What shape is yellow?", folder.toString())).lines()).satisfiesExactly(
                line -> assertThat(line).startsWith("unlike-the-mean keeps 72 of 144 tokens: ").endsWith("cross"),
                line -> assertThat(line).startsWith("herding keeps 72 of 144 tokens: "));
        assertThat(ImageIO.read(folder.resolve("unlike-the-mean.png").toFile())).isNotNull();
        assertThat(folder.resolve("herding.png")).exists();
    }
}
