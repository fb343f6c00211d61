package dev.chasqui.examples.swingchat.view;

import java.awt.Component;
import java.awt.Graphics;
import java.awt.Graphics2D;
import java.awt.Insets;
import java.awt.RenderingHints;
import javax.swing.border.AbstractBorder;

/// A thin line with round corners.
final class RoundBorder extends AbstractBorder {

    private static final int ARC = 18;

    private final Insets room;

    /// @param room between the line and what is inside
    RoundBorder(Insets room) {
        this.room = room;
    }

    /// Fills the background of a component inside of such a line.
    static void fill(Component component, Graphics graphics) {
        Graphics2D pen = (Graphics2D) graphics.create();
        pen.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
        pen.setColor(component.getBackground());
        pen.fillRoundRect(0, 0, component.getWidth() - 1, component.getHeight() - 1, ARC, ARC);
        pen.dispose();
    }

    @Override
    public void paintBorder(Component component, Graphics graphics, int x, int y, int width, int height) {
        Graphics2D pen = (Graphics2D) graphics.create();
        pen.setRenderingHint(RenderingHints.KEY_ANTIALIASING, RenderingHints.VALUE_ANTIALIAS_ON);
        pen.setColor(Colors.line());
        pen.drawRoundRect(x, y, width - 1, height - 1, ARC, ARC);
        pen.dispose();
    }

    @Override
    public Insets getBorderInsets(Component component, Insets insets) {
        insets.set(room.top, room.left, room.bottom, room.right);
        return insets;
    }
}
