package dev.chasqui.vision;

/// What makes an image token important by itself.
public enum Importance {

    /// All are equally important.
    NONE,

    /// The Euclidean norm of its row: free, and near to how sensitive the encoder's projector is there (ZOO-Prune, 2025).
    NORM,

    /// The Euclidean distance of its row from the mean row.
    SPREAD,

    /// The cosine of its row to the question, both centred: see [TokenScores#textRelevance]. Only for models that pass
    /// [RelevanceCheck]: without training such a cosine can be worse than chance.
    TEXT,

    /// The opposite of [#TEXT], for models whose image tokens point away from what they show.
    TEXT_INVERTED,

    /// What was given with [ImageTokens#withImportance].
    GIVEN
}
