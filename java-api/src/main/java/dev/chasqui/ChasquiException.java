package dev.chasqui;

import dev.chasqui.audio.AudioException;
import dev.chasqui.json.JsonException;
import dev.chasqui.kv.KvFileException;
import dev.chasqui.kv.SequenceStoreException;
import dev.chasqui.models.ModelStoreException;
import dev.chasqui.vision.ImageException;

/// The root of everything that can go wrong outside the caller's program. Mistakes of the program itself are the
/// JDK's own: [NullPointerException], [IllegalArgumentException], and [IllegalStateException] for a closed object
/// or one that another thread is using.
public abstract sealed class ChasquiException extends RuntimeException
        permits AudioException, CancelledException, ContextFullException, DeadlineException, DecodeException, GgufException, GrammarException,
                ImageException, InsufficientMemoryException, JsonException, KvFileException, ModelLoadException, ModelStoreException, NativeAbortException,
                NativeLibraryException, RpcException, SequenceStoreException, StateMismatchException,
                UnsupportedFeatureException {

    protected ChasquiException(String message) {
        super(message);
    }

    protected ChasquiException(String message, Throwable cause) {
        super(message, cause);
    }
}
