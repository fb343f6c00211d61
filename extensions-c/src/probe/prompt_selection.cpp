// Which tokens of a prompt are kept, by their scores.
#include "chasqui_probe.h"

#include "guard/guard.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

using namespace chq;

namespace {

std::vector<double> pooled(const float * scores, int32_t n, int32_t width) {
    std::vector<double> out((size_t) n);
    for (int32_t i = 0; i < n; ++i) {
        double sum = 0;
        for (int32_t j = std::max(0, i - width / 2); j <= std::min<int64_t>(n - 1, (int64_t) i + width / 2); ++j) {
            sum += scores[j];
        }
        out[i] = std::isnan(sum) ? -INFINITY : sum / width;
    }
    return out;
}

} // namespace

chq_status chq_prompt_select(const float * scores, int32_t n, int32_t keep, int32_t first, int32_t last, int32_t pooling, int32_t * kept) {
    return guarded([&] {
        check_pointer(scores, "scores");
        check_pointer(kept, "kept");
        if (n < 1 || keep < 1 || first < 0 || last < 0) {
            fail(CHQ_STATUS_ARGUMENT, "n = %d, keep = %d, first = %d, last = %d", n, keep, first, last);
        }
        if (pooling < 1 || pooling > 255 || pooling % 2 == 0) {
            fail(CHQ_STATUS_ARGUMENT, "pooling = %d is no odd number in 1..255", pooling);
        }
        if (keep >= n) {
            std::iota(kept, kept + n, 0);
            return CHQ_STATUS_OK;
        }
        if ((int64_t) first + last > keep) {
            fail(CHQ_STATUS_ARGUMENT, "the first %d and the last %d are more than the %d tokens to keep", first, last, keep);
        }
        const std::vector<double> score = pooled(scores, n, pooling);
        std::vector<int32_t> others((size_t) (n - first - last));
        std::iota(others.begin(), others.end(), first);
        const auto chosen = others.begin() + (keep - first - last);
        std::nth_element(others.begin(), chosen, others.end(), [&](int32_t a, int32_t b) { return score[a] != score[b] ? score[a] > score[b] : a < b; });
        std::sort(others.begin(), chosen);
        std::iota(kept, kept + first, 0);
        std::copy(others.begin(), chosen, kept + first);
        std::iota(kept + keep - last, kept + keep, n - last);
        return CHQ_STATUS_OK;
    });
}
