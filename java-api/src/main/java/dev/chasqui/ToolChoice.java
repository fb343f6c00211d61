package dev.chasqui;

/// Whether an answer calls tools.
public enum ToolChoice {
    /// As the model likes.
    AUTO,
    /// It must.
    REQUIRED,
    /// It must not, though it is told of them.
    NONE
}
