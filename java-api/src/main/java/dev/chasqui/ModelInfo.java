package dev.chasqui;

/// Facts about a loaded model.
///
/// @param description       architecture, size and quantisation in words
/// @param trainedContext    tokens of the longest text it was trained on
/// @param embeddingSize     length of an embedding
/// @param inputSize         numbers of a row that enters instead of a token: more than `embeddingSize` where layers further up take their own
/// @param layers            number of transformer blocks
/// @param attentionHeads    query heads of a layer
/// @param keyValueHeads     key and value heads of a layer
/// @param slidingWindow     tokens that sliding-window layers see, 0 = the whole text
/// @param parameters        number of weights
/// @param sizeInBytes       of all tensors
/// @param packedBytes       of the weights that Chasqui's kernels compute with, in their layout; 0 where llama.cpp computes everything
/// @param hasEncoder        whether text must be encoded before decoding
/// @param hasDecoder        whether it can generate
/// @param recurrent         whether it keeps a state instead of a KV cache
/// @param hybrid            whether it keeps both
/// @param diffusion         whether it generates by diffusion
/// @param vocabularyOnly    whether it was loaded without weights
public record ModelInfo(
        String description,
        int trainedContext,
        int embeddingSize,
        int inputSize,
        int layers,
        int attentionHeads,
        int keyValueHeads,
        int slidingWindow,
        long parameters,
        long sizeInBytes,
        long packedBytes,
        boolean hasEncoder,
        boolean hasDecoder,
        boolean recurrent,
        boolean hybrid,
        boolean diffusion,
        boolean vocabularyOnly) { }
