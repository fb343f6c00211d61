package dev.chasqui.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.awt.Color;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Path;
import java.util.BitSet;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

@Tag("standalone")
class KeptTokensTest {

    private static BufferedImage white(int width, int height) {
        BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                image.setRGB(x, y, Color.WHITE.getRGB());
            }
        }
        return image;
    }

    /// 3 x 2 cells, with a break between the rows of the grid.
    private static ImageTokens tokens() {
        BitSet breaks = new BitSet();
        breaks.set(3);
        return RandomRows.tokens(7, 4, 1).withGrid(3, 2).withBreaks(breaks);
    }

    @Test
    void droppedCellsAreDimmed(@TempDir Path folder) throws IOException {
        KeptTokens kept = KeptTokens.of(tokens(), 1, 3, 6);
        assertThat(kept.count()).isEqualTo(2);
        assertThat(kept.isKept(1, 0)).isTrue();
        assertThat(kept.isKept(2, 1)).isTrue();
        assertThat(kept.isKept(0, 0)).isFalse();
        BufferedImage picture = white(31, 20);
        BufferedImage over = kept.over(picture);
        assertThat(picture.getRGB(2, 2)).isEqualTo(Color.WHITE.getRGB()); // unchanged
        for (int y = 0; y < 2; y++) {
            for (int x = 0; x < 3; x++) {
                int middle = over.getRGB(x * 31 / 3 + 5, y * 10 + 5) & 0xff;
                assertThat(middle == 255).isEqualTo(kept.isKept(x, y));
                assertThat(middle).isGreaterThan(50);
            }
        }
        Path file = folder.resolve("kept.png");
        kept.write(picture, file);
        BufferedImage read = ImageIO.read(file.toFile());
        assertThat(read.getWidth()).isEqualTo(31);
        assertThat(read.getRGB(15, 5)).isEqualTo(over.getRGB(15, 5));
        assertThat(read.getRGB(2, 2)).isEqualTo(over.getRGB(2, 2));
    }

    @Test
    void worksForPicturesSmallerThanTheGrid() {
        assertThat(KeptTokens.of(tokens(), 0).over(white(1, 1)).getWidth()).isEqualTo(1);
    }

    @Test
    void whatIsWrongIsRefused() {
        assertThatIllegalArgumentException().isThrownBy(() -> KeptTokens.of(RandomRows.tokens(6, 4, 1), 0));
        assertThatIllegalArgumentException().isThrownBy(() -> KeptTokens.of(RandomRows.tokens(6, 4, 1).withGrid(4, 2), 0));
        assertThatIllegalArgumentException().isThrownBy(() -> KeptTokens.of(tokens(), 7)).withMessage("row 7 of 7");
        assertThatExceptionOfType(IndexOutOfBoundsException.class).isThrownBy(() -> KeptTokens.of(tokens(), 0).isKept(3, 0));
    }
}
