package dev.chasqui.examples.swingchat.view;

import java.awt.Toolkit;
import java.awt.datatransfer.StringSelection;
import javax.swing.Icon;
import javax.swing.JButton;
import javax.swing.Timer;

/// Copies text.
final class Clipboard {

    private static final int CONFIRMED_MILLIS = 1200;

    private Clipboard() {}

    /// A copy that the button confirms for a moment.
    static void copy(String text, JButton button) {
        Toolkit.getDefaultToolkit().getSystemClipboard().setContents(new StringSelection(text), null);
        Icon icon = button.getIcon();
        button.setIcon(null);
        button.setText("Copied");
        Timer timer = new Timer(CONFIRMED_MILLIS, _ -> {
            button.setText(null);
            button.setIcon(icon);
        });
        timer.setRepeats(false);
        timer.start();
    }
}
