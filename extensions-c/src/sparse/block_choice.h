// Which tiles of keys a block of queries of one head attends to, by what some of its queries find in each.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace chq::sparse {

// Tiles [0, sinks) and [window, tiles) are there anyway.
struct block_span {
    int64_t tiles;
    int64_t sinks;
    int64_t window;
};

struct block_chosen {
    int64_t tiles   = 0;
    double  missing = 0; // share of the queries' attention to the other tiles, mean
};

class block_choice {
public:
    // logs: [queries][stride], of what the keys of each tile come to in a query's softmax; overwritten. The tiles of the largest mean shares are chosen, of equals the
    // lower ones, until the rest holds no more than `missing`; 0 = all. chosen: [tiles], 1 or 0.
    block_chosen choose(float * logs, size_t stride, int queries, const block_span & span, double missing, uint8_t * chosen);

private:
    std::vector<double>                     shares_;
    std::vector<std::pair<double, int64_t>> order_; // minus a share, and whose it is
};

} // namespace chq::sparse
