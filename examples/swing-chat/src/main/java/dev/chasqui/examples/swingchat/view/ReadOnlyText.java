package dev.chasqui.examples.swingchat.view;

import javax.swing.JTextArea;

/// Plain text that wraps and can be selected.
final class ReadOnlyText extends JTextArea {

    /// @param name for who cannot see it
    ReadOnlyText(String text, String name) {
        super(text);
        setCaret(new QuietCaret());
        setEditable(false);
        setOpaque(false);
        setLineWrap(true);
        setWrapStyleWord(true);
        setBorder(null);
        getAccessibleContext().setAccessibleName(name);
    }
}
