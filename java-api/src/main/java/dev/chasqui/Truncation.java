package dev.chasqui;

/// What becomes of a text that has more tokens than fit.
public enum Truncation {

    /// It is refused.
    FAIL,

    /// Its end is cut off.
    END,

    /// Its beginning is cut off.
    START
}
