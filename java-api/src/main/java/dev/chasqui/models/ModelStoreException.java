package dev.chasqui.models;

import dev.chasqui.ChasquiException;

/// A named model could not be fetched or verified. The message lists every source that was tried with its failure.
public final class ModelStoreException extends ChasquiException {

    public ModelStoreException(String message) {
        super(message);
    }

    public ModelStoreException(String message, Throwable cause) {
        super(message, cause);
    }
}
