package pruning;

import static org.assertj.core.api.Assertions.assertThat;

import examples.Printed;
import java.nio.file.Path;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PruningTest {

    /// The sky is most of the picture, and one patch of it stands for all.
    @Test
    void looksAtWhatThereIsToSee(@TempDir Path folder) throws Exception {
        assertThat(Printed.by(() -> Pruning.main(folder.toString())).lines()).satisfiesExactly(
                line -> assertThat(line).isEqualTo("k-center keeps 24 of 384 patches, 1 of them sky"),
                line -> assertThat(line).matches("random keeps 24 of 384 patches, 1\\d of them sky"));
        assertThat(ImageIO.read(folder.resolve("k-center.png").toFile()).getWidth()).isEqualTo(384);
        assertThat(folder.resolve("random.png")).exists();
    }
}
