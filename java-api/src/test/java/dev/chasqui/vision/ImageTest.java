package dev.chasqui.vision;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;
import static org.assertj.core.api.Assertions.within;

import java.awt.image.BufferedImage;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Tag("standalone")
class ImageTest {

    @TempDir
    private Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"png", "bmp", "gif", "jpeg", "tiff"})
    void readsFiles(String format) throws Exception {
        BufferedImage picture = Pictures.gradient(40, 30, BufferedImage.TYPE_INT_RGB);
        Path file = folder.resolve("picture." + format);
        Files.write(file, Pictures.file(picture, format));
        Image image = Image.of(file);
        assertThat(image.width()).isEqualTo(40);
        assertThat(image.height()).isEqualTo(30);
        for (int[] at : new int[][] {{0, 0}, {39, 0}, {0, 29}, {20, 15}}) {
            assertSimilar(image.pixel(at[0], at[1]), picture.getRGB(at[0], at[1]), format.equals("png") || format.equals("bmp") || format.equals("tiff") ? 0 : 40);
        }
    }

    @Test
    void whatIsTransparentLiesOnWhite() {
        BufferedImage picture = new BufferedImage(3, 1, BufferedImage.TYPE_INT_ARGB);
        picture.setRGB(0, 0, 0x00123456);
        picture.setRGB(1, 0, 0xFF123456);
        picture.setRGB(2, 0, 0x80000000);
        Image image = Image.of(Pictures.file(picture, "png"));
        assertThat(image.pixel(0, 0)).isEqualTo(0xFFFFFF);
        assertThat(image.pixel(1, 0)).isEqualTo(0x123456);
        assertThat(image.pixel(2, 0)).isEqualTo(0x7F7F7F);
    }

    @Test
    void readsSixteenBits() {
        Image image = Image.of(Pictures.sixteenBits(100, 2));
        int last = image.pixel(99, 1) & 0xFF;
        assertThat(image.pixel(0, 0)).isZero();
        assertThat(last).isGreaterThan(240);
        assertThat(image.pixel(50, 0) & 0xFF).isBetween(100, 200);
    }

    @Test
    void readsFourInks() {
        assertSimilar(Image.of(Pictures.fourInks(16, 16, 0, 0, 0, 0)).pixel(8, 8), 0xFFFFFF, 4);
        assertSimilar(Image.of(Pictures.fourInks(16, 16, 0, 255, 255, 0)).pixel(8, 8), 0xFF0000, 4);
        assertSimilar(Image.of(Pictures.fourInks(16, 16, 255, 0, 255, 0)).pixel(8, 8), 0x00FF00, 4);
        assertSimilar(Image.of(Pictures.fourInks(16, 16, 0, 0, 0, 255)).pixel(8, 8), 0x000000, 4);
    }

    /// Where the pixel of the stored left upper corner goes.
    @ParameterizedTest
    @CsvSource({"1, 0, 0", "2, 39, 0", "3, 39, 29", "4, 0, 29", "5, 0, 0", "6, 29, 0", "7, 29, 39", "8, 0, 39", "9, 0, 0", "0, 0, 0"})
    void turnsPicturesUpright(int orientation, int x, int y) {
        BufferedImage picture = new BufferedImage(40, 30, BufferedImage.TYPE_INT_RGB);
        for (int i = 0; i < 8; i++) {
            for (int j = 0; j < 8; j++) {
                picture.setRGB(i, j, 0xFFFFFF);
            }
        }
        Image image = Image.of(Pictures.held(Pictures.file(picture, "jpeg"), orientation));
        boolean turned = orientation >= 5 && orientation <= 8;
        assertThat(image.width()).isEqualTo(turned ? 30 : 40);
        assertThat(image.height()).isEqualTo(turned ? 40 : 30);
        assertSimilar(image.pixel(x, y), 0xFFFFFF, 30);
        assertSimilar(image.pixel(image.width() - 1 - x, image.height() - 1 - y), 0, 30);
    }

    @Test
    void refusesBombs() {
        byte[] png = Pictures.file(Pictures.gradient(8, 8, BufferedImage.TYPE_INT_RGB), "png");
        assertThatExceptionOfType(ImageException.class).isThrownBy(() -> Image.of(Pictures.claiming(png, 60_000, 60_000)))
                .withMessageContaining("60,000 x 60,000");
        assertThatExceptionOfType(ImageException.class).isThrownBy(() -> Image.of(Pictures.claiming(png, -1, 5)));
        assertThatExceptionOfType(ImageException.class).isThrownBy(() -> Image.of(Pictures.claiming(png, Integer.MAX_VALUE, Integer.MAX_VALUE)));
        assertThatExceptionOfType(ImageException.class).isThrownBy(() -> Image.ofRgb(60_000, 60_000, MemorySegment.ofArray(new byte[3])));
    }

    @Test
    void saysWhatIsWrong() throws Exception {
        assertThatExceptionOfType(ImageException.class).isThrownBy(() -> Image.of(folder.resolve("none.png"))).withMessageContaining("none.png");
        assertThatExceptionOfType(ImageException.class).isThrownBy(() -> Image.of(folder)).withMessageContaining("cannot read");
        assertThatExceptionOfType(ImageException.class).isThrownBy(() -> Image.of(new byte[0])).withMessageContaining("empty");
        assertThatExceptionOfType(ImageException.class).isThrownBy(() -> Image.of(new byte[] {1, 2, 3, 4})).withMessageContaining("no picture of a known format");
        byte[] cut = java.util.Arrays.copyOf(Pictures.file(Pictures.gradient(80, 80, BufferedImage.TYPE_INT_RGB), "png"), 60);
        assertThatExceptionOfType(ImageException.class).isThrownBy(() -> Image.of(cut)).withMessageContaining("cannot be decoded");
        assertThatNullPointerException().isThrownBy(() -> Image.of((Path) null));
        assertThatNullPointerException().isThrownBy(() -> Image.of((byte[]) null));
        assertThatNullPointerException().isThrownBy(() -> Image.of((BufferedImage) null));
        assertThatIllegalArgumentException().isThrownBy(() -> Image.ofRgb(2, 2, MemorySegment.ofArray(new byte[3])));
        assertThatIllegalArgumentException().isThrownBy(() -> Image.ofRgb(0, 2, MemorySegment.ofArray(new byte[0])));
    }

    @Test
    void equalPixelsAreEqual() {
        BufferedImage picture = Pictures.gradient(20, 10, BufferedImage.TYPE_INT_RGB);
        Image image = Image.of(picture);
        assertThat(Image.of(Pictures.file(picture, "png"))).isEqualTo(image).hasSameHashCodeAs(image);
        assertThat(Image.of(Pictures.file(picture, "bmp")).hash()).isEqualTo(image.hash());
        assertThat(Image.ofRgb(20, 10, image.rgb())).isEqualTo(image);
        assertThat(Image.ofRgb(10, 20, image.rgb())).isNotEqualTo(image);
        assertThat(image.rgb().isReadOnly()).isTrue();
    }

    private static void assertSimilar(int pixel, int wanted, int distance) {
        for (int shift = 0; shift <= 16; shift += 8) {
            assertThat(pixel >> shift & 0xFF).as("%06x, wanted %06x", pixel, wanted & 0xFFFFFF).isCloseTo(wanted >> shift & 0xFF, within(distance));
        }
    }
}
