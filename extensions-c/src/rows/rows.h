#pragma once

#include <cstdint>

namespace chq {

// Index of the largest of n values, the first of equals; a NaN counts as -INFINITY. *best = that value.
int32_t row_argmax(const float * x, int32_t n, float * best);

// The k largest of n values, best first, equals by index. 1 <= k <= min(n, 1024). value may be NULL.
void row_top_k(const float * x, int32_t n, int32_t k, int32_t * index, float * value);

} // namespace chq
