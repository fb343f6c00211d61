// The keys of a layer as they lie in the KV cache, and what is known of them by chunk of cells.
#pragma once

#include "sparse/lanes.h"

#include <cstdint>
#include <vector>

namespace chq::sparse {

struct keys {
    const uint8_t * data        = nullptr;
    size_t          cell_stride = 0; // bytes
    size_t          head_stride = 0;
    int             heads       = 0;
    int             d           = 0;
    bool            fp16        = false;
    void (*to_float)(const void * from, float * to, int64_t n) = nullptr; // of other types

    // the key of one head
    void read(const lanes & by, int64_t cell, int head, float * to) const {
        const uint8_t * from = data + (size_t) cell * cell_stride + (size_t) head * head_stride;
        if (fp16) {
            by.halves((const uint16_t *) from, d, to);
        } else {
            to_float(from, to, d);
        }
    }
};

// What a selector keeps of a chunk of cells and a head: the sketch, or the smallest, largest and mean key of each half of the chunk. Or, of a query head, how
// often each rotated pair of channels alone would have found the keys that matter most.
class digest {
public:
    enum kind { NOTHING, CODES, BOXES, PAIRS };

    // Forgets everything if it is of another kind or size. heads: those of keys, of queries for PAIRS.
    void shape(kind what, int heads, int d, int64_t chunks);
    void forget();

    // Whether there is something to know of chunks.
    bool reads_chunks() const { return kind_ == CODES || kind_ == BOXES; }

    // Cells of a chunk that it knows.
    uint32_t known(int64_t chunk) const { return known_[(size_t) chunk]; }
    void     know(int64_t chunk, uint32_t cells) { known_[(size_t) chunk] = cells; }
    void     lose(int64_t cell) {
        if (cell / CHUNK < (int64_t) known_.size()) {
            known_[(size_t) (cell / CHUNK)] &= ~(1u << cell % CHUNK);
        }
    }

    // Reads a chunk's keys; those of `cells` make its constants. Does not touch what is known: threads may take different chunks at once.
    void take(const lanes & by, const keys & from, int64_t chunk, uint32_t cells);

    const uint8_t * codes(int head, int64_t chunk) const { return codes_.data() + ((size_t) head * (size_t) chunks_ + (size_t) chunk) * block_bytes(d_); }

    enum box { SMALLEST, LARGEST, MEAN };
    const float * bounds(int head, int64_t half_chunk, box which) const {
        return boxes_.data() + (((size_t) head * (size_t) chunks_ * 2 + (size_t) half_chunk) * 3 + which) * (size_t) d_;
    }

    // Pairs are known once enough queries have been seen.
    static constexpr int QUERIES = 8;
    bool          knows_pairs() const { return queries_ >= QUERIES; }
    void          count_query() { queries_++; }
    float       * hits(int query_head)       { return hits_.data() + (size_t) query_head * (size_t) d_ / 2; }
    const float * hits(int query_head) const { return hits_.data() + (size_t) query_head * (size_t) d_ / 2; }

    int64_t bytes() const { return (int64_t) (codes_.size() + (boxes_.size() + hits_.size()) * sizeof(float)); }

private:
    kind    kind_   = NOTHING;
    int     heads_  = 0;
    int     d_      = 0;
    int64_t chunks_ = 0;
    std::vector<uint32_t> known_;
    std::vector<uint8_t>  codes_;
    std::vector<float>    boxes_;
    std::vector<float>    hits_;
    int                   queries_ = 0;
};

} // namespace chq::sparse
