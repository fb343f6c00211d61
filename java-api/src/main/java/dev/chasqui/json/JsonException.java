package dev.chasqui.json;

import dev.chasqui.ChasquiException;

/// A text is not JSON, or JSON is not what was expected there. The message starts with the place.
public final class JsonException extends ChasquiException {

    public JsonException(String message) {
        super(message);
    }

    public JsonException(String message, Throwable cause) {
        super(message, cause);
    }
}
