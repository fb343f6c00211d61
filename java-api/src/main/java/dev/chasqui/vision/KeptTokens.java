package dev.chasqui.vision;

import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.Objects;
import javax.imageio.ImageIO;

/// Shows which parts of an image are left after pruning: over the picture, dropped cells of the grid are dimmed and kept ones stay as they are.
/// Immutable.
///
/// The only class of this package that needs the module `java.desktop`, which programs on the module path have to require themselves.
public final class KeptTokens {

    private static final Color DIM = new Color(0, 0, 0, 176);
    private static final Color EDGE = new Color(255, 200, 0);

    private final int width;
    private final int height;
    private final BitSet cells;

    private KeptTokens(int width, int height, BitSet cells) {
        this.width = width;
        this.height = height;
        this.cells = cells;
    }

    /// @param tokens an image with a grid
    /// @param kept   numbers of rows
    /// @throws IllegalArgumentException without a grid, if the image has fewer rows than its grid, and for a number that is no row's
    public static KeptTokens of(ImageTokens tokens, int... kept) {
        BitSet breaks = tokens.breaks();
        int grid = tokens.gridWidth() * tokens.gridHeight();
        if (grid == 0 || tokens.count() - breaks.cardinality() < grid) {
            throw new IllegalArgumentException("%d rows without breaks, for a grid of %d x %d"
                    .formatted(tokens.count() - breaks.cardinality(), tokens.gridWidth(), tokens.gridHeight()));
        }
        BitSet rows = new BitSet();
        for (int row : kept) {
            if (row < 0 || row >= tokens.count()) {
                throw new IllegalArgumentException("row %d of %d".formatted(row, tokens.count()));
            }
            rows.set(row);
        }
        BitSet cells = new BitSet();
        for (int row = breaks.nextClearBit(0), cell = 0; cell < grid; row = breaks.nextClearBit(row + 1), cell++) {
            cells.set(cell, rows.get(row));
        }
        return new KeptTokens(tokens.gridWidth(), tokens.gridHeight(), cells);
    }

    /// What is left of a picture, or of one of its tiles.
    ///
    /// @throws IllegalArgumentException without a grid
    public static KeptTokens of(EncodedImage.Rows rows) {
        return of(rows.tokens(null), rows.kept());
    }

    /// How many cells are kept.
    public int count() {
        return cells.cardinality();
    }

    /// Whether a cell is kept.
    ///
    /// @throws IndexOutOfBoundsException if there is no such cell
    public boolean isKept(int x, int y) {
        Objects.checkIndex(x, width);
        Objects.checkIndex(y, height);
        return cells.get(y * width + x);
    }

    /// A copy of the picture, whose sides the grid divides evenly, with the dropped cells dimmed.
    public BufferedImage over(BufferedImage picture) {
        BufferedImage out = new BufferedImage(picture.getWidth(), picture.getHeight(), BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = out.createGraphics();
        try {
            graphics.drawImage(picture, 0, 0, null);
            for (int y = 0; y < height; y++) {
                for (int x = 0; x < width; x++) {
                    draw(graphics, out, x, y);
                }
            }
        } finally {
            graphics.dispose();
        }
        return out;
    }

    private void draw(Graphics2D graphics, BufferedImage out, int x, int y) {
        int left = edge(x, width, out.getWidth());
        int top = edge(y, height, out.getHeight());
        int right = edge(x + 1, width, out.getWidth());
        int bottom = edge(y + 1, height, out.getHeight());
        if (!isKept(x, y)) {
            graphics.setColor(DIM);
            graphics.fillRect(left, top, right - left, bottom - top);
        } else if (right - left >= 6 && bottom - top >= 6) {
            graphics.setColor(EDGE);
            graphics.drawRect(left, top, right - left - 1, bottom - top - 1);
        }
    }

    private static int edge(int cell, int cells, int pixels) {
        return (int) ((long) cell * pixels / cells);
    }

    /// Writes [#over] as a PNG file.
    public void write(BufferedImage picture, Path file) throws IOException {
        try (OutputStream out = Files.newOutputStream(file)) {
            if (!ImageIO.write(over(picture), "png", out)) {
                throw new IOException("this Java cannot write PNG files");
            }
        }
    }
}
