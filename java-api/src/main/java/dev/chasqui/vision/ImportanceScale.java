package dev.chasqui.vision;

/// How importance becomes a number from 0 to 1.
public enum ImportanceScale {

    /// The least becomes 0, the greatest 1.
    RANGE,

    /// The same between the 1st and the 99th percentile, so that one outlier does not make all others equal.
    CLIPPED,

    /// By rank; equals get the same.
    RANK
}
