package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

import dev.chasqui.kv.KvFileException;
import java.io.IOException;
import java.io.UncheckedIOException;

/// Turns the status of a native call into the exception that names its cause.
final class Status {

    private Status() {
    }

    static void check(int status) {
        if (status != CHQ_STATUS_OK()) {
            throw failure(status);
        }
    }

    static RuntimeException failure(int status) {
        return failure(status, lastError());
    }

    static RuntimeException failure(int status, String message) {
        NativeLog.drain();
        if (status == CHQ_STATUS_ARGUMENT() || status == CHQ_STATUS_BUFFER()) {
            return new IllegalArgumentException(message);
        } else if (status == CHQ_STATUS_STATE()) {
            return new IllegalStateException(message);
        } else if (status == CHQ_STATUS_MEMORY()) {
            return new InsufficientMemoryException(message);
        } else if (status == CHQ_STATUS_CANCELLED()) {
            return new CancelledException(message);
        } else if (status == CHQ_STATUS_COMPUTE()) {
            return new DecodeException(message, 0);
        } else if (status == CHQ_STATUS_UNSUPPORTED()) {
            return new UnsupportedFeatureException(message);
        } else if (status == CHQ_STATUS_GRAMMAR()) {
            return new GrammarException(message);
        } else if (status == CHQ_STATUS_REMOTE()) {
            return new RpcException(message);
        } else if (status == CHQ_STATUS_STORAGE()) {
            return new KvFileException(message);
        } else if (status == CHQ_STATUS_WRITE()) {
            return new UncheckedIOException(message, new IOException(message));
        }
        return new NativeAbortException(message);
    }

    /// The message of this thread's last failing call.
    static String lastError() {
        return chq_last_error().getString(0);
    }
}
