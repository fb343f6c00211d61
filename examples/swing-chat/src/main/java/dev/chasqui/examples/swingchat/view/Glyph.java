package dev.chasqui.examples.swingchat.view;

import java.awt.BasicStroke;
import java.awt.Color;
import java.awt.Component;
import java.awt.Graphics;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import java.awt.geom.AffineTransform;
import java.awt.geom.Arc2D;
import java.awt.geom.Path2D;
import java.util.Locale;
import java.util.Scanner;
import javax.swing.Icon;
import javax.swing.UIManager;

/// Icons, drawn as lines on a grid of 16 x 16, in the colour of the text.
enum Glyph implements Icon {
    SEND("M8 13 L8 3 M3.5 7.5 L8 3 L12.5 7.5"),
    STOP("M4.5 4.5 L11.5 4.5 L11.5 11.5 L4.5 11.5 Z"),
    COPY("M6 6 L13 6 L13 13 L6 13 Z M10 6 L10 3 L3 3 L3 10 L6 10"),
    EDIT("M3 13 L3.7 10.2 L11 3 L13 5 L5.8 12.3 Z M9.5 4.5 L11.5 6.5"),
    AGAIN("M12.5 5.5 A L12.5 2.5 M12.5 5.5 L9.5 5.5"),
    BRANCH("M4.5 3 L4.5 13 M4.5 9.5 L8.5 9.5 L11.5 6.5 L11.5 3 M2.5 5 L4.5 3 L6.5 5 M9.5 5 L11.5 3 L13.5 5"),
    PLUS("M8 3 L8 13 M3 8 L13 8"),
    PICTURE("M2.5 3.5 L13.5 3.5 L13.5 12.5 L2.5 12.5 Z M2.5 11 L6 7.5 L9 10.5 L11 8.5 L13.5 11 M10.5 5.5 L11 6"),
    SETTINGS("M2.5 5 L13.5 5 M2.5 11 L13.5 11 M10 3 L10 7 M6 9 L6 13"),
    PREVIOUS("M10 3.5 L5.5 8 L10 12.5"),
    NEXT("M6 3.5 L10.5 8 L6 12.5"),
    DOWN("M3.5 6 L8 10.5 L12.5 6"),
    CLOSE("M4 4 L12 12 M12 4 L4 12");

    private static final int SIZE = 16;

    private final Path2D path = new Path2D.Double();

    Glyph(String drawing) {
        Scanner words = new Scanner(drawing.replaceAll("([A-Z])", " $1 ")).useLocale(Locale.ROOT);
        while (words.hasNext()) {
            switch (words.next()) {
                case "M" -> path.moveTo(words.nextDouble(), words.nextDouble());
                case "L" -> path.lineTo(words.nextDouble(), words.nextDouble());
                case "A" -> { // most of a circle around the middle
                    path.append(new Arc2D.Double(3, 3, 10, 10, 30, 300, Arc2D.OPEN), false);
                    path.moveTo(12.5, 5.5);
                }
                default -> path.closePath();
            }
        }
    }

    @Override
    public void paintIcon(Component component, Graphics graphics, int x, int y) {
        Graphics2D pen = (Graphics2D) graphics.create();
        try {
            pen.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
            pen.setRenderingHint(RenderingHints.KEY_STROKE_CONTROL, RenderingHints.VALUE_STROKE_PURE);
            Color color = component.isEnabled() ? component.getForeground() : UIManager.getColor("Label.disabledForeground");
            pen.setColor(color);
            pen.setStroke(new BasicStroke(1.4f, BasicStroke.CAP_ROUND, BasicStroke.JOIN_ROUND));
            pen.transform(AffineTransform.getTranslateInstance(x, y));
            pen.draw(path);
            if (this == STOP) {
                pen.fill(path);
            }
        } finally {
            pen.dispose();
        }
    }

    @Override
    public int getIconWidth() {
        return SIZE;
    }

    @Override
    public int getIconHeight() {
        return SIZE;
    }
}
