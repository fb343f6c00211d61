package dev.chasqui;

/// A grammar does not parse, exceeds the limits, or cannot continue the text.
public final class GrammarException extends ChasquiException {

    public GrammarException(String message) {
        super(message);
    }
}
