#include "sparse/keys.h"

#include <algorithm>
#include <cmath>

namespace chq::sparse {

void digest::shape(kind what, int heads, int d, int64_t chunks) {
    if (what == kind_ && heads == heads_ && d == d_ && chunks <= chunks_) {
        return;
    }
    kind_   = what;
    heads_  = heads;
    d_      = d;
    chunks_ = chunks;
    known_.assign((size_t) chunks, 0);
    codes_.assign(what == CODES ? (size_t) heads * (size_t) chunks * block_bytes(d) : 0, 0);
    hits_.assign(what == PAIRS ? (size_t) heads * (size_t) d / 2 : 0, 0);
    queries_ = 0;
    boxes_.assign(what == BOXES ? (size_t) heads * (size_t) chunks * 2 * 3 * (size_t) d : 0, 0);
}

void digest::forget() { std::fill(known_.begin(), known_.end(), 0); }

void digest::take(const lanes & by, const keys & from, int64_t chunk, uint32_t cells) {
    float rows[CHUNK * WIDEST];
    for (int head = 0; head < heads_; ++head) {
        for (int i = 0; i < CHUNK; ++i) {
            float * row = rows + i * d_;
            if (cells >> i & 1) {
                from.read(by, chunk * CHUNK + i, head, row);
            } else {
                std::fill_n(row, d_, 0.0f);
            }
        }
        if (kind_ == CODES) {
            by.encode(rows, d_, cells, codes_.data() + ((size_t) head * (size_t) chunks_ + (size_t) chunk) * block_bytes(d_));
        } else {
            for (int half = 0; half < 2; ++half) {
                float * smallest = boxes_.data() + (((size_t) head * (size_t) chunks_ + (size_t) chunk) * 2 + (size_t) half) * 3 * (size_t) d_;
                float * largest  = smallest + d_;
                float * mean     = largest + d_;
                std::fill_n(smallest, d_,  INFINITY);
                std::fill_n(largest,  d_, -INFINITY);
                std::fill_n(mean,     d_,  0.0f);
                int n = 0;
                for (int i = half * CHUNK / 2; i < (half + 1) * CHUNK / 2; ++i) {
                    if (cells >> i & 1) {
                        ++n;
                        for (int c = 0; c < d_; ++c) {
                            const float x = rows[i * d_ + c];
                            smallest[c] = std::min(smallest[c], x);
                            largest[c]  = std::max(largest[c], x);
                            mean[c]    += x;
                        }
                    }
                }
                for (int c = 0; c < d_; ++c) {
                    mean[c] = n > 0 ? mean[c] / (float) n : 0;
                    smallest[c] = n > 0 ? smallest[c] : 0;
                    largest[c]  = n > 0 ? largest[c] : 0;
                }
            }
        }
    }
}

} // namespace chq::sparse
