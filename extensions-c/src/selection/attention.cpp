// Attention recomputed from queries and keys: attention maps themselves never exist where attention is fused.
#include "chasqui_selection.h"

#include "guard/guard.h"
#include "selection/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace chq::selection {

// Adds the softmax of one query's products with the keys of its head. What is not finite gets nothing.
static void add_softmax(const std::vector<float> & products, double scale, std::vector<double> & out) {
    double most = -INFINITY;
    for (float p : products) {
        most = std::isfinite(p) ? std::max(most, p * scale) : most;
    }
    double sum = 0;
    std::vector<double> weight(products.size());
    for (size_t i = 0; i < products.size(); ++i) {
        weight[i] = std::isfinite(products[i]) ? std::exp(products[i] * scale - most) : 0;
        sum += weight[i];
    }
    for (size_t i = 0; i < products.size() && sum > 0; ++i) {
        out[i] += weight[i] / sum;
    }
}

} // namespace chq::selection

using namespace chq;
using namespace chq::selection;

chq_status chq_received_attention(const float * queries, int32_t n_queries, int32_t n_heads, const float * keys, int32_t n, int32_t n_kv_heads,
        int32_t head_dim, float * out) {
    return guarded([&] {
        if (n_queries < 1 || n < 0 || head_dim < 1 || n_kv_heads < 1 || n_heads < 1 || n_heads % n_kv_heads != 0 ||
                (int64_t) n_heads * head_dim > INT32_MAX) {
            fail(CHQ_STATUS_ARGUMENT, "%d queries of %d heads, %d keys of %d heads of %d", n_queries, n_heads, n, n_kv_heads, head_dim);
        }
        if (n == 0) {
            return CHQ_STATUS_OK;
        }
        check_pointer(queries, "queries");
        check_pointer(keys, "keys");
        check_pointer(out, "out");
        const double scale = 1.0 / std::sqrt((double) head_dim);
        std::vector<double>        received(n);
        std::vector<float>         products(n);
        std::vector<const float *> head_keys(n);
        for (int32_t h = 0; h < n_heads; ++h) {
            for (int32_t i = 0; i < n; ++i) {
                head_keys[i] = keys + ((size_t) i * n_kv_heads + h / (n_heads / n_kv_heads)) * head_dim;
            }
            for (int32_t q = 0; q < n_queries; ++q) {
                const float * query = queries + ((size_t) q * n_heads + h) * head_dim;
                fastest().dots(&query, 1, head_keys.data(), n, head_dim, products.data(), n);
                add_softmax(products, scale, received);
            }
        }
        for (int32_t i = 0; i < n; ++i) {
            out[i] = (float) (received[i] / ((double) n_heads * n_queries));
        }
        return CHQ_STATUS_OK;
    });
}
