#include "sparse/plan.h"

#include <algorithm>
#include <cmath>

namespace chq::sparse {

void plan::make(const uint16_t * mask, int64_t n, const int32_t * written, int32_t sinks, int32_t window) {
    n_cells = n;
    const int64_t chunks = (n + CHUNK - 1) / CHUNK;
    always.clear();
    penalty.assign((size_t) (chunks * CHUNK), -INFINITY);
    wanted.assign((size_t) chunks, 0);

    std::vector<int32_t> & order = candidates; // of all that is visible, at first
    order.clear();
    bool sorted = true;
    for (int64_t cell = 0; cell < n; ++cell) {
        if (mask[cell] == 0) {
            sorted = sorted && (order.empty() || written[order.back()] <= written[cell]);
            order.push_back((int32_t) cell);
        }
    }
    if (!sorted) {
        std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return written[a] < written[b]; });
    }
    n_visible = (int64_t) order.size();
    const int64_t begin = std::min<int64_t>(sinks, n_visible);
    const int64_t end   = std::max<int64_t>(begin, n_visible - window);

    // a chunk that has a cell of the window is not complete
    std::vector<char> growing((size_t) chunks);
    for (int64_t i = end; i < n_visible; ++i) {
        growing[order[i] / CHUNK] = 1;
    }
    for (int64_t i = 0; i < n_visible; ++i) {
        const int32_t cell = order[i];
        if (i < begin || i >= end || growing[cell / CHUNK]) {
            always.push_back(cell);
        } else {
            penalty[cell] = 0;
            wanted[cell / CHUNK] |= 1u << cell % CHUNK;
        }
    }
    order.erase(std::remove_if(order.begin(), order.end(), [&](int32_t cell) { return penalty[cell] != 0; }), order.end());
    std::sort(always.begin(), always.end());

    first_chunk = 0;
    end_chunk   = chunks;
    while (first_chunk < end_chunk && wanted[first_chunk] == 0) {
        ++first_chunk;
    }
    while (end_chunk > first_chunk && wanted[end_chunk - 1] == 0) {
        --end_chunk;
    }
}

} // namespace chq::sparse
