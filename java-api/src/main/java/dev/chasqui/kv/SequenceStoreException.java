package dev.chasqui.kv;

import dev.chasqui.ChasquiException;

/// A store of sequences cannot do what was asked for; what it holds is as it was.
public final class SequenceStoreException extends ChasquiException {

    public SequenceStoreException(String message) {
        super(message);
    }

    public SequenceStoreException(String message, Throwable cause) {
        super(message, cause);
    }
}
