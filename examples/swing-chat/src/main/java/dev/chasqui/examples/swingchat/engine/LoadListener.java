package dev.chasqui.examples.swingchat.engine;

/// Hears of the loading of a model, on the model thread.
public interface LoadListener {

    /// @param fraction 0 to 1
    void progress(float fraction);

    void loaded(LoadedModel model);

    /// It was cancelled. No model is loaded.
    void cancelled();

    /// No model is loaded.
    void failed(Throwable reason);
}
