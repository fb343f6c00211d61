// ggml's FLASH_ATTN_EXT for fp16 caches, as a team of threads computes it. llama.cpp's own kernel takes queries one by one below 64 of them; a
// tree of drafts is just that.
#pragma once

#include "product.h"

namespace chq::kernels {

// Of FLASH_ATTN_EXT: scale, the largest bias of ALiBi, the soft cap.
float attention_parameter(const ggml_tensor * op, int i);

// Whether attend() can compute this operation.
bool is_attention(const ggml_tensor * op);

// A job of one head of queries for n <= ATTENTION_ROWS tokens of such an operation; its scratch is the calling thread's.
attention_job job_of(const ggml_tensor * op, int64_t head, const int32_t * tokens, int n);

// Threads that compute one operation together.
struct attention_team {
    void * pool;                 // what the function gets
    void (*barrier)(void * pool);
    void * shared;               // of all of them, room for a pointer
};

// team: NULL if the threads cannot wait for each other; the result is the same.
void attend(const kernel_set & kernels, int index, int count, ggml_tensor * op, const attention_team * team);

} // namespace chq::kernels
