package dev.chasqui.examples.swingchat.app;

/// What the model does.
public enum Activity {
    NO_MODEL,
    LOADING,
    READY,
    ANSWERING
}
