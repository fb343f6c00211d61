// The two ggml operations that the kernels compute, MUL_MAT and MUL_MAT_ID with packed weights, as a team of threads does them.
#pragma once

#include "kernels.h"
#include "reduction.h"
#include "ggml.h"

namespace chq::kernels {

// FORMAT_COUNT if the type has no kernels.
format format_of(ggml_type type);

// Whether this weight can be packed: its type has kernels and its columns come in whole blocks.
bool   can_pack(const ggml_tensor * weight);
size_t packed_bytes(const ggml_tensor * weight);

// Whether this is an operation that product() computes, provided that src[0] is packed.
bool   is_product(const ggml_tensor * op);
size_t scratch_bytes(const kernel_set & kernels, const ggml_tensor * op, int threads);

// Threads that compute one operation together. Each of them calls product() with its own index.
struct team {
    int    index;
    int    count;
    void * scratch;                         // scratch_bytes of the operation, shared, any alignment
    void * pool;                            // what the functions get
    void (*barrier)(void * pool);
    void (*set_next)(void * pool, int item); // one thread calls it before the barrier
    int  (*take_next)(void * pool, int n);  // adds n, gives what was there
};

// See reduction.h.
void reduce_on(const void * pool, reduction * r);

void product(const kernel_set & kernels, const team & team, ggml_tensor * op);

} // namespace chq::kernels
