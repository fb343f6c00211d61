package dev.chasqui.examples.swingchat.app;

import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.image.BufferedImage;

/// Makes pictures as large as they are shown. It takes a moment for large ones: not for the thread of the user interface.
public final class Thumbnails {

    private Thumbnails() {}

    /// A copy whose longer side has so many pixels.
    public static BufferedImage of(BufferedImage image, int size) {
        double scale = Math.min((double) size / image.getWidth(), (double) size / image.getHeight());
        int width = Math.max(1, (int) (image.getWidth() * scale));
        int height = Math.max(1, (int) (image.getHeight() * scale));
        BufferedImage small = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
        Graphics2D pen = small.createGraphics();
        pen.setRenderingHint(RenderingHints.KEY_INTERPOLATION, RenderingHints.VALUE_INTERPOLATION_BILINEAR);
        pen.drawImage(image, 0, 0, width, height, null);
        pen.dispose();
        return small;
    }
}
