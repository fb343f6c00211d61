package dev.chasqui.models;

/// Hears how far the download of a model has come, and can stop it.
///
/// Called on the thread that called [ModelStore#get(String, ProgressListener)], about ten times a second, also while the store
/// only waits, so that a download can be stopped at any time.
@FunctionalInterface
public interface ProgressListener {

    /// Progress in bytes of the model's own files. It can step back once if data turns out to be damaged and is fetched again.
    ///
    /// @param bytesDone  bytes that are here
    /// @param bytesTotal bytes of all files of the model
    /// @param source     what is being used right now, for people: a URL, a package, "checking"
    /// @return false to stop; the store then throws [dev.chasqui.CancelledException] and keeps what it has for the next time
    boolean progress(long bytesDone, long bytesTotal, String source);

    /// Something a person should read: the terms of a model, or what the store is waiting for.
    default void message(String text) {}
}
