// Where the largest are, as operations of ggml's CPU backend. Its own sort reads past the end if there are NaN, and leaves the order of equals open.
#pragma once

#include "ggml.h"

namespace chq {

// Of the rows of a, which is F32 and in order.
ggml_tensor * argmax_of_rows (ggml_context * ctx, ggml_tensor * a);                  // I32, without the axis of the row
ggml_tensor * max_of_rows    (ggml_context * ctx, ggml_tensor * a);                  // F32, without the axis of the row
ggml_tensor * argsort_of_rows(ggml_context * ctx, ggml_tensor * a, bool descending); // I32
ggml_tensor * top_k_of_rows  (ggml_context * ctx, ggml_tensor * a, int32_t k);       // I32, k at most MAX_ROW_TOP_K

constexpr int32_t MAX_ROW_TOP_K = 1024;

} // namespace chq
