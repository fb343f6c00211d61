// The same elements in another order or of another type.
#include "tensor/build.h"
#include "tensor/types.h"

#include <algorithm>

using namespace chq;

// Sizes as they are asked for, -1 replaced by what is left.
static tensor_shape filled_up(const tensor_build & b, const tensor_shape & from, int32_t n_dims, const int64_t * sizes) {
    if (n_dims < 0 || n_dims > CHQ_TENSOR_DIMS) {
        b.refuse("%d axes, a tensor has 0 to %d", n_dims, CHQ_TENSOR_DIMS);
    }
    tensor_shape to;
    to.n_dims = n_dims;
    if (n_dims > 0) {
        check_pointer(sizes, "shape");
        std::copy(sizes, sizes + n_dims, to.size);
    }
    int64_t known = 1;
    int32_t open  = -1;
    for (int32_t i = 0; i < n_dims; ++i) {
        if (sizes[i] == -1 && open < 0) {
            open = i;
        } else if (sizes[i] < 1 || sizes[i] > INT32_MAX / known) {
            b.refuse("%s is no shape of %lld elements", to_text(to).c_str(), (long long) from.elements());
        } else {
            known *= sizes[i];
        }
    }
    if (open >= 0) {
        to.size[open] = from.elements() / known;
    }
    if (to.elements() != from.elements()) {
        b.refuse("%s has not as many elements", to_text(to).c_str());
    }
    return to;
}

static void check_blocks(const tensor_build & b, ggml_type type, int64_t size) {
    if (size % ggml_blck_size(type) != 0) {
        b.refuse("%lld elements do not fill blocks of %lld (%s)", (long long) size, (long long) ggml_blck_size(type), to_text(type).c_str());
    }
}

chq_status chq_tensor_reshape(struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t n_dims, const int64_t * sizes, struct chq_tensor_info * out) {
    return build(arena, "reshape", { a }, out, [&](const tensor_build & b) {
        const tensor_shape shape = filled_up(b, shape_of(a->t, a->n_dims), n_dims, sizes);
        check_blocks(b, a->t->type, shape.from_end(0));
        b.give(b.reshape(a->t, shape), n_dims);
    });
}

chq_status chq_tensor_slice(struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t axis, int64_t begin, int64_t end, struct chq_tensor_info * out) {
    return build(arena, "slice", { a }, out, [&](const tensor_build & b) {
        const tensor_shape shape = shape_of(a->t, a->n_dims);
        axis = check_axis("slice", axis, shape);
        if (begin < 0 || begin >= end || end > shape.size[axis]) {
            b.refuse("[%lld, %lld) of axis %d, which has %lld", (long long) begin, (long long) end, axis, (long long) shape.size[axis]);
        }
        ggml_tensor * t = a->t;
        const int32_t dim = a->n_dims - 1 - axis;
        const int64_t block = dim == 0 ? ggml_blck_size(t->type) : 1;
        if (dim == 0) {
            check_blocks(b, t->type, begin);
            check_blocks(b, t->type, end);
        }
        int64_t ne[GGML_MAX_DIMS] = { t->ne[0], t->ne[1], t->ne[2], t->ne[3] };
        ne[dim] = end - begin;
        ggml_tensor * view = ggml_view_4d(b.context(), t, ne[0], ne[1], ne[2], ne[3], t->nb[1], t->nb[2], t->nb[3], begin / block * t->nb[dim]);
        view->nb[0] = t->nb[0];
        b.give(view, a->n_dims);
    });
}

