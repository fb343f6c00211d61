package dev.chasqui;

/// Saved state belongs to another model, cache type or build, or is damaged; nothing was changed.
public final class StateMismatchException extends ChasquiException {

    public StateMismatchException(String message) {
        super(message);
    }
}
