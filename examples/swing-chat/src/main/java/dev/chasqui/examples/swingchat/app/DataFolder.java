package dev.chasqui.examples.swingchat.app;

import java.nio.file.Path;
import java.util.Locale;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/// Where this program keeps what belongs to the user.
public record DataFolder(Path root) {

    /// System property that puts it elsewhere.
    public static final String PROPERTY = "chasqui.chat.folder";

    public static DataFolder standard() {
        return standard(System::getProperty, System::getenv);
    }

    static DataFolder standard(UnaryOperator<@Nullable String> property, UnaryOperator<@Nullable String> environment) {
        String chosen = property.apply(PROPERTY);
        if (chosen != null) {
            return new DataFolder(Path.of(chosen));
        }
        Path home = Path.of(Objects.requireNonNullElse(property.apply("user.home"), "."));
        String os = Objects.requireNonNullElse(property.apply("os.name"), "").toLowerCase(Locale.ROOT);
        if (os.contains("win")) {
            String roaming = environment.apply("APPDATA");
            return new DataFolder((roaming == null ? home.resolve("AppData").resolve("Roaming") : Path.of(roaming)).resolve("Chasqui Chat"));
        }
        if (os.contains("mac")) {
            return new DataFolder(home.resolve("Library").resolve("Application Support").resolve("Chasqui Chat"));
        }
        String xdg = environment.apply("XDG_DATA_HOME");
        boolean usable = xdg != null && Path.of(xdg).isAbsolute(); // the specification says to ignore others
        return new DataFolder((usable ? Path.of(xdg) : home.resolve(".local").resolve("share")).resolve("chasqui-chat"));
    }

    public Path settings() {
        return root.resolve("settings.json");
    }

    public Path conversations() {
        return root.resolve("conversations");
    }

    public Path pictures() {
        return root.resolve("pictures");
    }

    /// What was computed for conversations, for [dev.chasqui.kv.SequenceStore].
    public Path sequences() {
        return root.resolve("sequences");
    }
}
