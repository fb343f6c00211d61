package dev.chasqui.bindings;

import java.util.List;

/// The native libraries cannot be used; the message has every place that was tried, with the reason of its failure.
public final class NativeLoadException extends RuntimeException {

    NativeLoadException(String message) {
        super(message);
    }

    static NativeLoadException of(List<Attempt> attempts) {
        StringBuilder text = new StringBuilder("the native libraries of Chasqui cannot be loaded:");
        NativeLoadException result;
        for (Attempt attempt : attempts) {
            text.append("\n  - ").append(attempt.place()).append(": ").append(attempt.reason());
        }
        result = new NativeLoadException(text.toString());
        attempts.forEach(attempt -> {
            if (attempt.cause() != null) {
                result.addSuppressed(attempt.cause());
            }
        });
        return result;
    }
}
