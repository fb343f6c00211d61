package dev.chasqui;

/// Hears how far the loading of a model has come.
@FunctionalInterface
public interface LoadListener {

    /// Called on the loading thread.
    ///
    /// @param fraction 0 to 1
    /// @return false to stop; [Model#load] then throws [CancelledException]
    boolean progress(float fraction);
}
