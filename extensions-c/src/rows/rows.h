#pragma once

#include <cstdint>

namespace chq {

// Index of the largest of n values, the first of equals; a NaN counts as -INFINITY. *best = that value.
int32_t row_argmax(const float * x, int32_t n, float * best);

} // namespace chq
