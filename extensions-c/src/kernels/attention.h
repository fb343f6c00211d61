// ggml's FLASH_ATTN_EXT for fp16 caches, as a team of threads computes it. llama.cpp's own kernel takes queries one by one below 64 of them; a
// tree of drafts is just that.
#pragma once

#include "product.h"

namespace chq::kernels {

// Of FLASH_ATTN_EXT: scale, the largest bias of ALiBi, the soft cap.
float attention_parameter(const ggml_tensor * op, int i);

// Whether attend() can compute this operation.
bool is_attention(const ggml_tensor * op);

void attend(const kernel_set & kernels, int index, int count, ggml_tensor * op);

} // namespace chq::kernels
