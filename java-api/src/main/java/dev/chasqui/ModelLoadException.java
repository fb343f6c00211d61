package dev.chasqui;

import java.nio.file.Path;

/// A model file cannot be used: missing, unreadable, damaged, or of an architecture that this build does not know.
public final class ModelLoadException extends ChasquiException {

    private final transient Path path;

    public ModelLoadException(Path path, String reason) {
        super("cannot load " + path + ": " + reason);
        this.path = path;
    }

    public ModelLoadException(Path path, String reason, Throwable cause) {
        super("cannot load " + path + ": " + reason, cause);
        this.path = path;
    }

    /// The file that was asked for.
    public Path path() {
        return path;
    }
}
