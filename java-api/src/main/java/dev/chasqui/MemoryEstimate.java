package dev.chasqui;

import java.util.List;

/// What a model will take, worked out from the header of its file. All sizes in bytes.
///
/// Weights and KV cache are what llama.cpp allocates, to the byte, for the architectures whose cache follows from the metadata.
/// The compute buffer is an approximation of the largest pass through the layers. Not counted: the vocabulary (a few tens of
/// bytes per token), code and threads, copies of weights that a device converts to a layout of its own, what drivers take,
/// image encoders, LoRA adapters, and the file's own pages, which the operating system may keep in memory besides.
///
/// @param contextSize    tokens it was worked out for, rounded up as llama.cpp does
/// @param weightBytes    tensors of this file
/// @param kvBytes        keys and values of the attention layers
/// @param recurrentBytes states of recurrent layers, over all sequences
/// @param computeBytes   intermediate results of one micro-batch
/// @param outputBytes    logits that are kept for the caller
/// @param notes          what makes this estimate less certain; empty for ordinary transformers
public record MemoryEstimate(
        int contextSize, long weightBytes, long kvBytes, long recurrentBytes, long computeBytes, long outputBytes, List<String> notes) {

    public MemoryEstimate {
        notes = List.copyOf(notes);
    }

    public long totalBytes() {
        return Math.addExact(Math.addExact(Math.addExact(weightBytes, kvBytes), Math.addExact(recurrentBytes, computeBytes)), outputBytes);
    }
}
