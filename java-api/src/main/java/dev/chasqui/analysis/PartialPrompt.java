package dev.chasqui.analysis;

/// How a prompt is made that has only some of its passages, and what of it is computed.
public enum PartialPrompt {

    /// The passages that are left, in the order of the prompt. Prompts are computed in an order in which they begin alike for as long as possible, and what is alike is computed once.
    IN_ORDER,

    /// The passages in the order in which they were added, so that each prompt goes on from the one before it: one prompt for each order that is drawn. The values are also means
    /// over the places where passages may stand; they are always drawn, never exact.
    AS_ADDED,

    /// The whole prompt is computed once, and passages are hidden in the KV cache. Fastest, and approximate: passages have seen the hidden ones before them, and keep their places. Not for
    /// recurrent models.
    HIDDEN
}
