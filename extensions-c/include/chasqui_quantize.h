// Writing a model file in other types of weights.
#pragma once

#include "chasqui_guard.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_quantize_params {
    int32_t              file_type;       // enum llama_ftype
    int32_t              n_threads;       // <= 0: chq_physical_cores()
    int32_t              output_type;     // enum ggml_type of the output layer, -1 = as the file type has it
    int32_t              embedding_type;  // enum ggml_type of the token embeddings, -1 = as the file type has it
    const char * const * patterns;        // regular expressions that are looked for in the names of tensors, the first that is found counts
    const int32_t      * pattern_types;   // enum ggml_type for each
    int32_t              n_patterns;
    bool                 pure;            // every tensor in the type of the file, no mixture
    bool                 quantize_output; // false leaves the output layer as it is
    bool                 requantize;      // takes files whose weights are quantised already
};

// Called before each tensor, on the calling thread; index from 0; tensor is its name, in a buffer of 65 bytes. false stops.
typedef bool (*chq_quantize_progress)(int32_t index, int32_t count, const char * tensor, void * user);

// Reads the model file at `input`, all parts of it if it is split, and writes it to `output`, which must be another file. What is at `output`
// after a failure is of no use. progress may be NULL.
//
// CHQ_STATUS_LOAD: the input cannot be used. CHQ_STATUS_UNSUPPORTED: these types are not possible, or not for this model; those that need an
// importance matrix are not. CHQ_STATUS_WRITE: the output cannot be written, the message says why. CHQ_STATUS_CANCELLED: progress stopped it.
CHQ_API chq_status chq_quantize(
        const char                       * input,
        const char                       * output,
        const struct chq_quantize_params * params,
        chq_quantize_progress              progress,
        void                             * user);

#ifdef __cplusplus
}
#endif
