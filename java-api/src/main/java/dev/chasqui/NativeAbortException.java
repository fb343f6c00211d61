package dev.chasqui;

/// The native library gave up in the middle of a call. The object that was used can only be closed; others go on working.
public final class NativeAbortException extends ChasquiException {

    public NativeAbortException(String message) {
        super(message);
    }
}
