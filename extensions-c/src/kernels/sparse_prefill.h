// Attention of a prompt's tokens to a part of the tiles of keys, in the seat in the CPU backend, with the kernel that computes dense attention.
//
// Blocks of queries are those whose keys' numbers have the same tile (attention_tile.h), as far as one operation has them. A few queries of each are multiplied with
// all keys first; what they find says which tiles the whole block attends to, for each head by itself. So a result depends on the tokens, on the policy, and on where
// operations begin, if not at a multiple of a block, or with less than a block; but neither on threads nor on the tokens behind.
#pragma once

#include "sparse_attention.h"
#include "sparse/prefill_policy.h"

namespace chq::kernels {

// Each thread of the pool calls it for an operation that is_attention(). false: nothing was done.
bool attend_prompt_sparsely(const cpu_attention & cpu, const ggml_compute_params * params, ggml_tensor * op);

// Of use only with a seat.
const sparse::prefill_functions * sparse_prefill_functions();

} // namespace chq::kernels
