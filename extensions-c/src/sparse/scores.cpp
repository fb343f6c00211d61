#include "sparse/scores.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace chq::sparse {

digest::kind digest_of(selector by) {
    switch (by) {
        case SKETCH: return digest::CODES;
        case BOX:    return digest::BOXES;
        default:     return digest::NOTHING;
    }
}

bool is_global(selector) { return false; }

// q . key of all candidates of a chunk
static void score_exactly(const lanes & loops, const keys & all, const plan & cells, const queries & q, int64_t chunk, float * scores, size_t stride) {
    float key[WIDEST];
    float products[64];
    for (int head = 0; head < all.heads; ++head) {
        for (int i = 0; i < CHUNK; ++i) {
            if (!(cells.wanted[(size_t) chunk] >> i & 1)) {
                continue;
            }
            all.read(loops, chunk * CHUNK + i, head, key);
            for (int g = 0; g < q.group; g += 64) {
                const int n     = std::min(64, q.group - g);
                const int first = head * q.group + g;
                loops.dots(q.rows + (size_t) first * all.d, n, all.d, key, products);
                for (int j = 0; j < n; ++j) {
                    scores[(size_t) (first + j) * stride + (size_t) (chunk * CHUNK + i)] = products[j];
                }
            }
        }
    }
}

// The largest q . x of any x in the box (Quest).
static float box_bound(const float * q, const float * smallest, const float * largest, int d) {
    float sum = 0;
    for (int c = 0; c < d; ++c) {
        sum += std::max(q[c] * smallest[c], q[c] * largest[c]);
    }
    return sum;
}

static void score_boxes(const digest & known, const queries & q, int heads, int d, int64_t chunk, float * scores, size_t stride) {
    float smallest[WIDEST];
    float largest[WIDEST];
    for (int head = 0; head < heads; ++head) {
        for (int c = 0; c < d; ++c) {
            smallest[c] = std::min(known.bounds(head, 2 * chunk, digest::SMALLEST)[c], known.bounds(head, 2 * chunk + 1, digest::SMALLEST)[c]);
            largest[c]  = std::max(known.bounds(head, 2 * chunk, digest::LARGEST)[c],  known.bounds(head, 2 * chunk + 1, digest::LARGEST)[c]);
        }
        for (int h = head * q.group; h < (head + 1) * q.group; ++h) {
            std::fill_n(scores + (size_t) h * stride + (size_t) (chunk * CHUNK), CHUNK, box_bound(q.rows + (size_t) h * d, smallest, largest, d));
        }
    }
}

void score(selector by, const lanes & loops, const keys & all, const digest & known, const plan & cells, const queries & q, int64_t begin, int64_t end,
        int64_t n_wanted, float * scores, size_t stride) {
    (void) n_wanted;
    if (by == SKETCH) {
        float * rows[64];
        for (int head = 0; begin < end && head < all.heads; ++head) {
            for (int g = 0; g < q.group; g += 64) {
                const int n     = std::min(64, q.group - g);
                const int first = head * q.group + g;
                for (int j = 0; j < n; ++j) {
                    rows[j] = scores + (size_t) (first + j) * stride + (size_t) (begin * CHUNK);
                }
                loops.scan(known.codes(head, begin), end - begin, q.rows + (size_t) first * all.d, n, all.d, rows);
            }
        }
        return;
    }
    for (int64_t chunk = begin; chunk < end; ++chunk) {
        if (by == BOX) {
            score_boxes(known, q, all.heads, all.d, chunk, scores, stride);
        } else {
            score_exactly(loops, all, cells, q, chunk, scores, stride);
        }
    }
}

} // namespace chq::sparse
