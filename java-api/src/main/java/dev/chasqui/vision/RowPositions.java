package dev.chasqui.vision;

/// Which positions the rows of a picture have. Where a token is tells a model more than most choices of tokens do: if it can be had, keep it.
public enum RowPositions {

    /// Those of the projector. With several dimensions (M-RoPE) a row that is kept stays where it was, and text goes on behind the whole picture. With one
    /// dimension llama.cpp wants positions without gaps: the rows that are kept move together.
    PROJECTOR,

    /// Row `i` of the picture at position `i` in every dimension, as a model of one-dimensional positions counts that is run as one of several; rows that are kept stay
    /// where they were. For models of several dimensions only.
    LINEAR,

    /// The rows that are kept one after the other, whatever the model. Text goes on behind them.
    COMPACT
}
