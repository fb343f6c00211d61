package dev.chasqui.kv;

import dev.chasqui.ChasquiException;

/// The file behind a KV cache ([KvCacheOptions]) cannot be made, read or written: the disk is full, the folder is not writable, or the disk failed. The
/// message says which.
///
/// What was to be computed is not in the cache, and the context is usable: sequences hold what the cache still holds of them and compute the rest again
/// when it is needed.
public final class KvFileException extends ChasquiException {

    public KvFileException(String message) {
        super(message);
    }
}
