package dev.chasqui;

/// The work was stopped by a `cancel()` from another thread, by an interrupt, or by a progress listener.
public final class CancelledException extends ChasquiException {

    public CancelledException(String message) {
        super(message);
    }
}
