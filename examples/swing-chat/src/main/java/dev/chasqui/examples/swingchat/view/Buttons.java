package dev.chasqui.examples.swingchat.view;

import javax.swing.Icon;
import javax.swing.JButton;

/// Buttons that look alike, each with a name for who cannot see it.
final class Buttons {

    private Buttons() {}

    /// A flat button with an icon alone.
    static JButton icon(Icon icon, String name, Runnable action) {
        JButton button = new JButton(icon);
        button.putClientProperty("JButton.buttonType", "toolBarButton");
        button.setToolTipText(name);
        button.getAccessibleContext().setAccessibleName(name);
        button.addActionListener(_ -> action.run());
        return button;
    }

    static JButton text(String text, Runnable action) {
        JButton button = new JButton(text);
        button.addActionListener(_ -> action.run());
        return button;
    }
}
