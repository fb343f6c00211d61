// Which cells of a KV cache a token attends to whatever happens, and which ones there is a choice among.
#pragma once

#include "sparse/lanes.h"

#include <cstdint>
#include <vector>

namespace chq::sparse {

struct plan {
    int64_t n_cells   = 0;             // of the mask
    int64_t n_visible = 0;
    std::vector<int32_t>  always;      // cells, ascending: the first tokens, the last ones, and candidates whose chunk is still growing
    std::vector<int32_t>  candidates;  // cells, in the order of the text
    std::vector<float>    penalty;     // by cell, whole chunks: 0 for candidates, minus infinity for others
    std::vector<uint32_t> wanted;      // by chunk: bits of its candidates
    int64_t first_chunk = 0;           // chunks outside of [first_chunk, end_chunk) have none
    int64_t end_chunk   = 0;

    // mask: fp16, 0 for what is visible. written[cell] grows with the order in which cells were written; equals count in the order of cells.
    void make(const uint16_t * mask, int64_t n, const int32_t * written, int32_t sinks, int32_t window);
};

} // namespace chq::sparse
