// Reductions, and where the largest are.
#include "tensor/build.h"
#include "tensor/order.h"

using namespace chq;

static const char * name_of_reduction(int32_t op) {
    static const char * const names[] = { "sum", "mean", "max" };
    return op >= CHQ_TENSOR_SUM && op <= CHQ_TENSOR_MAX ? names[op] : "reduction";
}

static ggml_tensor * reduce_rows(const tensor_build & b, int32_t op, ggml_tensor * a) {
    switch (op) {
        case CHQ_TENSOR_SUM:  return b.add(ggml_sum_rows(b.context(), a));
        case CHQ_TENSOR_MEAN: return b.add(ggml_mean    (b.context(), a));
        case CHQ_TENSOR_MAX:  return b.add(max_of_rows  (b.context(), a));
    }
    fail(CHQ_STATUS_ARGUMENT, "op = %d is unknown", op);
}

static tensor_shape without_axis(tensor_shape shape, int32_t axis) {
    --shape.n_dims;
    for (int32_t i = axis; i < shape.n_dims; ++i) {
        shape.size[i] = shape.size[i + 1];
    }
    return shape;
}

static void check_rows(const tensor_build & b, const chq_tensor * a) {
    b.check_type(a, GGML_TYPE_F32, "it");
    if (a->n_dims < 1) {
        b.refuse("a single number has no axis");
    }
}

chq_status chq_tensor_reduce(struct chq_tensor_arena * arena, int32_t op, struct chq_tensor * a, int32_t axis, struct chq_tensor_info * out) {
    return build(arena, name_of_reduction(op), { a }, out, [&](const tensor_build & b) {
        check_rows(b, a);
        const tensor_shape shape = shape_of(a->t, a->n_dims);
        axis = check_axis(name_of_reduction(op), axis, shape);
        ggml_tensor * rows = b.in_order(b.axis_to_end(a->t, a->n_dims, axis));
        b.give(reduce_rows(b, op, rows), without_axis(shape, axis));
    });
}

chq_status chq_tensor_reduce_all(struct chq_tensor_arena * arena, int32_t op, struct chq_tensor * a, struct chq_tensor_info * out) {
    return build(arena, name_of_reduction(op), { a }, out, [&](const tensor_build & b) {
        b.check_type(a, GGML_TYPE_F32, "it");
        ggml_tensor * t = b.in_order(a->t);
        const int64_t n = ggml_nelements(t);
        if (op == CHQ_TENSOR_MAX) {
            t = reduce_rows(b, op, ggml_reshape_1d(b.context(), t, n));
        } else {
            t = b.add(ggml_sum(b.context(), t));
            if (op == CHQ_TENSOR_MEAN) {
                t = b.add(ggml_scale(b.context(), t, 1.0f / (float) n));
            } else if (op != CHQ_TENSOR_SUM) {
                fail(CHQ_STATUS_ARGUMENT, "op = %d is unknown", op);
            }
        }
        b.give(t, 0);
    });
}

chq_status chq_tensor_argmax(struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor_info * out) {
    return build(arena, "argmax", { a }, out, [&](const tensor_build & b) {
        check_rows(b, a);
        b.give(b.add(argmax_of_rows(b.context(), b.in_order(a->t))), a->n_dims - 1);
    });
}

chq_status chq_tensor_argsort(struct chq_tensor_arena * arena, struct chq_tensor * a, bool descending, struct chq_tensor_info * out) {
    return build(arena, "argsort", { a }, out, [&](const tensor_build & b) {
        check_rows(b, a);
        b.give(b.add(argsort_of_rows(b.context(), b.in_order(a->t), descending)), a->n_dims);
    });
}

chq_status chq_tensor_top_k(struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t k, struct chq_tensor_info * out) {
    return build(arena, "top_k", { a }, out, [&](const tensor_build & b) {
        check_rows(b, a);
        if (k < 1 || k > a->t->ne[0]) {
            b.refuse("k = %d of %lld", k, (long long) a->t->ne[0]);
        }
        ggml_tensor * t = b.in_order(a->t);
        if (k <= MAX_ROW_TOP_K) {
            t = b.add(top_k_of_rows(b.context(), t, k));
        } else {
            t = b.add(argsort_of_rows(b.context(), t, true));
            t = b.in_order(ggml_view_4d(b.context(), t, k, t->ne[1], t->ne[2], t->ne[3], t->nb[1], t->nb[2], t->nb[3], 0));
        }
        b.give(t, a->n_dims);
    });
}
