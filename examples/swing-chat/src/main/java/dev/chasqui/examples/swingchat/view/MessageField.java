package dev.chasqui.examples.swingchat.view;

import java.awt.Graphics;
import java.awt.Graphics2D;
import java.awt.RenderingHints;
import javax.swing.JTextArea;

/// A text area that says what it is for while it is empty.
final class MessageField extends JTextArea {

    private final String hint;

    MessageField(int rows, String hint) {
        super(rows, 40);
        this.hint = hint;
        setLineWrap(true);
        setWrapStyleWord(true);
        setOpaque(false);
    }

    @Override
    protected void paintComponent(Graphics graphics) {
        super.paintComponent(graphics);
        if (getDocument().getLength() == 0) {
            Graphics2D pen = (Graphics2D) graphics.create();
            pen.setRenderingHint(RenderingHints.KEY_TEXT_ANTIALIASING, RenderingHints.VALUE_TEXT_ANTIALIAS_ON);
            pen.setColor(Colors.faint());
            pen.setFont(getFont());
            pen.drawString(hint, getInsets().left, getInsets().top + pen.getFontMetrics().getAscent());
            pen.dispose();
        }
    }
}
