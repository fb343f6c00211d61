#include "tensor/order.h"

#include "rows/rows.h"

#include <algorithm>
#include <cmath>

namespace chq {

// What they call runs on ggml's threads: nothing there may throw or allocate.

template <typename F>
static void for_each_row(const ggml_tensor * a, int ith, int nth, F && body) {
    const int64_t n = a->ne[0];
    for (int64_t row = ith; row < ggml_nrows(a); row += nth) {
        body((const float *) a->data + row * n, (int32_t) n, row);
    }
}

static void compute_argmax(ggml_tensor * dst, int ith, int nth, void *) {
    for_each_row(dst->src[0], ith, nth, [&](const float * x, int32_t n, int64_t row) {
        float best;
        ((int32_t *) dst->data)[row] = row_argmax(x, n, &best);
    });
}

static void compute_max(ggml_tensor * dst, int ith, int nth, void *) {
    for_each_row(dst->src[0], ith, nth, [&](const float * x, int32_t n, int64_t row) {
        row_argmax(x, n, (float *) dst->data + row);
    });
}

static void compute_top_k(ggml_tensor * dst, int ith, int nth, void *) {
    const int32_t k = (int32_t) dst->ne[0];
    for_each_row(dst->src[0], ith, nth, [&](const float * x, int32_t n, int64_t row) {
        row_top_k(x, n, k, (int32_t *) dst->data + row * k, nullptr);
    });
}

template <bool descending>
static void compute_argsort(ggml_tensor * dst, int ith, int nth, void *) {
    for_each_row(dst->src[0], ith, nth, [&](const float * x, int32_t n, int64_t row) {
        int32_t * order = (int32_t *) dst->data + row * n;
        for (int32_t i = 0; i < n; ++i) {
            order[i] = i;
        }
        const auto key = [&](int32_t i) { return x[i] == x[i] ? x[i] : -INFINITY; };
        std::sort(order, order + n, [&](int32_t i, int32_t j) {
            const float p = key(i);
            const float q = key(j);
            return p == q ? i < j : descending ? p > q : p < q;
        });
    });
}

static ggml_tensor * without_row(ggml_context * ctx, ggml_type type, ggml_tensor * a, ggml_custom_op_t compute) {
    return ggml_custom_4d(ctx, type, a->ne[1], a->ne[2], a->ne[3], 1, &a, 1, compute, GGML_N_TASKS_MAX, nullptr);
}

ggml_tensor * argmax_of_rows(ggml_context * ctx, ggml_tensor * a) {
    return without_row(ctx, GGML_TYPE_I32, a, compute_argmax);
}

ggml_tensor * max_of_rows(ggml_context * ctx, ggml_tensor * a) {
    return without_row(ctx, GGML_TYPE_F32, a, compute_max);
}

ggml_tensor * argsort_of_rows(ggml_context * ctx, ggml_tensor * a, bool descending) {
    const ggml_custom_op_t compute = descending ? compute_argsort<true> : compute_argsort<false>;
    return ggml_custom_4d(ctx, GGML_TYPE_I32, a->ne[0], a->ne[1], a->ne[2], a->ne[3], &a, 1, compute, GGML_N_TASKS_MAX, nullptr);
}

ggml_tensor * top_k_of_rows(ggml_context * ctx, ggml_tensor * a, int32_t k) {
    return ggml_custom_4d(ctx, GGML_TYPE_I32, k, a->ne[1], a->ne[2], a->ne[3], &a, 1, compute_top_k, GGML_N_TASKS_MAX, nullptr);
}

} // namespace chq
