package dev.chasqui.examples.swingchat.view;

import java.awt.Color;
import javax.swing.UIManager;

/// Colours beyond those of the look and feel, mixed from them so that they go with every theme.
final class Colors {

    private Colors() {}

    static Color text() {
        return UIManager.getColor("Label.foreground");
    }

    static Color faint() {
        return mix(text(), background(), 0.42);
    }

    static Color background() {
        return UIManager.getColor("TextArea.background");
    }

    static Color side() {
        return mix(UIManager.getColor("Panel.background"), text(), 0.02);
    }

    static Color accent() {
        return UIManager.getColor("Component.accentColor");
    }

    static Color bubble() {
        return mix(background(), accent(), 0.13);
    }

    static Color codeBackground() {
        return mix(background(), text(), 0.06);
    }

    static Color line() {
        return mix(background(), text(), 0.16);
    }

    static Color warning() {
        return mix(background(), new Color(230, 130, 0), 0.2);
    }

    /// @param share of the second colour
    private static Color mix(Color a, Color b, double share) {
        return new Color(mix(a.getRed(), b.getRed(), share), mix(a.getGreen(), b.getGreen(), share), mix(a.getBlue(), b.getBlue(), share));
    }

    private static int mix(int a, int b, double share) {
        return (int) Math.round(a + (b - a) * share);
    }
}
