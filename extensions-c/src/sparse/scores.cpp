#include "sparse/scores.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <vector>

namespace chq::sparse {

static digest::kind digest_of(selector by) {
    switch (by) {
        case SKETCH: return digest::CODES;
        case BOX:
        case LEOAM:
        case HISA:   return digest::BOXES;
        case FASA:   return digest::PAIRS;
        default:     return digest::NOTHING;
    }
}

void shape_for(selector by, const keys & all, int group, int64_t n_cells, digest & known) {
    const digest::kind kind = digest_of(by);
    known.shape(kind, kind == digest::PAIRS ? all.heads * group : all.heads, all.d, (n_cells + CHUNK - 1) / CHUNK);
}

bool is_global(selector by, const digest & known) {
    return by == LEOAM || by == HISA || (by == FASA && !known.knows_pairs());
}

static int count_bits(uint32_t bits) { return __builtin_popcount(bits); }

// A run of half chunks.
struct leaf {
    int64_t begin = 0;
    int64_t end   = 0;
    int     cells = 0; // candidates in it
};

static leaf leaf_of(const plan & cells, int64_t begin, int64_t end) {
    leaf l { begin, end, 0 };
    for (int64_t half = begin; half < end; ++half) {
        l.cells += count_bits(cells.wanted[(size_t) (half / 2)] >> (half % 2 * 16) & 0xffff);
    }
    return l;
}

static bool has_candidates(const plan & cells, int64_t half) { return (cells.wanted[(size_t) (half / 2)] >> (half % 2 * 16) & 0xffff) != 0; }

// bounds[h] = the largest q . x that a key of the leaf can have, of each query head (Quest)
static void box_bounds(const digest & known, const plan & cells, const queries & q, int heads, int d, const leaf & l, float * bounds) {
    float smallest[WIDEST];
    float largest[WIDEST];
    for (int head = 0; head < heads; ++head) {
        std::fill_n(smallest, d,  INFINITY);
        std::fill_n(largest,  d, -INFINITY);
        for (int64_t half = l.begin; half < l.end; ++half) {
            if (has_candidates(cells, half)) {
                const float * low  = known.bounds(head, half, digest::SMALLEST);
                const float * high = known.bounds(head, half, digest::LARGEST);
                for (int c = 0; c < d; ++c) {
                    smallest[c] = std::min(smallest[c], low[c]);
                    largest[c]  = std::max(largest[c], high[c]);
                }
            }
        }
        for (int h = head * q.group; h < (head + 1) * q.group; ++h) {
            const float * x = q.rows + (size_t) h * (size_t) d;
            float sum = 0;
            for (int c = 0; c < d; ++c) {
                sum += x[c] > 0 ? x[c] * largest[c] : x[c] * smallest[c];
            }
            bounds[h] = sum;
        }
    }
}

// means[h] = q . the mean key of the leaf
static void mean_products(const digest & known, const plan & cells, const queries & q, int heads, int d, const leaf & l, float * means) {
    for (int head = 0; head < heads; ++head) {
        float mean[WIDEST] = {};
        for (int64_t half = l.begin; half < l.end; ++half) {
            const float n = (float) count_bits(cells.wanted[(size_t) (half / 2)] >> (half % 2 * 16) & 0xffff);
            for (int c = 0; c < d; ++c) {
                mean[c] += n / (float) l.cells * known.bounds(head, half, digest::MEAN)[c];
            }
        }
        for (int h = head * q.group; h < (head + 1) * q.group; ++h) {
            means[h] = std::inner_product(mean, mean + d, q.rows + (size_t) h * (size_t) d, 0.0f);
        }
    }
}

// For each leaf, the sum over the heads of its share in softmax(score + log of its cells). scores: [leaf, head]
static std::vector<float> weights_of(const std::vector<leaf> & leaves, const std::vector<float> & scores, int heads) {
    std::vector<float> weights(leaves.size());
    std::vector<float> e(leaves.size());
    for (int h = 0; h < heads; ++h) {
        float top = -INFINITY;
        for (size_t i = 0; i < leaves.size(); ++i) {
            top = std::max(top, scores[i * (size_t) heads + (size_t) h]);
        }
        float sum = 0;
        for (size_t i = 0; i < leaves.size(); ++i) {
            e[i] = (float) leaves[i].cells * std::exp(scores[i * (size_t) heads + (size_t) h] - top);
            sum += e[i];
        }
        for (size_t i = 0; i < leaves.size(); ++i) {
            weights[i] += e[i] / sum;
        }
    }
    return weights;
}

// The leaves of the largest weights that have n cells together; of equals the first.
static std::vector<leaf> heaviest(const std::vector<leaf> & leaves, const std::vector<float> & weights, int64_t n) {
    std::vector<size_t> order(leaves.size());
    std::iota(order.begin(), order.end(), (size_t) 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return weights[a] > weights[b]; });
    std::vector<leaf> taken;
    for (size_t i = 0; i < order.size() && n > 0; ++i) {
        taken.push_back(leaves[order[i]]);
        n -= taken.back().cells;
    }
    return taken;
}

