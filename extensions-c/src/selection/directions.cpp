#include "selection/directions.h"

#include "selection/arithmetic.h"
#include "selection/projection.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <utility>

namespace chq::selection {

static float inverse_root(float squared) {
    return squared >= FLT_MIN ? 1.0f / std::sqrt(squared) : 0.0f;
}

directions::directions(std::vector<const float *> rows, int32_t dim, int32_t projection, uint64_t seed) :
        math(fastest()), originals_(std::move(rows)), rows_(originals_), dim_(dim), squared_(size()), inverse_(size()) {
    const bool projects = projection > 0 && projection < dim;
    if (projects) {
        random_projection project(dim, projection, seed);
        projected_.resize((size_t) size() * projection);
        for (int32_t i = 0; i < size(); ++i) {
            squared_[i] = dot(originals_[i], originals_[i], dim);
            float * to = projected_.data() + (size_t) i * projection;
            project(originals_[i], to);
            rows_[i]    = to;
            inverse_[i] = inverse_root(dot(to, to, projection));
            if (inverse_[i] == 0) {
                std::fill(to, to + projection, 0.0f); // sums of what is finite may not be
            }
        }
        dim_ = projection;
    } else {
        for (int32_t i = 0; i < size(); ++i) {
            squared_[i] = dot(rows_[i], rows_[i], dim);
            inverse_[i] = inverse_root(squared_[i]);
        }
    }
}

void directions::keep_only(const std::vector<int32_t> & some) {
    size_t to = 0;
    for (int32_t i : some) {
        originals_[to] = originals_[i];
        rows_     [to] = rows_[i];
        squared_  [to] = squared_[i];
        inverse_  [to] = inverse_[i];
        ++to;
    }
    originals_.resize(to);
    rows_.resize(to);
    squared_.resize(to);
    inverse_.resize(to);
}

// The same number whichever row comes first: both products are.
static inline float cosine(float dot, float inverse_a, float inverse_b) {
    return dot * (inverse_a * inverse_b);
}

void directions::products(int32_t i, const int32_t * others, int32_t n, float * out) const {
    constexpr int32_t BLOCK = 16;
    const float * rows[BLOCK];
    for (int32_t begin = 0; begin < n; begin += BLOCK) {
        const int32_t count = std::min(n - begin, BLOCK);
        for (int32_t j = 0; j < count; ++j) {
            rows[j] = rows_[others[begin + j]];
        }
        math.dots(&rows_[i], 1, rows, count, dim_, out + begin, count);
    }
}

void directions::cosines(int32_t i, const int32_t * others, int32_t n, float * out) const {
    products(i, others, n, out);
    for (int32_t j = 0; j < n; ++j) {
        out[j] = cosine(out[j], inverse_[i], inverse_[others[j]]);
    }
}

void directions::cosines(const int32_t * some, int32_t n_some, const int32_t * others, int32_t n_others, float * out) const {
    std::vector<const float *> a(n_some);
    for (int32_t i = 0; i < n_some; ++i) {
        a[i] = rows_[some[i]];
    }
    std::vector<const float *> b(n_others);
    for (int32_t j = 0; j < n_others; ++j) {
        b[j] = rows_[others[j]];
    }
    math.dots(a.data(), n_some, b.data(), n_others, dim_, out, n_others);
    for (int32_t i = 0; i < n_some; ++i) {
        for (int32_t j = 0; j < n_others; ++j) {
            float & c = out[(int64_t) i * n_others + j];
            c = cosine(c, inverse_[some[i]], inverse_[others[j]]);
        }
    }
}

void directions::all_cosines(float * out, int64_t ld) const {
    constexpr int64_t BLOCK = 96;
    const int64_t n = size();
    for (int64_t a = 0; a < n; a += BLOCK) {
        const int64_t a_end = std::min(a + BLOCK, n);
        math.dots(rows_.data() + a, (int32_t) (a_end - a), rows_.data() + a, (int32_t) (n - a), dim_, out + a * ld + a, ld);
        for (int64_t i = a; i < a_end; ++i) {
            for (int64_t j = a; j < n; ++j) {
                out[i * ld + j] = cosine(out[i * ld + j], inverse_[i], inverse_[j]);
            }
        }
        // the other triangle, block by block so that both stay in the cache
        for (int64_t b = a; b < n; b += BLOCK) {
            for (int64_t j = b; j < std::min(b + BLOCK, n); ++j) {
                for (int64_t i = a; i < std::min(a_end, j); ++i) {
                    out[j * ld + i] = out[i * ld + j];
                }
            }
        }
    }
}

} // namespace chq::selection
