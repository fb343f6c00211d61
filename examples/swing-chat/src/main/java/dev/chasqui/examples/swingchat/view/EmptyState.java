package dev.chasqui.examples.swingchat.view;

import dev.chasqui.examples.swingchat.app.Activity;
import dev.chasqui.examples.swingchat.app.ChatController;
import java.awt.GridBagLayout;
import javax.swing.JButton;
import javax.swing.JLabel;
import javax.swing.JPanel;
import javax.swing.SwingConstants;

/// What is shown in the place of messages while there are none.
final class EmptyState extends JPanel {

    private final transient ChatController controller;
    private final JLabel title = new JLabel("", SwingConstants.CENTER);
    private final JLabel hint = new JLabel("", SwingConstants.CENTER);
    private final JButton choose;

    EmptyState(ChatController controller, Runnable chooseModel) {
        super(new GridBagLayout());
        this.controller = controller;
        title.putClientProperty("FlatLaf.styleClass", "h1");
        choose = Buttons.text("Choose a model …", chooseModel);
        JPanel button = new JPanel();
        button.setOpaque(false);
        button.add(choose);
        JPanel column = new JPanel(new ColumnLayout(10));
        column.setOpaque(false);
        column.add(title);
        column.add(hint);
        column.add(button);
        add(column);
        refresh();
    }

    void refresh() {
        boolean none = controller.activity() == Activity.NO_MODEL;
        title.setText(none ? "Welcome" : "What can I do for you?");
        hint.setText(none ? "A model answers on this computer. Nothing that you write leaves it." : "Write a message below. Shift+Enter begins a new line.");
        hint.setForeground(Colors.faint());
        choose.setVisible(none);
        revalidate();
    }

    @Override
    public void updateUI() {
        super.updateUI();
        setBackground(Colors.background());
    }
}
