#include "sparse/block_choice.h"

#include <algorithm>
#include <cmath>

namespace chq::sparse {

block_chosen block_choice::choose(float * logs, size_t stride, int queries, const block_span & span, double missing, uint8_t * chosen) {
    shares_.assign((size_t) span.tiles, 0.0);
    for (int i = 0; i < queries; i++) {
        float * const of = logs + (size_t) i * stride;
        const float most = *std::max_element(of, of + span.tiles);
        double total = 0;
        for (int64_t t = 0; t < span.tiles; t++) {
            of[t]  = std::exp(of[t] - most);
            total += of[t];
        }
        if (!std::isfinite(total)) {
            missing = 0; // scores that are none
            continue;
        }
        for (int64_t t = 0; t < span.tiles; t++) {
            shares_[(size_t) t] += of[t] / total / queries;
        }
    }
    block_chosen done;
    order_.clear();
    for (int64_t t = 0; t < span.tiles; t++) {
        chosen[t] = t < span.sinks || t >= span.window;
        if (chosen[t]) {
            done.tiles++;
        } else {
            order_.emplace_back(-shares_[(size_t) t], t);
            done.missing += shares_[(size_t) t];
        }
    }
    std::sort(order_.begin(), order_.end());
    for (size_t i = 0; i < order_.size() && (missing == 0 || done.missing > missing); i++) {
        chosen[order_[i].second] = 1;
        done.missing += order_[i].first;
        done.tiles++;
    }
    done.missing = done.tiles == span.tiles ? 0 : std::max(done.missing, 0.0); // nothing but rounding is left of it
    return done;
}

} // namespace chq::sparse
