package dev.chasqui.vision;

import dev.chasqui.ChasquiException;
import org.jspecify.annotations.Nullable;

/// A picture cannot be read: it is damaged, of an unknown format, or too large.
public final class ImageException extends ChasquiException {

    ImageException(String message) {
        super(message);
    }

    ImageException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }
}