static std::vector<leaf> cut(const plan & cells, int64_t begin, int64_t end, int64_t halves) {
    std::vector<leaf> leaves;
    for (int64_t at = begin; at < end; at += halves) {
        const leaf l = leaf_of(cells, at, std::min(at + halves, end));
        if (l.cells > 0) {
            leaves.push_back(l);
        }
    }
    return leaves;
}

// q . key of the candidates of a chunk
static void score_exactly(const lanes & loops, const keys & all, const plan & cells, const queries & q, int64_t chunk, float * scores, size_t stride) {
    constexpr int SOME = 64;
    float key[WIDEST];
    float products[SOME];
    for (int head = 0; head < all.heads; ++head) {
        for (int i = 0; i < CHUNK; ++i) {
            if (!(cells.wanted[(size_t) chunk] >> i & 1)) {
                continue;
            }
            all.read(loops, chunk * CHUNK + i, head, key);
            for (int g = 0; g < q.group; g += SOME) {
                const int n     = std::min(SOME, q.group - g);
                const int first = head * q.group + g;
                loops.dots(q.rows + (size_t) first * (size_t) all.d, n, all.d, key, products);
                for (int j = 0; j < n; ++j) {
                    scores[(size_t) (first + j) * stride + (size_t) (chunk * CHUNK + i)] = products[j];
                }
            }
        }
    }
}

static void score_by_sketch(const lanes & loops, const keys & all, const digest & known, const queries & q, int64_t begin, int64_t end, float * scores, size_t stride) {
    constexpr int SOME = 64;
    float * rows[SOME];
    for (int head = 0; head < all.heads; ++head) {
        for (int g = 0; g < q.group; g += SOME) {
            const int n     = std::min(SOME, q.group - g);
            const int first = head * q.group + g;
            for (int j = 0; j < n; ++j) {
                rows[j] = scores + (size_t) (first + j) * stride + (size_t) (begin * CHUNK);
            }
            loops.scan(known.codes(head, begin), end - begin, q.rows + (size_t) first * (size_t) all.d, n, all.d, rows);
        }
    }
}

static void score_by_boxes(const digest & known, const plan & cells, const queries & q, int heads, int d, int64_t begin, int64_t end, float * scores, size_t stride) {
    std::vector<float> bounds((size_t) (heads * q.group));
    for (const leaf & l : cut(cells, 2 * begin, 2 * end, 2)) {
        box_bounds(known, cells, q, heads, d, l, bounds.data());
        for (int h = 0; h < heads * q.group; ++h) {
            std::fill_n(scores + (size_t) h * stride + (size_t) (l.begin * CHUNK / 2), CHUNK, bounds[(size_t) h]);
        }
    }
}

static void score_nothing(int heads, int64_t begin, int64_t end, float * scores, size_t stride) {
    for (int h = 0; h < heads; ++h) {
        std::fill_n(scores + (size_t) h * stride + (size_t) (begin * CHUNK), (end - begin) * CHUNK, -INFINITY);
    }
}

// Chunks of 128 cells; those whose bounds promise most are halved, three times.
static void score_by_halving(const digest & known, const plan & cells, const queries & q, int heads, int d, int64_t begin, int64_t end, int64_t n_wanted,
        float * scores, size_t stride) {
    const int query_heads = heads * q.group;
    score_nothing(query_heads, begin, end, scores, stride);
    std::vector<leaf> leaves = cut(cells, 2 * begin, 2 * end, 8);
    std::vector<float> bounds;
    for (int64_t halves = 8;; halves /= 2) {
        bounds.resize(leaves.size() * (size_t) query_heads);
        for (size_t i = 0; i < leaves.size(); ++i) {
            box_bounds(known, cells, q, heads, d, leaves[i], bounds.data() + i * (size_t) query_heads);
        }
        if (halves == 1) {
            break;
        }
        std::vector<leaf> finer;
        for (const leaf & l : heaviest(leaves, weights_of(leaves, bounds, query_heads), n_wanted)) {
            for (const leaf & half : cut(cells, l.begin, l.end, halves / 2)) {
                finer.push_back(half);
            }
        }
        leaves = std::move(finer);
    }
    for (size_t i = 0; i < leaves.size(); ++i) {
        for (int h = 0; h < query_heads; ++h) {
            std::fill_n(scores + (size_t) h * stride + (size_t) (leaves[i].begin * CHUNK / 2), CHUNK / 2, bounds[i * (size_t) query_heads + (size_t) h]);
        }
    }
}

