// What every function starts with that adds an operation to an arena: it checks the operands, holds the lock and knows their names for messages.
#pragma once

#include "tensor/arena.h"

#include <initializer_list>

namespace chq {

class tensor_build {
public:
    // Fails unless the operands belong to the arena, or are stored and belong to an ancestor.
    tensor_build(chq_tensor_arena * arena, const char * name, std::initializer_list<chq_tensor *> operands, chq_tensor_info * out);

    ggml_context * context() const { return ctx; }

    // Fails with CHQ_STATUS_ARGUMENT and the name, the types and the shapes of what was asked for before the reason.
    [[noreturn]] void refuse(const char * format, ...) const __attribute__((format(printf, 2, 3)));

    void check_type(const chq_tensor * operand, ggml_type type, const char * what) const;

    // A new operation, which a device must be able to compute.
    ggml_tensor * add(ggml_tensor * t) const;

    // The same elements where the device wants data to begin.
    ggml_tensor * aligned(ggml_tensor * t) const;

    // Aligned, and with the strides that a new tensor would have. Kernels assert this in many places; ggml_is_contiguous is not
    // enough, since it leaves out the strides of sizes that are 1.
    ggml_tensor * in_order(ggml_tensor * t) const;

    // As above, but rows may be anywhere.
    ggml_tensor * rows_in_order(ggml_tensor * t) const;

    ggml_tensor * reshape(ggml_tensor * t, const tensor_shape & shape) const;

    // A view whose axis i is axis axes[i] of a tensor of n axes.
    ggml_tensor * permute(ggml_tensor * t, int32_t n, const int32_t * axes) const;

    // As permute, with one axis moved to the end.
    ggml_tensor * axis_to_end(ggml_tensor * t, int32_t n, int32_t axis) const;

    ggml_tensor * repeat(ggml_tensor * t, const int64_t * ne) const;

    void give(ggml_tensor * t, int32_t n_dims) const;
    void give(ggml_tensor * t, const tensor_shape & shape) const;

private:
    bool is_aligned(const ggml_tensor * t) const;

    chq_tensor_arena               * arena;
    const char                     * name;
    std::vector<chq_tensor *>        operands;
    chq_tensor_info                * out;
    std::unique_lock<std::mutex>     lock;
    ggml_context                   * ctx = nullptr;
};

// A function of the C ABI that adds an operation: body gets a tensor_build.
template <typename F>
chq_status build(chq_tensor_arena * arena, const char * name, std::initializer_list<chq_tensor *> operands, chq_tensor_info * out, F && body) {
    return guarded({ arena }, [&] {
        const tensor_build b(arena, name, operands, out);
        body(b);
        return CHQ_STATUS_OK;
    });
}

} // namespace chq
