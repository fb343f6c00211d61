package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.markdown.Element.Code;
import java.awt.BorderLayout;
import java.awt.Font;
import java.awt.Graphics;
import java.awt.Insets;
import java.awt.event.MouseWheelEvent;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JScrollBar;
import javax.swing.JScrollPane;
import javax.swing.JTextArea;
import javax.swing.SwingUtilities;
import javax.swing.UIManager;

/// Program text with its language and a button that copies it. Text that grows is added to, not set anew.
final class CodeBlock extends JPanel {

    private final JLabel language = new JLabel();
    private final JTextArea text = new JTextArea();
    private final JScrollPane scroll = new JScrollPane(text, JScrollPane.VERTICAL_SCROLLBAR_NEVER, JScrollPane.HORIZONTAL_SCROLLBAR_AS_NEEDED);

    CodeBlock() {
        super(new BorderLayout());
        JButton[] copy = new JButton[1];
        copy[0] = Buttons.icon(Glyph.COPY, "Copy code", () -> Clipboard.copy(text.getText(), copy[0]));
        JPanel head = new JPanel(new BorderLayout());
        head.setOpaque(false);
        head.setBorder(BorderFactory.createEmptyBorder(2, 12, 2, 4));
        head.add(language, BorderLayout.WEST);
        head.add(copy[0], BorderLayout.EAST);
        text.setEditable(false);
        text.setTabSize(4);
        text.setOpaque(false);
        text.setBorder(BorderFactory.createEmptyBorder(0, 12, 10, 12));
        text.getAccessibleContext().setAccessibleName("Code");
        text.setCaret(new QuietCaret());
        scroll.setBorder(BorderFactory.createEmptyBorder());
        scroll.setOpaque(false);
        scroll.getViewport().setOpaque(false);
        scroll.setWheelScrollingEnabled(false);
        scroll.addMouseWheelListener(this::scroll);
        add(head, BorderLayout.NORTH);
        add(scroll, BorderLayout.CENTER);
        Font font = UIManager.getFont("Label.font");
        text.setFont(new Font(Font.MONOSPACED, Font.PLAIN, font.getSize()));
        language.setForeground(Colors.faint());
        setOpaque(false);
        setBackground(Colors.codeBackground());
        setBorder(new RoundBorder(new Insets(2, 1, 1, 1)));
    }

    void show(Code code) {
        language.setText(code.language().isEmpty() ? "text" : code.language());
        String before = text.getText();
        if (code.text().startsWith(before)) {
            text.append(code.text().substring(before.length()));
        } else {
            text.setText(code.text());
        }
    }

    @Override
    protected void paintComponent(Graphics graphics) {
        RoundBorder.fill(this, graphics);
    }

    /// The wheel moves the conversation; with Shift it moves the code.
    private void scroll(MouseWheelEvent event) {
        if (event.isShiftDown()) {
            JScrollBar bar = scroll.getHorizontalScrollBar();
            bar.setValue(bar.getValue() + event.getWheelRotation() * bar.getUnitIncrement(1) * 3);
        } else {
            getParent().dispatchEvent(SwingUtilities.convertMouseEvent(scroll, event, getParent()));
        }
    }
}
