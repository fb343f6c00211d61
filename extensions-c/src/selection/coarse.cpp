#include "selection/coarse.h"

#include "selection/arithmetic.h"
#include "selection/directions.h"

#include <algorithm>
#include <cmath>

namespace chq::selection {

static constexpr int32_t MOST_OF_ROW   = 127;
static constexpr int32_t MOST_OF_QUERY = 16383;
static_assert((int64_t) MOST_OF_ROW * MOST_OF_QUERY * STRETCH < INT32_MAX, "sums of a stretch fit");

coarse_rows::coarse_rows(const directions & rows) :
        rows(rows), n_stretches((rows.dim() + STRETCH - 1) / STRETCH), codes((size_t) rows.size() * n_stretches * STRETCH),
        scales((size_t) rows.size() * n_stretches), errors(rows.size()), query((size_t) n_stretches * STRETCH), query_scales(n_stretches) {
    for (int32_t i = 0; i < rows.size(); ++i) {
        float missed = 0;
        for (int32_t s = 0; s < n_stretches; ++s) {
            const size_t at = (size_t) i * n_stretches + s;
            const int32_t n = std::min(rows.dim() - s * STRETCH, STRETCH);
            scales[at] = fastest().encode(rows.row(i) + s * STRETCH, n, rows.inverse_norm(i), codes.data() + at * STRETCH, &missed);
        }
        errors[i] = 1.02f * std::sqrt(missed); // Cauchy and Schwarz, with some room for rounding and for a query's norm of not quite 1
    }
}

void coarse_rows::multiply(const float * unit, float * products) {
    double missed = 0;
    for (int32_t s = 0; s < n_stretches; ++s) {
        const int32_t begin = s * STRETCH;
        const int32_t end   = std::min(begin + STRETCH, rows.dim());
        float greatest = 0;
        for (int32_t k = begin; k < end; ++k) {
            greatest = std::max(greatest, std::fabs(unit[k]));
        }
        // less than that has no reciprocal that is finite
        const float inverse = greatest > 1e-30f ? (float) MOST_OF_QUERY / greatest : 0.0f;
        query_scales[s] = greatest / (float) MOST_OF_QUERY;
        for (int32_t k = begin; k < end; ++k) {
            query[k] = (int16_t) std::lrint(unit[k] * inverse);
            const double d = unit[k] - query_scales[s] * (float) query[k];
            missed += d * d;
        }
    }
    fastest().coarse_dots(codes.data(), scales.data(), rows.size(), query.data(), query_scales.data(), n_stretches, products);
    query_error = 1.02f * (float) std::sqrt(missed) + 1e-5f; // the latter for sums of fp32
}

} // namespace chq::selection
