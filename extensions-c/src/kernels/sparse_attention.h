// Attention of one token to chosen cells of the KV cache, in the seat in the CPU backend: no split of the graph, on all of its threads.
//
// The chosen keys and values are copied next to each other, and the same kernel that would have computed dense attention computes it on these.
#pragma once

#include "sparse/policy.h"
#include "ggml.h"

struct ggml_compute_params;

namespace chq::kernels {

// Whether an operation may be of interest: attention of one token, or keys being written into a KV cache.
bool is_sparse_attention(const ggml_tensor * op);
bool is_key_write(const ggml_tensor * op);

// What there is to know of the CPU backend for it.
struct cpu_attention {
    void (*compute)(const ggml_compute_params *, ggml_tensor *);
    void (*barrier)(void * pool);
};

// Each thread of the pool calls it. false: nothing was done, attention is to be dense.
bool attend_sparsely(const cpu_attention & cpu, const ggml_compute_params * params, ggml_tensor * op);

// One thread calls it before keys are written.
void note_key_write(const ggml_compute_params * params, const ggml_tensor * op);

// Of use only with a seat.
const sparse::functions * sparse_functions();

} // namespace chq::kernels
