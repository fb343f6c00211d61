#include "chasqui_embedding.h"

#include "guard/guard.h"
#include "selection/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace chq {

namespace {

constexpr int32_t ROWS_AT_ONCE = 64;

struct hit {
    float   score;
    int32_t index;

    bool operator<(const hit & other) const {
        return score > other.score || (score == other.score && index < other.index);
    }
};

float length_of(const float * row, int32_t n) {
    return std::sqrt(selection::dot(row, row, n));
}

// The best k of what was offered; a heap with the worst of them first.
class best_hits {
public:
    explicit best_hits(int32_t k) : k(k) { hits.reserve((size_t) k); }

    void offer(hit h) {
        if ((int32_t) hits.size() < k) {
            hits.push_back(h);
            std::push_heap(hits.begin(), hits.end());
        } else if (h < hits.front()) {
            std::pop_heap(hits.begin(), hits.end());
            hits.back() = h;
            std::push_heap(hits.begin(), hits.end());
        }
    }

    void write(int32_t * index, float * score) {
        std::sort_heap(hits.begin(), hits.end());
        for (int32_t i = 0; i < k; ++i) {
            index[i] = hits[(size_t) i].index;
            score[i] = hits[(size_t) i].score;
        }
    }

private:
    int32_t          k;
    std::vector<hit> hits;
};

} // namespace

} // namespace chq

using namespace chq;

chq_status chq_rows_nearest(
        const float * rows,
        int32_t       n_rows,
        const float * queries,
        int32_t       n_queries,
        int32_t       n_dims,
        bool          cosine,
        int32_t       k,
        int32_t     * index,
        float       * score) {
    return guarded([&] {
        check_pointer(rows,    "rows");
        check_pointer(queries, "queries");
        check_pointer(index,   "index");
        check_pointer(score,   "score");
        if (n_rows < 1 || n_queries < 1 || n_dims < 1) {
            fail(CHQ_STATUS_ARGUMENT, "%d rows, %d queries of %d numbers", n_rows, n_queries, n_dims);
        }
        if (k < 1 || k > n_rows) {
            fail(CHQ_STATUS_ARGUMENT, "k = %d is not in 1..%d", k, n_rows);
        }
        std::vector<best_hits> best((size_t) n_queries, best_hits(k));
        std::vector<float>     query_lengths((size_t) n_queries, 1.0f);
        for (int32_t q = 0; cosine && q < n_queries; ++q) {
            query_lengths[q] = length_of(queries + (int64_t) q * n_dims, n_dims);
        }
        const float * block[ROWS_AT_ONCE];
        float         lengths[ROWS_AT_ONCE];
        float         products[ROWS_AT_ONCE];
        for (int32_t begin = 0; begin < n_rows; begin += ROWS_AT_ONCE) {
            const int32_t n = std::min(ROWS_AT_ONCE, n_rows - begin);
            for (int32_t i = 0; i < n; ++i) {
                block[i]   = rows + (int64_t) (begin + i) * n_dims;
                lengths[i] = cosine ? length_of(block[i], n_dims) : 1.0f;
            }
            for (int32_t q = 0; q < n_queries; ++q) {
                const float * query = queries + (int64_t) q * n_dims;
                selection::fastest().dots(&query, 1, block, n, n_dims, products, n);
                for (int32_t i = 0; i < n; ++i) {
                    const float scale = query_lengths[q] * lengths[i];
                    const float value = scale == 0 ? 0.0f : products[i] / scale;
                    best[q].offer({ std::isnan(value) ? -INFINITY : value, begin + i });
                }
            }
        }
        for (int32_t q = 0; q < n_queries; ++q) {
            best[q].write(index + (int64_t) q * k, score + (int64_t) q * k);
        }
        return CHQ_STATUS_OK;
    });
}
