package dev.chasqui;

import static dev.chasqui.bindings.Chq.*;

/// How the rows of a text's tokens become one embedding.
public enum Pooling {

    /// As the model's file says; [#MEAN] where it says nothing.
    MODEL,

    /// Their mean.
    MEAN,

    /// The row of the first token, as BERT-like models have it (CLS).
    FIRST,

    /// The row of the last token, as models that were made of generating ones have it.
    LAST;

    int nativeValue() {
        return switch (this) {
            case MODEL -> LLAMA_POOLING_TYPE_UNSPECIFIED();
            case MEAN -> LLAMA_POOLING_TYPE_MEAN();
            case FIRST -> LLAMA_POOLING_TYPE_CLS();
            case LAST -> LLAMA_POOLING_TYPE_LAST();
        };
    }
}
