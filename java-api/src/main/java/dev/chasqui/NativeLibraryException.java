package dev.chasqui;

/// The native libraries cannot be loaded or are not the ones this version was built for. The message lists every
/// place that was tried with the reason of each failure.
public final class NativeLibraryException extends ChasquiException {

    public NativeLibraryException(String message, Throwable cause) {
        super(message, cause);
    }
}
