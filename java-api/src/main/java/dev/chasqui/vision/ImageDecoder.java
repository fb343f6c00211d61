package dev.chasqui.vision;

import dev.chasqui.UnsupportedFeatureException;
import java.awt.image.BufferedImage;
import java.awt.image.Raster;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Iterator;
import javax.imageio.IIOException;
import javax.imageio.ImageIO;
import javax.imageio.ImageReader;
import javax.imageio.stream.ImageInputStream;
import javax.imageio.stream.MemoryCacheImageInputStream;

/// Files of pictures to pixels, by `javax.imageio`. The size in the header is looked at before anything of that size is made.
final class ImageDecoder {

    private ImageDecoder() {
    }

    static Image decode(byte[] file, String name) {
        requireDesktop();
        if (file.length == 0) {
            throw new ImageException(name + " is empty");
        }
        try (ImageInputStream in = new MemoryCacheImageInputStream(new ByteArrayInputStream(file))) {
            Iterator<ImageReader> readers = ImageIO.getImageReaders(in);
            if (!readers.hasNext()) {
                throw new ImageException(name + " is no picture of a known format");
            }
            ImageReader reader = readers.next();
            try {
                reader.setInput(in, true, true);
                return read(reader, name, Orientation.of(file));
            } finally {
                reader.dispose();
            }
        } catch (ImageException | UnsupportedFeatureException e) {
            throw e;
        } catch (IOException | RuntimeException e) {
            // readers of damaged files throw whatever they run into
            throw new ImageException(name + " cannot be decoded: " + e, e);
        } catch (OutOfMemoryError e) {
            throw new ImageException(name + " is too large for the memory of this program", e);
        }
    }

    private static Image read(ImageReader reader, String name, Orientation orientation) throws IOException {
        int width = reader.getWidth(0);
        int height = reader.getHeight(0);
        if (width < 1 || height < 1 || (long) width * height > Image.MAX_PIXELS) {
            throw new ImageException("%s has %,d x %,d pixels, at most %,d in all can be read".formatted(name, width, height, Image.MAX_PIXELS));
        }
        try {
            return copy(reader.read(0), orientation);
        } catch (IIOException e) {
            if (!reader.canReadRaster()) {
                throw e;
            }
            return fourInks(reader.readRaster(0, null), name, orientation);
        }
    }

    static Image copy(BufferedImage image) {
        requireDesktop();
        return copy(image, Orientation.UPRIGHT);
    }

    private static Image copy(BufferedImage image, Orientation orientation) {
        int width = image.getWidth();
        int height = image.getHeight();
        Canvas canvas = new Canvas(width, height, orientation);
        int[] line = new int[width];
        for (int y = 0; y < height; y++) {
            image.getRGB(0, y, width, 1, line, 0, width);
            for (int x = 0; x < width; x++) {
                int pixel = line[x];
                int alpha = pixel >>> 24;
                canvas.set(x, y, onWhite(pixel >> 16 & 0xFF, alpha), onWhite(pixel >> 8 & 0xFF, alpha), onWhite(pixel & 0xFF, alpha));
            }
        }
        return canvas.image();
    }

    private static int onWhite(int colour, int alpha) {
        return alpha == 255 ? colour : (colour * alpha + 255 * (255 - alpha) + 127) / 255;
    }

    /// A JPEG of cyan, magenta, yellow and black, which the JDK gives as it is stored: inverted, as every program that writes such files does.
    private static Image fourInks(Raster raster, String name, Orientation orientation) {
        if (raster.getNumBands() != 4) {
            throw new ImageException(name + " has pixels of " + raster.getNumBands() + " numbers, which cannot be shown");
        }
        Canvas canvas = new Canvas(raster.getWidth(), raster.getHeight(), orientation);
        int[] inks = new int[4];
        for (int y = 0; y < raster.getHeight(); y++) {
            for (int x = 0; x < raster.getWidth(); x++) {
                raster.getPixel(raster.getMinX() + x, raster.getMinY() + y, inks);
                canvas.set(x, y, inks[0] * inks[3] / 255, inks[1] * inks[3] / 255, inks[2] * inks[3] / 255);
            }
        }
        return canvas.image();
    }

    private static void requireDesktop() {
        if (ModuleLayer.boot().findModule("java.desktop").isEmpty()) {
            throw new UnsupportedFeatureException("decoding pictures needs the module java.desktop: start Java with --add-modules java.desktop");
        }
    }

    /// Pixels in memory, written where the orientation puts them.
    private static final class Canvas {

        private final Orientation orientation;
        private final int storedWidth;
        private final int storedHeight;
        private final int width;
        private final int height;
        private final MemorySegment rgb;

        Canvas(int storedWidth, int storedHeight, Orientation orientation) {
            this.orientation = orientation;
            this.storedWidth = storedWidth;
            this.storedHeight = storedHeight;
            this.width = orientation.swapsSides() ? storedHeight : storedWidth;
            this.height = orientation.swapsSides() ? storedWidth : storedHeight;
            this.rgb = Image.allocate(width, height);
        }

        void set(int x, int y, int red, int green, int blue) {
            long at = ((long) orientation.y(x, y, storedWidth, storedHeight) * width + orientation.x(x, y, storedWidth, storedHeight)) * 3;
            rgb.set(ValueLayout.JAVA_BYTE, at, (byte) red);
            rgb.set(ValueLayout.JAVA_BYTE, at + 1, (byte) green);
            rgb.set(ValueLayout.JAVA_BYTE, at + 2, (byte) blue);
        }

        Image image() {
            return new Image(width, height, rgb);
        }
    }
}
