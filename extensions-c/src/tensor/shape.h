// Shapes as callers have them: the size that varies fastest last. ggml's ne is the reverse.
#pragma once

#include "chasqui_tensor.h"

#include "ggml.h"

#include <string>

namespace chq {

struct tensor_shape {
    int32_t n_dims = 0;
    int64_t size[CHQ_TENSOR_DIMS] = {};

    bool operator==(const tensor_shape & other) const;
    bool operator!=(const tensor_shape & other) const { return !(*this == other); }

    // Counted from the end; 1 where there is none.
    int64_t from_end(int32_t i) const { return i < n_dims ? size[n_dims - 1 - i] : 1; }
    int64_t elements() const;
};

// "[3, 4]"
std::string to_text(const tensor_shape & shape);

// A shape of the first n_dims of a tensor's ne.
tensor_shape shape_of(const ggml_tensor * t, int32_t n_dims);

// ggml's order, filled up with 1.
struct ggml_sizes {
    explicit ggml_sizes(const tensor_shape & shape);
    int64_t ne[GGML_MAX_DIMS];
};

// Fails with CHQ_STATUS_ARGUMENT unless the sizes are positive and a tensor of that type can have them.
tensor_shape check_shape(const char * what, int32_t type, int32_t n_dims, const int64_t * shape);

// Whether so many elements are within what operations can count.
bool countable(const int64_t * ne);

// An axis from the front. Fails with CHQ_STATUS_ARGUMENT.
int32_t check_axis(const char * what, int32_t axis, const tensor_shape & shape);

} // namespace chq
