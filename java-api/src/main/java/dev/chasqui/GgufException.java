package dev.chasqui;

import java.nio.file.Path;

/// A file is not GGUF, or its header contradicts itself or the size of the file.
public final class GgufException extends ChasquiException {

    private final transient Path path;

    public GgufException(Path path, String reason) {
        super(path + " is not a usable GGUF file: " + reason);
        this.path = path;
    }

    public GgufException(Path path, String reason, Throwable cause) {
        super(path + " is not a usable GGUF file: " + reason, cause);
        this.path = path;
    }

    /// The file that was read.
    public Path path() {
        return path;
    }
}
