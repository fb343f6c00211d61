package dev.chasqui.examples.swingchat.view;

import com.formdev.flatlaf.FlatDarkLaf;
import com.formdev.flatlaf.FlatLaf;
import com.formdev.flatlaf.FlatLightLaf;
import dev.chasqui.examples.swingchat.settings.Settings;
import dev.chasqui.examples.swingchat.settings.ThemeChoice;
import java.awt.Font;
import javax.swing.SwingUtilities;
import javax.swing.UIManager;

/// The look of the program.
final class Theme {

    private boolean dark;
    private int fontSize;

    /// @param systemIsDark how the system looks at the start
    Theme(boolean systemIsDark) {
        this.dark = systemIsDark;
    }

    /// Sets the look as the settings say; where they follow the system, that is asked elsewhere and its answer is followed later.
    ///
    /// @param onChange called on the event thread after each change
    void apply(Settings settings, Runnable onChange) {
        switch (settings.theme()) {
            case LIGHT -> set(false, settings.fontSize(), onChange);
            case DARK -> set(true, settings.fontSize(), onChange);
            case SYSTEM -> {
                set(dark, settings.fontSize(), onChange);
                Thread.startVirtualThread(() -> {
                    boolean systemIsDark = SystemAppearance.isDark();
                    SwingUtilities.invokeLater(() -> set(systemIsDark, settings.fontSize(), onChange));
                });
            }
        }
    }

    static boolean follows(Settings settings) {
        return settings.theme() == ThemeChoice.SYSTEM;
    }

    private void set(boolean wanted, int size, Runnable onChange) {
        if (wanted == dark && size == fontSize) {
            return;
        }
        dark = wanted;
        fontSize = size;
        if (dark) {
            FlatDarkLaf.setup();
        } else {
            FlatLightLaf.setup();
        }
        UIManager.put("defaultFont", UIManager.getFont("Label.font").deriveFont(Font.PLAIN, (float) size));
        FlatLaf.updateUI();
        onChange.run();
    }
}
