package pruning;

import dev.chasqui.vision.ImageTokens;
import dev.chasqui.vision.KeptTokens;
import dev.chasqui.vision.TokenPruner;
import java.awt.Color;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;

/// Chooses a few of the patches of a picture, and draws which ones. No model is needed: a patch's row here is what its colours are like; with a
/// model, it is what the encoder makes of it.
public final class Pruning {

    private static final int PATCH = 16;
    private static final int COLUMNS = 24;
    private static final int ROWS = 16;
    private static final Color SKY = new Color(120, 180, 240);

    private Pruning() {}

    public static void main(String... args) throws IOException {
        Path folder = args.length > 0 ? Path.of(args[0]) : Files.createTempDirectory("pruning");
        BufferedImage picture = picture();
        ImageTokens tokens = tokens(picture);
        for (TokenPruner pruner : List.of(TokenPruner.kCenter(), TokenPruner.random(1))) {
            int[] kept = tokens.select(pruner, tokens.count() / 16);
            KeptTokens.of(tokens, kept).write(picture, folder.resolve(pruner.name() + ".png"));
            IO.println("%s keeps %d of %d patches, %d of them sky".formatted(pruner.name(), kept.length, tokens.count(),
                    IntStream.of(kept).filter(i -> isSky(picture, i)).count()));
        }
    }

    private static BufferedImage picture() {
        BufferedImage picture = new BufferedImage(COLUMNS * PATCH, ROWS * PATCH, BufferedImage.TYPE_INT_RGB);
        Graphics2D graphics = picture.createGraphics();
        fill(graphics, SKY, 0, 0, 384, 256);
        graphics.setColor(new Color(255, 230, 80));
        graphics.fillOval(300, 24, 48, 48);
        fill(graphics, new Color(70, 150, 60), 0, 224, 384, 32);
        fill(graphics, new Color(200, 60, 40), 80, 150, 120, 74);
        fill(graphics, new Color(90, 50, 30), 125, 180, 30, 44);
        fill(graphics, Color.WHITE, 165, 165, 22, 22);
        graphics.dispose();
        return picture;
    }

    private static void fill(Graphics2D graphics, Color color, int x, int y, int width, int height) {
        graphics.setColor(color);
        graphics.fillRect(x, y, width, height);
    }

    /// One row for each patch: the mean of its colours and how far they are spread, each less the middle grey.
    private static ImageTokens tokens(BufferedImage picture) {
        int width = 6;
        float[] rows = new float[COLUMNS * ROWS * width];
        for (int patch = 0; patch < COLUMNS * ROWS; patch++) {
            for (int channel = 0; channel < 3; channel++) {
                int shift = 8 * channel;
                int[] values = IntStream.of(pixels(picture, patch)).map(rgb -> rgb >> shift & 0xff).toArray();
                double mean = IntStream.of(values).average().orElseThrow();
                rows[patch * width + channel] = (float) (mean - 128);
                rows[patch * width + 3 + channel] = (float) IntStream.of(values).mapToDouble(v -> Math.abs(v - mean)).average().orElseThrow();
            }
        }
        return ImageTokens.of(rows, COLUMNS * ROWS, width).withGrid(COLUMNS, ROWS);
    }

    private static int[] pixels(BufferedImage picture, int patch) {
        return picture.getRGB(patch % COLUMNS * PATCH, patch / COLUMNS * PATCH, PATCH, PATCH, null, 0, PATCH);
    }

    private static boolean isSky(BufferedImage picture, int patch) {
        return IntStream.of(pixels(picture, patch)).allMatch(rgb -> rgb == SKY.getRGB());
    }
}
