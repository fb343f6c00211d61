package dev.chasqui.examples.swingchat.view;

import java.awt.Rectangle;
import javax.swing.text.DefaultCaret;

/// A caret for text that is only read: it scrolls when somebody selects with it, not when there is new text.
final class QuietCaret extends DefaultCaret {

    QuietCaret() {
        setUpdatePolicy(NEVER_UPDATE);
    }

    @Override
    protected void adjustVisibility(Rectangle place) {
        if (getComponent() != null && getComponent().hasFocus()) {
            super.adjustVisibility(place);
        }
    }
}
