package dev.chasqui;

/// This model, context or build cannot do what was asked; the message says why.
public final class UnsupportedFeatureException extends ChasquiException {

    public UnsupportedFeatureException(String message) {
        super(message);
    }
}
