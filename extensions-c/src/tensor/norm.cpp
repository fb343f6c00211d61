// Along the rows: normalisation, softmax and rotary positions.
#include "tensor/build.h"
#include "tensor/types.h"

#include <cmath>

using namespace chq;

static void check_eps(const tensor_build & b, float eps) {
    if (!std::isfinite(eps) || eps < 0) {
        b.refuse("eps = %g", eps);
    }
}

static void check_axes(const tensor_build & b, const chq_tensor * a, int32_t lo, int32_t hi) {
    if (a->n_dims < lo || a->n_dims > hi) {
        b.refuse("it must have %d to %d axes", lo, hi);
    }
}

static const char * name_of_norm(int32_t op) {
    static const char * const names[] = { "layer_norm", "rms_norm", "l2_norm" };
    return op >= CHQ_TENSOR_LAYER_NORM && op <= CHQ_TENSOR_L2_NORM ? names[op] : "norm";
}

chq_status chq_tensor_norm(struct chq_tensor_arena * arena, int32_t op, struct chq_tensor * a, float eps, struct chq_tensor_info * out) {
    return build(arena, name_of_norm(op), { a }, out, [&](const tensor_build & b) {
        b.check_type(a, GGML_TYPE_F32, "it");
        check_axes(b, a, 1, CHQ_TENSOR_DIMS);
        check_eps(b, eps);
        ggml_tensor * t = b.in_order(a->t);
        switch (op) {
            case CHQ_TENSOR_LAYER_NORM: t = ggml_norm    (b.context(), t, eps); break;
            case CHQ_TENSOR_RMS_NORM:   t = ggml_rms_norm(b.context(), t, eps); break;
            case CHQ_TENSOR_L2_NORM:    t = ggml_l2_norm (b.context(), t, eps); break;
            default: fail(CHQ_STATUS_ARGUMENT, "op = %d is unknown", op);
        }
        b.give(b.add(t), a->n_dims);
    });
}

chq_status chq_tensor_group_norm(struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t n_groups, float eps, struct chq_tensor_info * out) {
    return build(arena, "group_norm", { a }, out, [&](const tensor_build & b) {
        b.check_type(a, GGML_TYPE_F32, "it");
        check_axes(b, a, 3, 4);
        check_eps(b, eps);
        if (n_groups < 1 || a->t->ne[2] % n_groups != 0) {
            b.refuse("%d groups of %lld channels", n_groups, (long long) a->t->ne[2]);
        }
        b.give(b.add(ggml_group_norm(b.context(), b.in_order(a->t), n_groups, eps)), a->n_dims);
    });
}

static ggml_tensor * checked_mask(const tensor_build & b, const chq_tensor * a, const chq_tensor * mask) {
    if (mask->t->type != GGML_TYPE_F32 && mask->t->type != GGML_TYPE_F16) {
        b.refuse("the mask must be F32 or F16");
    }
    bool fits = mask->n_dims >= 2 && mask->n_dims <= a->n_dims;
    for (int i = 0; i < GGML_MAX_DIMS; ++i) {
        fits = fits && (i < 2 ? a->t->ne[i] == mask->t->ne[i] : a->t->ne[i] % mask->t->ne[i] == 0);
    }
    if (!fits) {
        b.refuse("the mask has the last two sizes of what it masks, and others that divide its");
    }
    return b.in_order(mask->t);
}

chq_status chq_tensor_softmax(
        struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor * mask, float scale, float max_bias, struct chq_tensor_info * out) {
    const auto body = [&](const tensor_build & b) {
        b.check_type(a, GGML_TYPE_F32, "it");
        check_axes(b, a, 1, CHQ_TENSOR_DIMS);
        if (!std::isfinite(scale) || !std::isfinite(max_bias) || max_bias < 0) {
            b.refuse("scale = %g, max_bias = %g", scale, max_bias);
        }
        if (max_bias > 0 && !mask) {
            b.refuse("max_bias needs a mask");
        }
        ggml_tensor * m = mask ? checked_mask(b, a, mask) : nullptr;
        b.give(b.add(ggml_soft_max_ext(b.context(), b.in_order(a->t), m, scale, max_bias)), a->n_dims);
    };
    return mask ? build(arena, "softmax", { a, mask }, out, body) : build(arena, "softmax", { a }, out, body);
}

static void check_params(const tensor_build & b, const chq_tensor_rope_params & p) {
    if (p.mode != CHQ_TENSOR_ROPE_PAIRS && p.mode != CHQ_TENSOR_ROPE_HALVES) {
        b.refuse("mode = %d is unknown", p.mode);
    }
    for (float value : { p.freq_base, p.freq_scale, p.ext_factor, p.attn_factor, p.beta_fast, p.beta_slow }) {
        if (!std::isfinite(value)) {
            b.refuse("a parameter is not a finite number");
        }
    }
    if (p.freq_base <= 0 || p.freq_scale <= 0 || p.n_ctx_orig < 0) {
        b.refuse("freq_base = %g, freq_scale = %g, n_ctx_orig = %d", p.freq_base, p.freq_scale, p.n_ctx_orig);
    }
}

chq_status chq_tensor_rope(
        struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor * positions, struct chq_tensor * factors,
        const struct chq_tensor_rope_params * params, struct chq_tensor_info * out) {
    const auto body = [&](const tensor_build & b) {
        check_pointer(params, "params");
        const chq_tensor_rope_params p = *params;
        check_params(b, p);
        b.check_type(a, GGML_TYPE_F32, "it");
        b.check_type(positions, GGML_TYPE_I32, "positions");
        check_axes(b, a, 2, 4);
        const int64_t width    = a->t->ne[0];
        const int64_t n_tokens = a->t->ne[a->n_dims == 2 ? 1 : 2];
        const int32_t n_rot    = p.n_dims == 0 ? (int32_t) width : p.n_dims;
        if (width % 2 != 0 || n_rot % 2 != 0 || n_rot < 2 || n_rot > width) {
            b.refuse("%d of %lld dimensions cannot be rotated in pairs", n_rot, (long long) width);
        }
        if (positions->n_dims != 1 || positions->t->ne[0] != n_tokens) {
            b.refuse("there is one position for each of the %lld tokens", (long long) n_tokens);
        }
        if (factors) {
            b.check_type(factors, GGML_TYPE_F32, "factors");
            if (factors->n_dims != 1 || factors->t->ne[0] != width / 2) {
                b.refuse("there is one factor for each of %lld pairs", (long long) width / 2);
            }
        }
        ggml_tensor * t = b.in_order(a->t);
        if (a->n_dims == 2) {
            t = ggml_reshape_3d(b.context(), t, width, 1, n_tokens);
        }
        t = b.add(ggml_rope_ext(b.context(), t, b.in_order(positions->t), factors ? b.in_order(factors->t) : nullptr, n_rot,
            p.mode == CHQ_TENSOR_ROPE_HALVES ? GGML_ROPE_TYPE_NEOX : GGML_ROPE_TYPE_NORMAL,
            p.n_ctx_orig, p.freq_base, p.freq_scale, p.ext_factor, p.attn_factor, p.beta_fast, p.beta_slow));
        b.give(t, shape_of(a->t, a->n_dims));
    };
    return factors ? build(arena, "rope", { a, positions, factors }, out, body) : build(arena, "rope", { a, positions }, out, body);
}
