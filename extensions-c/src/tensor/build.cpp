#include "tensor/build.h"

#include "tensor/types.h"

#include <cstdarg>
#include <cstdio>

namespace chq {

static bool is_ancestor(const chq_tensor_arena * candidate, const chq_tensor_arena * arena) {
    for (; arena; arena = arena->parent) {
        if (arena == candidate) {
            return true;
        }
    }
    return false;
}

tensor_build::tensor_build(chq_tensor_arena * arena, const char * name, std::initializer_list<chq_tensor *> operands, chq_tensor_info * out)
    : arena(arena), name(name), operands(operands), out(out) {
    check_arena(arena);
    check_pointer(out, "out");
    for (const chq_tensor * operand : operands) {
        check_tensor(operand, "tensor");
    }
    lock = std::unique_lock<std::mutex>(*arena->mutex);
    for (const chq_tensor * operand : operands) {
        if (!is_ancestor(operand->arena, arena)) {
            refuse("the operands are not of this arena, nor of one that it was made from");
        }
        if (operand->arena != arena && !storage_of(operand->arena, root_of(operand->t))) {
            refuse("an operand of an outer arena must be stored: compute it there first");
        }
    }
    ctx = arena->descriptions.room();
}

void tensor_build::refuse(const char * format, ...) const {
    char reason[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof(reason), format, args);
    va_end(args);
    std::string what = name;
    for (size_t i = 0; i < operands.size(); ++i) {
        what += (i == 0 ? " of " : i + 1 < operands.size() ? ", " : " and ") + to_text(operands[i]);
    }
    fail(CHQ_STATUS_ARGUMENT, "%s: %s", what.c_str(), reason);
}

void tensor_build::check_type(const chq_tensor * operand, ggml_type type, const char * what) const {
    if (operand->t->type != type) {
        refuse("%s is %s and must be %s; cast converts", what, to_text(operand->t->type).c_str(), to_text(type).c_str());
    }
}

ggml_tensor * tensor_build::add(ggml_tensor * t) const {
    if (!countable(t->ne)) {
        refuse("the result has the shape %s, more than 2^31 - 1 elements", to_text(shape_of(t, GGML_MAX_DIMS)).c_str());
    }
    if (!ggml_backend_dev_supports_op(arena->cpu, t) && !ggml_backend_dev_supports_op(arena->device, t)) {
        refuse("there is no kernel for it (%s)", ggml_op_desc(t));
    }
    return t;
}

static bool row_is_in_order(const ggml_tensor * t) {
    return t->nb[0] == ggml_type_size(t->type);
}

static bool is_in_order(const ggml_tensor * t) {
    bool in_order = row_is_in_order(t) && t->nb[1] == ggml_row_size(t->type, t->ne[0]);
    for (int i = 2; i < GGML_MAX_DIMS; ++i) {
        in_order = in_order && t->nb[i] == t->nb[i - 1] * t->ne[i - 1];
    }
    return in_order;
}

// Devices assert in places that data begin where a tensor of its own would.
bool tensor_build::is_aligned(const ggml_tensor * t) const {
    return arena->device == arena->cpu || !t->view_src
        || t->view_offs % ggml_backend_buft_get_alignment(ggml_backend_dev_buffer_type(arena->device)) == 0;
}

ggml_tensor * tensor_build::aligned(ggml_tensor * t) const {
    return is_aligned(t) ? t : add(ggml_cont(ctx, t));
}

ggml_tensor * tensor_build::in_order(ggml_tensor * t) const {
    t = aligned(t);
    if (is_in_order(t)) {
        return t;
    }
    return ggml_is_contiguous(t) ? ggml_reshape_4d(ctx, t, t->ne[0], t->ne[1], t->ne[2], t->ne[3]) : add(ggml_cont(ctx, t));
}

ggml_tensor * tensor_build::rows_in_order(ggml_tensor * t) const {
    t = aligned(t);
    bool rows = row_is_in_order(t);
    for (int i = 1; i < GGML_MAX_DIMS; ++i) {
        rows = rows && t->nb[i] >= ggml_row_size(t->type, t->ne[0]);
    }
    return rows ? t : in_order(t);
}

ggml_tensor * tensor_build::reshape(ggml_tensor * t, const tensor_shape & shape) const {
    const ggml_sizes sizes(shape);
    return ggml_reshape_4d(ctx, in_order(t), sizes.ne[0], sizes.ne[1], sizes.ne[2], sizes.ne[3]);
}

ggml_tensor * tensor_build::permute(ggml_tensor * t, int32_t n, const int32_t * axes) const {
    int to[GGML_MAX_DIMS] = { 0, 1, 2, 3 };
    for (int32_t i = 0; i < n; ++i) {
        to[n - 1 - axes[i]] = n - 1 - i;
    }
    return ggml_permute(ctx, t, to[0], to[1], to[2], to[3]);
}

ggml_tensor * tensor_build::axis_to_end(ggml_tensor * t, int32_t n, int32_t axis) const {
    int32_t axes[CHQ_TENSOR_DIMS];
    for (int32_t i = 0; i < n - 1; ++i) {
        axes[i] = i < axis ? i : i + 1;
    }
    axes[n - 1] = axis;
    return axis == n - 1 ? t : permute(t, n, axes);
}

ggml_tensor * tensor_build::repeat(ggml_tensor * t, const int64_t * ne) const {
    bool same = true;
    for (int i = 0; i < GGML_MAX_DIMS; ++i) {
        same = same && t->ne[i] == ne[i];
    }
    if (same) {
        return t;
    }
    if (!countable(ne)) {
        refuse("the result has more than 2^31 - 1 elements");
    }
    return add(ggml_repeat_4d(ctx, in_order(t), ne[0], ne[1], ne[2], ne[3]));
}

void tensor_build::give(ggml_tensor * t, int32_t n_dims) const {
    chq::give(arena, t, n_dims, out);
}

void tensor_build::give(ggml_tensor * t, const tensor_shape & shape) const {
    const ggml_sizes sizes(shape);
    bool same = true;
    for (int i = 0; i < GGML_MAX_DIMS; ++i) {
        same = same && t->ne[i] == sizes.ne[i];
    }
    give(same ? t : reshape(t, shape), shape.n_dims);
}

} // namespace chq
