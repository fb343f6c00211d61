#include "selection/importance.h"

#include "selection/directions.h"
#include "selection/relevance.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace chq::selection {

static std::vector<float> distances_from_mean(const directions & rows, int32_t dim) {
    std::vector<float> mean = mean_row(rows, dim);
    std::vector<float> out(rows.size());
    for (int32_t i = 0; i < rows.size(); ++i) {
        constexpr int LANES = 16;
        const float * x = rows.original(i);
        double lane[LANES] = {}; // the squares of what is finite may not be
        for (int32_t k = 0; k < dim; k += LANES) {
            for (int32_t l = 0; l < LANES && k + l < dim; ++l) {
                const double d = (double) x[k + l] - mean[k + l];
                lane[l] += d * d;
            }
        }
        out[i] = (float) std::sqrt(std::accumulate(lane, lane + LANES, 0.0));
    }
    return out;
}

std::vector<float> importance_of(const directions & rows, const image_rows & image, int32_t importance, float text_sharpness) {
    std::vector<float> out;
    switch (importance) {
        case CHQ_IMPORTANCE_NORM:
            out.resize(rows.size());
            for (int32_t i = 0; i < rows.size(); ++i) {
                out[i] = std::sqrt(rows.squared_norm(i));
            }
            break;
        case CHQ_IMPORTANCE_SPREAD:
            out = distances_from_mean(rows, image.dim);
            break;
        case CHQ_IMPORTANCE_TEXT:
            out = relevance(rows, image, text_sharpness);
            break;
        default:
            break;
    }
    return out;
}

// To their ranks, equals to the mean of theirs.
static void rank(std::vector<float> & w) {
    std::vector<int32_t> order(w.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return w[a] < w[b]; });
    std::vector<float> ranks(w.size());
    for (size_t begin = 0, end; begin < order.size(); begin = end) {
        for (end = begin + 1; end < order.size() && w[order[end]] == w[order[begin]]; ++end) {}
        for (size_t k = begin; k < end; ++k) {
            ranks[order[k]] = 0.5f * (float) (begin + end - 1);
        }
    }
    w = ranks;
}

static float percentile(std::vector<float> w, double share) {
    const auto at = w.begin() + (ptrdiff_t) std::lround(share * (double) (w.size() - 1));
    std::nth_element(w.begin(), at, w.end());
    return *at;
}

void scale_importance(std::vector<float> & w, chq_importance_scale scale) {
    if (w.empty()) {
        return;
    }
    if (scale == CHQ_SCALE_RANK) {
        rank(w);
    }
    double least    = *std::min_element(w.begin(), w.end());
    double greatest = *std::max_element(w.begin(), w.end());
    if (scale == CHQ_SCALE_CLIPPED) {
        least    = percentile(w, 0.01);
        greatest = percentile(w, 0.99);
    }
    for (float & x : w) {
        x = greatest > least ? (float) ((std::min(std::max((double) x, least), greatest) - least) / (greatest - least)) : 0.0f;
    }
}

} // namespace chq::selection
