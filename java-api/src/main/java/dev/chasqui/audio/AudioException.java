package dev.chasqui.audio;

import dev.chasqui.ChasquiException;

/// A sound cannot be read: it is damaged, of an unknown format, or too long.
public final class AudioException extends ChasquiException {

    AudioException(String message) {
        super(message);
    }

    AudioException(String message, Throwable cause) {
        super(message, cause);
    }
}
