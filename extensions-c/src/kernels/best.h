// The best k of many values, gathered piece by piece.
#pragma once

#include <cstdint>
#include <limits>

namespace chq::kernels {

// A view of k places, best first; equals by index. A NaN counts as minus infinity.
struct best {
    int       k;
    int32_t * index;
    float   * value;

    void clear() {
        for (int i = 0; i < k; i++) {
            index[i] = INT32_MAX;
            value[i] = -std::numeric_limits<float>::infinity();
        }
    }

    void offer(int32_t i, float v) {
        v = v == v ? v : -std::numeric_limits<float>::infinity();
        int at = k;
        while (at > 0 && (v > value[at - 1] || (v == value[at - 1] && i < index[at - 1]))) {
            at--;
        }
        if (at == k) {
            return;
        }
        for (int j = k - 1; j > at; j--) {
            index[j] = index[j - 1];
            value[j] = value[j - 1];
        }
        index[at] = i;
        value[at] = v;
    }

    // n values, the first of which has index `first`.
    void offer_all(const float * values, int n, int32_t first) {
        constexpr int STEP = 32;
        int i = 0;
        for (; i + STEP <= n; i += STEP) {
            const float least = value[k - 1];
            int any = 0;
            for (int j = 0; j < STEP; j++) {
                any |= !(values[i + j] < least);
            }
            for (int j = 0; any && j < STEP; j++) {
                offer(first + i + j, values[i + j]);
            }
        }
        for (; i < n; i++) {
            offer(first + i, values[i]);
        }
    }
};

} // namespace chq::kernels
