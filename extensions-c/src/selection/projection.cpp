#include "selection/projection.h"

#include "selection/arithmetic.h"
#include "selection/random.h"

#include <algorithm>
#include <cmath>

namespace chq::selection {

// Rows of LANES floats in one transform. One of fewer than LEAST would spread a large element too little.
static constexpr int32_t MOST  = 256;
static constexpr int32_t LEAST = 16;

static int32_t rows_for(int32_t dim) {
    return (dim + LEAST * LANES - 1) / (LEAST * LANES) * LEAST;
}

static int32_t transform_length(int32_t rows_left) {
    int32_t length = MOST;
    while (length > rows_left) {
        length /= 2;
    }
    return length;
}

random_projection::random_projection(int32_t from, int32_t to, uint64_t seed) :
        math(fastest()), from(from), to(to), before((size_t) rows_for(from) * LANES), after(before.size()), mixed(before.size()) {
    random_numbers random(seed);
    uint64_t bits = 0;
    for (size_t k = 0; k < before.size(); ++k) {
        bits = k % 32 ? bits >> 2 : random.next();
        before[k] = bits & 1 ? 1.0f : -1.0f;
        after [k] = bits & 2 ? 1.0f : -1.0f;
    }
    const int32_t rows = rows_for(from);
    for (int32_t begin = 0, length; begin < rows; begin += length) {
        length = transform_length(rows - begin);
        const float scale = 1.0f / std::sqrt((float) length);
        for (int32_t k = begin * LANES; k < (begin + length) * LANES; ++k) {
            after[k] *= scale;
        }
    }
}

void random_projection::operator()(const float * row, float * out) {
    math.multiply(mixed.data(), row, before.data(), from);
    std::fill(mixed.begin() + from, mixed.end(), 0.0f);
    const int32_t rows = (int32_t) (mixed.size() / LANES);
    for (int32_t begin = 0, length; begin < rows; begin += length) {
        length = transform_length(rows - begin);
        math.hadamard(mixed.data() + begin * LANES, length);
    }
    math.fold(mixed.data(), after.data(), rows, out, to / LANES);
}

} // namespace chq::selection
