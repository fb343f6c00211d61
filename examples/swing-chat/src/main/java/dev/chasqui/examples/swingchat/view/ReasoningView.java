package dev.chasqui.examples.swingchat.view;

import java.awt.BorderLayout;
import javax.swing.JPanel;
import javax.swing.JToggleButton;

/// What a model thought before it spoke, folded away unless it is wanted.
final class ReasoningView extends JPanel {

    private final ReadOnlyText text = new ReadOnlyText("", "Reasoning of the model");
    private int length;

    ReasoningView(String reasoning, boolean open) {
        super(new ColumnLayout(4));
        setOpaque(false);
        JToggleButton toggle = new JToggleButton("Reasoning", open);
        toggle.putClientProperty("JButton.buttonType", "toolBarButton");
        toggle.addActionListener(_ -> {
            text.setVisible(toggle.isSelected());
            revalidate();
        });
        JPanel row = new JPanel(new BorderLayout());
        row.setOpaque(false);
        row.add(toggle, BorderLayout.WEST);
        text.setForeground(Colors.faint());
        text.setVisible(open);
        add(row);
        add(text);
        show(reasoning);
    }

    /// Shows a text that begins with the one that is shown.
    void show(String reasoning) {
        text.append(reasoning.substring(length));
        length = reasoning.length();
    }
}
