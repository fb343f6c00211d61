package dev.chasqui.vision;

import dev.chasqui.internal.ContentHash;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;

/// A picture: rows of pixels of three bytes each, red, green and blue, off-heap.
///
/// Immutable and thread-safe. Its memory goes when nothing refers to it any more. Files are decoded in Java by `javax.imageio`, so that a damaged one ends in
/// an [ImageException]; the formats are those of the JDK (PNG, JPEG, GIF, BMP, WBMP, TIFF) and of whatever `javax.imageio` plug-ins the program has. What is
/// transparent lies on white. On the module path decoding needs the module `java.desktop`.
public final class Image {

    /// Most pixels of a picture.
    public static final int MAX_PIXELS = 1 << 26;

    private static final int MAX_FILE_BYTES = 1 << 28;

    private final int width;
    private final int height;
    private final MemorySegment rgb;
    private final String hash;

    Image(int width, int height, MemorySegment rgb) {
        this.width = width;
        this.height = height;
        this.rgb = rgb.asReadOnly();
        this.hash = ContentHash.of(rgb, width, height);
    }

    /// A picture from a file.
    ///
    /// @throws ImageException if the file cannot be read, or is no picture of a known format and at most [#MAX_PIXELS]
    public static Image of(Path file) {
        Objects.requireNonNull(file, "file");
        byte[] bytes;
        try {
            if (Files.size(file) > MAX_FILE_BYTES) {
                throw new ImageException(file + " has more than " + MAX_FILE_BYTES + " bytes");
            }
            bytes = Files.readAllBytes(file);
        } catch (IOException e) {
            throw new ImageException("cannot read " + file + ": " + e, e);
        }
        return ImageDecoder.decode(bytes, file.toString());
    }

    /// A picture from the content of a file.
    ///
    /// @throws ImageException if it is no picture of a known format and at most [#MAX_PIXELS]
    public static Image of(byte[] file) {
        return ImageDecoder.decode(file.clone(), "the picture");
    }

    /// A copy of a picture in memory.
    ///
    /// @throws ImageException if it has more than [#MAX_PIXELS]
    public static Image of(BufferedImage image) {
        return ImageDecoder.copy(image);
    }

    /// A copy of raw pixels, row by row from the top, `width * height * 3` bytes.
    ///
    /// @throws IllegalArgumentException if there are more or fewer bytes
    /// @throws ImageException           if it has more than [#MAX_PIXELS]
    public static Image ofRgb(int width, int height, MemorySegment rgb) {
        MemorySegment copy = allocate(width, height);
        if (rgb.byteSize() != copy.byteSize()) {
            throw new IllegalArgumentException("%d x %d pixels have %d bytes, not %d".formatted(width, height, copy.byteSize(), rgb.byteSize()));
        }
        return new Image(width, height, copy.copyFrom(rgb));
    }

    /// Room for the pixels of a picture.
    static MemorySegment allocate(int width, int height) {
        if (width < 1 || height < 1) {
            throw new IllegalArgumentException("a picture of " + width + " x " + height + " pixels");
        }
        if ((long) width * height > MAX_PIXELS) {
            throw new ImageException("a picture of %,d x %,d pixels is larger than %,d pixels".formatted(width, height, MAX_PIXELS));
        }
        return Arena.ofAuto().allocate((long) width * height * 3);
    }

    public int width() {
        return width;
    }

    public int height() {
        return height;
    }

    /// The pixels, `[height, width, 3]` bytes; read-only.
    public MemorySegment rgb() {
        return rgb;
    }

    /// The SHA-256 of size and pixels: equal for pictures that look the same.
    public String hash() {
        return hash;
    }

    /// A pixel as `0xRRGGBB`.
    public int pixel(int x, int y) {
        long at = ((long) Objects.checkIndex(y, height) * width + Objects.checkIndex(x, width)) * 3;
        return (rgb.get(ValueLayout.JAVA_BYTE, at) & 0xFF) << 16 | (rgb.get(ValueLayout.JAVA_BYTE, at + 1) & 0xFF) << 8
                | rgb.get(ValueLayout.JAVA_BYTE, at + 2) & 0xFF;
    }

    /// A copy for drawing. On the module path it needs the module `java.desktop`.
    public BufferedImage toBufferedImage() {
        BufferedImage copy = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < height; y++) {
            for (int x = 0; x < width; x++) {
                copy.setRGB(x, y, pixel(x, y));
            }
        }
        return copy;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Image image && image.hash.equals(hash);
    }

    @Override
    public int hashCode() {
        return hash.hashCode();
    }

    @Override
    public String toString() {
        return "Image[" + width + " x " + height + ", " + hash.substring(0, 12) + "]";
    }
}
