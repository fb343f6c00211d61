// Element by element.
#include "tensor/build.h"

#include <algorithm>

using namespace chq;

static ggml_tensor * apply(ggml_context * ctx, int32_t op, ggml_tensor * a) {
    switch (op) {
        case CHQ_TENSOR_ABS:      return ggml_abs     (ctx, a);
        case CHQ_TENSOR_NEG:      return ggml_neg     (ctx, a);
        case CHQ_TENSOR_SIGN:     return ggml_sgn     (ctx, a);
        case CHQ_TENSOR_SQUARE:   return ggml_sqr     (ctx, a);
        case CHQ_TENSOR_SQRT:     return ggml_sqrt    (ctx, a);
        case CHQ_TENSOR_EXP:      return ggml_exp     (ctx, a);
        case CHQ_TENSOR_LOG:      return ggml_log     (ctx, a);
        case CHQ_TENSOR_SIN:      return ggml_sin     (ctx, a);
        case CHQ_TENSOR_COS:      return ggml_cos     (ctx, a);
        case CHQ_TENSOR_TANH:     return ggml_tanh    (ctx, a);
        case CHQ_TENSOR_SIGMOID:  return ggml_sigmoid (ctx, a);
        case CHQ_TENSOR_RELU:     return ggml_relu    (ctx, a);
        case CHQ_TENSOR_GELU:     return ggml_gelu    (ctx, a);
        case CHQ_TENSOR_GELU_ERF: return ggml_gelu_erf(ctx, a);
        case CHQ_TENSOR_SILU:     return ggml_silu    (ctx, a);
        case CHQ_TENSOR_ELU:      return ggml_elu     (ctx, a);
        case CHQ_TENSOR_SOFTPLUS: return ggml_softplus(ctx, a);
        case CHQ_TENSOR_FLOOR:    return ggml_floor   (ctx, a);
        case CHQ_TENSOR_CEIL:     return ggml_ceil    (ctx, a);
        case CHQ_TENSOR_ROUND:    return ggml_round   (ctx, a);
    }
    fail(CHQ_STATUS_ARGUMENT, "op = %d is unknown", op);
}

static ggml_tensor * apply(ggml_context * ctx, int32_t op, ggml_tensor * a, ggml_tensor * b) {
    switch (op) {
        case CHQ_TENSOR_ADD: return ggml_add(ctx, a, b);
        case CHQ_TENSOR_SUB: return ggml_sub(ctx, a, b);
        case CHQ_TENSOR_MUL: return ggml_mul(ctx, a, b);
        case CHQ_TENSOR_DIV: return ggml_div(ctx, a, b);
    }
    fail(CHQ_STATUS_ARGUMENT, "op = %d is unknown", op);
}

static const char * name_of(int32_t op) {
    static const char * const names[] = { "add", "sub", "mul", "div" };
    return op >= CHQ_TENSOR_ADD && op <= CHQ_TENSOR_DIV ? names[op] : "operation";
}

chq_status chq_tensor_unary(struct chq_tensor_arena * arena, int32_t op, struct chq_tensor * a, struct chq_tensor_info * out) {
    return build(arena, "function", { a }, out, [&](const tensor_build & b) {
        b.check_type(a, GGML_TYPE_F32, "it");
        b.give(b.add(apply(b.context(), op, b.in_order(a->t))), a->n_dims);
    });
}

chq_status chq_tensor_binary(struct chq_tensor_arena * arena, int32_t op, struct chq_tensor * x, struct chq_tensor * y, struct chq_tensor_info * out) {
    return build(arena, name_of(op), { x, y }, out, [&](const tensor_build & b) {
        if (x->t->type != GGML_TYPE_F32 || y->t->type != GGML_TYPE_F32) {
            b.refuse("both must be F32; cast converts");
        }
        int64_t ne[GGML_MAX_DIMS];
        for (int i = 0; i < GGML_MAX_DIMS; ++i) {
            const int64_t p = x->t->ne[i];
            const int64_t q = y->t->ne[i];
            if (p != q && p != 1 && q != 1) {
                b.refuse("sizes, counted from the last, must be equal or 1");
            }
            ne[i] = std::max(p, q);
        }
        // ggml repeats the second operand by itself
        ggml_tensor * first = b.repeat(b.in_order(x->t), ne);
        b.give(b.add(apply(b.context(), op, first, b.aligned(y->t))), std::max(x->n_dims, y->n_dims));
    });
}

chq_status chq_tensor_affine(struct chq_tensor_arena * arena, struct chq_tensor * a, float scale, float bias, struct chq_tensor_info * out) {
    return build(arena, "affine", { a }, out, [&](const tensor_build & b) {
        b.check_type(a, GGML_TYPE_F32, "it");
        b.give(b.add(ggml_scale_bias(b.context(), b.in_order(a->t), scale, bias)), a->n_dims);
    });
}

chq_status chq_tensor_clamp(struct chq_tensor_arena * arena, struct chq_tensor * a, float min, float max, struct chq_tensor_info * out) {
    return build(arena, "clamp", { a }, out, [&](const tensor_build & b) {
        b.check_type(a, GGML_TYPE_F32, "it");
        if (!(min <= max)) {
            b.refuse("to %g..%g", min, max);
        }
        b.give(b.add(ggml_clamp(b.context(), b.in_order(a->t), min, max)), a->n_dims);
    });
}
