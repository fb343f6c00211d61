package dev.chasqui.examples.swingchat.view;

import dev.chasqui.FinishReason;
import dev.chasqui.examples.swingchat.app.ChatController;
import dev.chasqui.examples.swingchat.conversation.AnswerFacts;
import dev.chasqui.examples.swingchat.conversation.Message;
import java.awt.BorderLayout;
import java.awt.FlowLayout;
import java.awt.Graphics;
import java.util.List;
import javax.swing.BorderFactory;
import javax.swing.JButton;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.JTextArea;

/// One message that is complete: what is said, its pictures, and what can be done with it.
final class MessageView extends JPanel {

    private final transient Message message;
    private final transient ChatController controller;
    private final boolean unanswered;
    private final boolean user;

    /// @param unanswered whether nothing follows it
    MessageView(Message message, ChatController controller, boolean unanswered) {
        super(new ColumnLayout(6));
        this.message = message;
        this.controller = controller;
        this.unanswered = unanswered;
        this.user = message.isUser();
        setOpaque(false);
        setBorder(user ? BorderFactory.createEmptyBorder(12, 16, 8, 16) : BorderFactory.createEmptyBorder(4, 16, 4, 16));
        getAccessibleContext().setAccessibleName(user ? "Your message" : "Answer");
        fill();
    }

    private void fill() {
        if (!message.pictures().isEmpty()) {
            add(new PictureRow(message.pictures(), controller));
        }
        if (!message.reasoning().isEmpty()) {
            add(new ReasoningView(message.reasoning(), false));
        }
        if (!user) {
            MarkdownView text = new MarkdownView();
            text.show(message.text());
            add(text);
        } else if (!message.text().isEmpty()) {
            add(new ReadOnlyText(message.text(), "Text"));
        }
        add(actions());
    }

    private JPanel actions() {
        JPanel left = new JPanel(new FlowLayout(FlowLayout.LEFT, 0, 0));
        left.setOpaque(false);
        JButton[] copy = new JButton[1];
        copy[0] = Buttons.icon(Glyph.COPY, user ? "Copy message" : "Copy answer", () -> Clipboard.copy(message.text(), copy[0]));
        left.add(copy[0]);
        if (user) {
            left.add(Buttons.icon(Glyph.EDIT, "Edit message", this::edit));
            if (unanswered) {
                left.add(Buttons.icon(Glyph.AGAIN, "Answer this message", () -> controller.regenerate(message)));
            }
        } else {
            left.add(Buttons.icon(Glyph.AGAIN, "Answer again", () -> controller.regenerate(message)));
            left.add(Buttons.icon(Glyph.BRANCH, "Go on from here in a new conversation", () -> controller.branch(message)));
        }
        List<Message> versions = controller.shown().versions(message);
        if (versions.size() > 1) {
            int index = versions.indexOf(message);
            JButton previous = Buttons.icon(Glyph.PREVIOUS, "Earlier version", () -> controller.showVersion(message, -1));
            JButton next = Buttons.icon(Glyph.NEXT, "Later version", () -> controller.showVersion(message, 1));
            previous.setEnabled(index > 0);
            next.setEnabled(index < versions.size() - 1);
            left.add(previous);
            left.add(faint(index + 1 + " of " + versions.size()));
            left.add(next);
        }
        JPanel row = new JPanel(new BorderLayout());
        row.setOpaque(false);
        row.add(left, BorderLayout.WEST);
        AnswerFacts facts = message.facts();
        if (facts != null) {
            row.add(faint(describe(facts)), BorderLayout.EAST);
        }
        return row;
    }

    /// Changes the message in place of its text.
    private void edit() {
        removeAll();
        JTextArea editor = new JTextArea(message.text());
        editor.setLineWrap(true);
        editor.setWrapStyleWord(true);
        editor.setBorder(BorderFactory.createCompoundBorder(BorderFactory.createLineBorder(Colors.accent()), BorderFactory.createEmptyBorder(6, 8, 6, 8)));
        editor.getAccessibleContext().setAccessibleName("New text of the message");
        JPanel buttons = new JPanel(new FlowLayout(FlowLayout.RIGHT, 6, 0));
        buttons.setOpaque(false);
        buttons.add(Buttons.text("Cancel", () -> {
            removeAll();
            fill();
            revalidate();
            repaint();
        }));
        buttons.add(Buttons.text("Send as a new version", () -> controller.edit(message, editor.getText())));
        add(editor);
        add(buttons);
        revalidate();
        repaint();
        editor.requestFocusInWindow();
    }

    private static String describe(AnswerFacts facts) {
        String end = switch (facts.finish()) {
            case CANCELLED -> "stopped";
            case LENGTH -> "cut off at the limit of the settings";
            case CONTEXT_FULL -> "cut off, the memory is full";
            default -> "";
        };
        String model = facts.model();
        return end.isEmpty() ? model : facts.finish() == FinishReason.CANCELLED ? model + " · " + end : end;
    }

    private static JLabel faint(String text) {
        JLabel label = new JLabel(text);
        label.setForeground(Colors.faint());
        label.putClientProperty("FlatLaf.styleClass", "small");
        return label;
    }

    @Override
    protected void paintComponent(Graphics graphics) {
        super.paintComponent(graphics);
        if (user) {
            setBackground(Colors.bubble());
            RoundBorder.fill(this, graphics);
        }
    }
}