chq_status chq_tensor_permute(struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t n_axes, const int32_t * axes, struct chq_tensor_info * out) {
    return build(arena, "permute", { a }, out, [&](const tensor_build & b) {
        if (n_axes != a->n_dims) {
            b.refuse("%d axes were given", n_axes);
        }
        bool seen[CHQ_TENSOR_DIMS] = {};
        int32_t from[CHQ_TENSOR_DIMS] = {};
        for (int32_t i = 0; i < n_axes; ++i) {
            check_pointer(axes, "axes");
            from[i] = check_axis("permute", axes[i], shape_of(a->t, a->n_dims));
            if (seen[from[i]]) {
                b.refuse("axis %d is there twice", from[i]);
            }
            seen[from[i]] = true;
        }
        if (ggml_blck_size(a->t->type) > 1 && from[n_axes - 1] != n_axes - 1) {
            b.refuse("the last axis of quantised tensors stays where it is; cast to F32 first");
        }
        b.give(b.permute(a->t, n_axes, from), n_axes);
    });
}

chq_status chq_tensor_contiguous(struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor_info * out) {
    return build(arena, "contiguous", { a }, out, [&](const tensor_build & b) {
        ggml_tensor * t = b.in_order(a->t);
        if (t == a->t) {
            give(a, out);
        } else {
            b.give(t, a->n_dims);
        }
    });
}

chq_status chq_tensor_cast(struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t type, struct chq_tensor_info * out) {
    return build(arena, "cast", { a }, out, [&](const tensor_build & b) {
        if (!is_known_type(type)) {
            b.refuse("%d is no type of tensors", type);
        }
        const ggml_type from = a->t->type;
        const ggml_type to   = (ggml_type) type;
        if (from == to) {
            b.give(b.in_order(a->t), a->n_dims);
            return;
        }
        const bool integers = (from == GGML_TYPE_F32 && to == GGML_TYPE_I32) || (from == GGML_TYPE_I32 && to == GGML_TYPE_F32);
        if (!integers && !(is_decodable(from) && is_encodable(to))) {
            b.refuse("%s cannot be made of it", to_text(to).c_str());
        }
        check_blocks(b, to, a->t->ne[0]);
        ggml_tensor * t = b.in_order(a->t);
        if (ggml_is_quantized(from) && to != GGML_TYPE_F32) {
            t = b.add(ggml_cast(b.context(), t, GGML_TYPE_F32));
        }
        b.give(b.add(ggml_cast(b.context(), t, to)), a->n_dims);
    });
}

chq_status chq_tensor_broadcast(struct chq_tensor_arena * arena, struct chq_tensor * a, int32_t n_dims, const int64_t * sizes, struct chq_tensor_info * out) {
    return build(arena, "broadcast", { a }, out, [&](const tensor_build & b) {
        const tensor_shape from = shape_of(a->t, a->n_dims);
        const tensor_shape to   = check_shape("broadcast", a->t->type, n_dims, sizes);
        bool fits = to.n_dims >= from.n_dims;
        for (int32_t i = 0; i < from.n_dims; ++i) {
            fits = fits && (from.from_end(i) == 1 || from.from_end(i) == to.from_end(i));
        }
        if (!fits) {
            b.refuse("it cannot become %s", to_text(to).c_str());
        }
        const ggml_type type = a->t->type;
        if (!is_float(type) && type != GGML_TYPE_I32 && type != GGML_TYPE_I16) {
            b.refuse("%s cannot be repeated; cast to F32 first", to_text(type).c_str());
        }
        b.give(b.repeat(b.in_order(a->t), ggml_sizes(to).ne), n_dims);
    });
}

chq_status chq_tensor_concat(struct chq_tensor_arena * arena, struct chq_tensor * a, struct chq_tensor * other, int32_t axis, struct chq_tensor_info * out) {
    return build(arena, "concat", { a, other }, out, [&](const tensor_build & b) {
        const tensor_shape first  = shape_of(a->t, a->n_dims);
        const tensor_shape second = shape_of(other->t, other->n_dims);
        axis = check_axis("concat", axis, first);
        tensor_shape all = first;
        all.size[axis] = second.n_dims == first.n_dims ? second.size[axis] : 0;
        if (all != second || a->t->type != other->t->type) {
            b.refuse("types, and sizes but for axis %d, must be equal", axis);
        }
        b.give(b.add(ggml_concat(b.context(), b.in_order(a->t), b.in_order(other->t), a->n_dims - 1 - axis)), a->n_dims);
    });
}
