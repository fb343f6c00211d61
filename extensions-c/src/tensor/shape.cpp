#include "tensor/shape.h"

#include "guard/guard.h"
#include "tensor/types.h"

namespace chq {

bool tensor_shape::operator==(const tensor_shape & other) const {
    bool same = n_dims == other.n_dims;
    for (int32_t i = 0; same && i < n_dims; ++i) {
        same = size[i] == other.size[i];
    }
    return same;
}

int64_t tensor_shape::elements() const {
    int64_t n = 1;
    for (int32_t i = 0; i < n_dims; ++i) {
        n *= size[i];
    }
    return n;
}

static std::string to_text(const int64_t * sizes, int32_t n) {
    std::string text = "[";
    for (int32_t i = 0; i < n; ++i) {
        text += (i ? ", " : "") + std::to_string(sizes[i]);
    }
    return text + "]";
}

std::string to_text(const tensor_shape & shape) {
    return to_text(shape.size, shape.n_dims);
}

tensor_shape shape_of(const ggml_tensor * t, int32_t n_dims) {
    tensor_shape shape;
    shape.n_dims = n_dims;
    for (int32_t i = 0; i < n_dims; ++i) {
        shape.size[i] = t->ne[n_dims - 1 - i];
    }
    return shape;
}

ggml_sizes::ggml_sizes(const tensor_shape & shape) {
    for (int32_t i = 0; i < GGML_MAX_DIMS; ++i) {
        ne[i] = shape.from_end(i);
    }
}

bool countable(const int64_t * ne) {
    int64_t n = 1;
    for (int i = 0; i < GGML_MAX_DIMS; ++i) {
        if (ne[i] > INT32_MAX / n) {
            return false;
        }
        n *= ne[i];
    }
    return true;
}

tensor_shape check_shape(const char * what, int32_t type, int32_t n_dims, const int64_t * sizes) {
    if (!is_known_type(type)) {
        fail(CHQ_STATUS_ARGUMENT, "%s: %d is no type of tensors", what, type);
    }
    if (n_dims < 0 || n_dims > CHQ_TENSOR_DIMS) {
        fail(CHQ_STATUS_ARGUMENT, "%s: %d axes, a tensor has 0 to %d", what, n_dims, CHQ_TENSOR_DIMS);
    }
    if (n_dims > 0) {
        check_pointer(sizes, "shape");
    }
    tensor_shape shape;
    shape.n_dims = n_dims;
    for (int32_t i = 0; i < n_dims; ++i) {
        if (sizes[i] < 1) {
            fail(CHQ_STATUS_ARGUMENT, "%s: shape %s, sizes are positive", what, to_text(sizes, n_dims).c_str());
        }
        shape.size[i] = sizes[i];
    }
    if (!countable(ggml_sizes(shape).ne)) {
        fail(CHQ_STATUS_ARGUMENT, "%s: shape %s has more than 2^31 - 1 elements", what, to_text(shape).c_str());
    }
    const int64_t block = ggml_blck_size((ggml_type) type);
    if (shape.from_end(0) % block != 0) {
        fail(CHQ_STATUS_ARGUMENT, "%s: shape %s, the last size of %s is a multiple of %lld",
            what, to_text(shape).c_str(), to_text((ggml_type) type).c_str(), (long long) block);
    }
    return shape;
}

int32_t check_axis(const char * what, int32_t axis, const tensor_shape & shape) {
    if (axis < -shape.n_dims || axis >= shape.n_dims) {
        fail(CHQ_STATUS_ARGUMENT, "%s: shape %s has no axis %d", what, to_text(shape).c_str(), axis);
    }
    return axis < 0 ? axis + shape.n_dims : axis;
}

} // namespace chq
