#pragma once

#include <cstdint>
#include <vector>

namespace chq::selection {

// Of a symmetric matrix [n, n] of finite numbers, in no order.
std::vector<double> eigenvalues(std::vector<double> matrix, int32_t n);

} // namespace chq::selection
