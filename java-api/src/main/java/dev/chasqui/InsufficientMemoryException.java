package dev.chasqui;

/// What was asked for does not fit into the memory of this machine; nothing was allocated.
public final class InsufficientMemoryException extends ChasquiException {

    public InsufficientMemoryException(String message) {
        super(message);
    }
}