// The chunks of the best mean keys, four times as many cells as are wanted, and in them every key.
static void score_in_two_stages(const lanes & loops, const keys & all, const digest & known, const plan & cells, const queries & q, int64_t begin, int64_t end,
        int64_t n_wanted, float * scores, size_t stride) {
    const int query_heads = all.heads * q.group;
    score_nothing(query_heads, begin, end, scores, stride);
    const std::vector<leaf> leaves = cut(cells, 2 * begin, 2 * end, 2);
    std::vector<float> means(leaves.size() * (size_t) query_heads);
    for (size_t i = 0; i < leaves.size(); ++i) {
        mean_products(known, cells, q, all.heads, all.d, leaves[i], means.data() + i * (size_t) query_heads);
    }
    for (const leaf & l : heaviest(leaves, weights_of(leaves, means, query_heads), 4 * n_wanted)) {
        score_exactly(loops, all, cells, q, l.begin / 2, scores, stride);
    }
}

// Channels of pair i.
static std::pair<int, int> channels_of(const policy & how, int d, int i) {
    return how.split_halves ? std::pair(i, i + d / 2) : std::pair(2 * i, 2 * i + 1);
}

static std::vector<int32_t> largest_of(const std::vector<float> & x, size_t n) {
    std::vector<int32_t> order(x.size());
    std::iota(order.begin(), order.end(), 0);
    std::nth_element(order.begin(), order.begin() + (int64_t) n - 1, order.end(), [&](int32_t a, int32_t b) { return x[(size_t) a] > x[(size_t) b]; });
    order.resize(n);
    std::sort(order.begin(), order.end());
    return order;
}

// How well each pair alone finds the tenth of a sample of keys that a head's whole products find.
static void note_pairs(const policy & how, const lanes & loops, const keys & all, digest & known, const plan & cells, const queries & q) {
    constexpr int64_t SAMPLE = 512;
    const int64_t n    = std::min<int64_t>(SAMPLE, (int64_t) cells.candidates.size());
    const size_t  tops = (size_t) std::max<int64_t>(1, n / 10);
    std::vector<float> rows((size_t) (n * all.d));
    for (int head = 0; head < all.heads; ++head) {
        for (int64_t i = 0; i < n; ++i) {
            all.read(loops, cells.candidates[(size_t) (i * (int64_t) cells.candidates.size() / n)], head, rows.data() + i * all.d);
        }
        for (int h = head * q.group; h < (head + 1) * q.group; ++h) {
            const float * x = q.rows + (size_t) h * (size_t) all.d;
            std::vector<float> products((size_t) n);
            for (int64_t i = 0; i < n; ++i) {
                loops.dots(x, 1, all.d, rows.data() + i * all.d, &products[(size_t) i]);
            }
            const std::vector<int32_t> wanted = largest_of(products, tops);
            for (int pair = 0; pair < all.d / 2; ++pair) {
                const auto [a, b] = channels_of(how, all.d, pair);
                for (int64_t i = 0; i < n; ++i) {
                    products[(size_t) i] = x[a] * rows[(size_t) (i * all.d + a)] + x[b] * rows[(size_t) (i * all.d + b)];
                }
                const std::vector<int32_t> found = largest_of(products, tops);
                std::vector<int32_t> both;
                std::set_intersection(wanted.begin(), wanted.end(), found.begin(), found.end(), std::back_inserter(both));
                known.hits(h)[pair] += (float) both.size() / (float) tops;
            }
        }
    }
}

// The queries without the channels of all but the best quarter of the pairs.
static std::vector<float> best_pairs(const policy & how, const digest & known, const queries & q, int heads, int d) {
    std::vector<float> rows((size_t) (heads * d));
    for (int h = 0; h < heads; ++h) {
        const std::vector<float> hits(known.hits(h), known.hits(h) + d / 2);
        for (int32_t pair : largest_of(hits, (size_t) std::max(1, d / 8))) {
            const auto [a, b] = channels_of(how, d, pair);
            rows[(size_t) (h * d + a)] = q.rows[h * d + a];
            rows[(size_t) (h * d + b)] = q.rows[h * d + b];
        }
    }
    return rows;
}

void score(const policy & how, const lanes & loops, const keys & all, digest & known, const plan & cells, const queries & q, int64_t begin, int64_t end,
        int64_t n_wanted, float * scores, size_t stride) {
    if (begin == end) {
        return;
    }
    std::vector<float> some;
    queries asked = q;
    switch (how.by) {
        case SKETCH: score_by_sketch(loops, all, known, q, begin, end, scores, stride); return;
        case BOX:    score_by_boxes(known, cells, q, all.heads, all.d, begin, end, scores, stride); return;
        case LEOAM:  score_by_halving(known, cells, q, all.heads, all.d, begin, end, n_wanted, scores, stride); return;
        case HISA:   score_in_two_stages(loops, all, known, cells, q, begin, end, n_wanted, scores, stride); return;
        case FASA:
            if (known.knows_pairs()) {
                some = best_pairs(how, known, q, all.heads * q.group, all.d);
                asked.rows = some.data();
            } else {
                note_pairs(how, loops, all, known, cells, q);
            }
            break;
        default: break;
    }
    for (int64_t chunk = begin; chunk < end; ++chunk) {
        score_exactly(loops, all, cells, asked, chunk, scores, stride);
    }
}

} // namespace chq::sparse
