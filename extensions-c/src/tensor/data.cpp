// Stored tensors, and what they hold.
#include "tensor/arena.h"
#include "tensor/types.h"

#include <cstring>

using namespace chq;

static void keep_stored(chq_tensor_arena * arena, ggml_tensor * t, bool writable, int32_t n_dims, chq_tensor_info * out) {
    arena->stored.emplace(t, std::make_unique<tensor_storage>(true, writable));
    give(arena, t, n_dims, out);
}

chq_status chq_tensor_new(struct chq_tensor_arena * arena, int32_t type, int32_t n_dims, const int64_t * sizes, struct chq_tensor_info * out) {
    return guarded({ arena }, [&] {
        check_arena(arena);
        check_pointer(out, "out");
        const tensor_shape shape = check_shape("tensor", type, n_dims, sizes);
        std::lock_guard<std::mutex> lock(*arena->mutex);
        ggml_tensor * t = ggml_new_tensor(arena->descriptions.room(), (ggml_type) type, GGML_MAX_DIMS, ggml_sizes(shape).ne);
        arena->memory.place(t, ggml_backend_dev_buffer_type(arena->device));
        keep_stored(arena, t, true, n_dims, out);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tensor_wrap(
        struct chq_tensor_arena * arena, int32_t type, int32_t n_dims, const int64_t * sizes, const void * data, size_t n_bytes, struct chq_tensor_info * out) {
    return guarded({ arena }, [&] {
        check_arena(arena);
        check_pointer(out, "out");
        check_pointer(data, "data");
        const tensor_shape shape = check_shape("tensor", type, n_dims, sizes);
        if ((uintptr_t) data % 32 != 0) {
            fail(CHQ_STATUS_ARGUMENT, "data is not aligned to 32 bytes");
        }
        std::lock_guard<std::mutex> lock(*arena->mutex);
        ggml_tensor * t = ggml_new_tensor(arena->descriptions.room(), (ggml_type) type, GGML_MAX_DIMS, ggml_sizes(shape).ne);
        if (n_bytes != ggml_nbytes(t)) {
            fail(CHQ_STATUS_ARGUMENT, "%zu bytes for %s %s, which has %zu", n_bytes, to_text(t->type).c_str(), to_text(shape).c_str(), ggml_nbytes(t));
        }
        arena->memory.wrap(t, data, n_bytes);
        keep_stored(arena, t, false, n_dims, out);
        return CHQ_STATUS_OK;
    });
}

namespace {

// A tensor with its data, while they are used.
struct stored_tensor {
    chq_tensor     * tensor;
    ggml_tensor    * t;
    ggml_tensor    * root;
    tensor_storage * storage;
    size_t           offset; // in the root's data

    bool on_host() const { return ggml_backend_buffer_is_host(root->buffer); }
    char * data()  const { return (char *) root->data + offset; }
};

stored_tensor check_stored(chq_tensor * tensor) {
    check_tensor(tensor, "tensor");
    stored_tensor s { tensor, tensor->t, root_of(tensor->t), nullptr, tensor->t->view_src ? tensor->t->view_offs : 0 };
    std::lock_guard<std::mutex> lock(*tensor->arena->mutex);
    s.storage = storage_of(tensor->arena, s.root);
    if (!s.storage) {
        fail(CHQ_STATUS_STATE, "%s is not stored: it is no output of a graph", to_text(tensor).c_str());
    }
    return s;
}

stored_tensor check_computed(chq_tensor * tensor) {
    const stored_tensor s = check_stored(tensor);
    if (!s.storage->computed.load(std::memory_order_acquire)) {
        fail(CHQ_STATUS_STATE, "%s has not been computed yet", to_text(tensor).c_str());
    }
    return s;
}

stored_tensor check_writable(chq_tensor * tensor) {
    const stored_tensor s = check_stored(tensor);
    if (!s.storage->writable) {
        fail(CHQ_STATUS_STATE, "%s cannot be written: it is %s", to_text(tensor).c_str(), s.root->op == GGML_OP_NONE ? "read-only memory" : "a result");
    }
    if (!ggml_is_contiguous(s.t)) {
        fail(CHQ_STATUS_STATE, "%s is a view with gaps or in another order", to_text(tensor).c_str());
    }
    return s;
}

void check_count(const chq_tensor * tensor, size_t n, size_t expected, const char * what) {
    if (n != expected) {
        fail(CHQ_STATUS_ARGUMENT, "%zu %s for %s, which has %zu", n, what, to_text(tensor).c_str(), expected);
    }
}

void write(const stored_tensor & s, const void * data, size_t n_bytes) {
    ggml_backend_tensor_set(s.root, data, s.offset, n_bytes);
}

// The bytes from the first to the last element, gaps included.
class span {
public:
    explicit span(const stored_tensor & s) {
        if (s.on_host()) {
            first = s.data();
        } else {
            copy.resize(ggml_nbytes(s.t));
            ggml_backend_tensor_get(s.root, copy.data(), s.offset, copy.size());
            first = copy.data();
        }
    }

    const char * data() const { return first; }

private:
    std::vector<char> copy;
    const char      * first;
};

// Calls body(row, i) for each row, in the order of the shape.
template <typename F>
void for_each_row(const ggml_tensor * t, const char * data, F && body) {
    int64_t i = 0;
    for (int64_t i3 = 0; i3 < t->ne[3]; ++i3) {
        for (int64_t i2 = 0; i2 < t->ne[2]; ++i2) {
            for (int64_t i1 = 0; i1 < t->ne[1]; ++i1) {
                body(data + i1 * t->nb[1] + i2 * t->nb[2] + i3 * t->nb[3], i++);
            }
        }
    }
}

// A row in one piece; scratch: room for it, if its elements are apart.
const char * row_in_one_piece(const ggml_tensor * t, const char * row, std::vector<char> & scratch) {
    const size_t size = ggml_type_size(t->type);
    if (t->nb[0] == size) {
        return row;
    }
    scratch.resize(t->ne[0] * size);
    for (int64_t i = 0; i < t->ne[0]; ++i) {
        memcpy(&scratch[i * size], row + i * t->nb[0], size);
    }
    return scratch.data();
}

} // namespace

chq_status chq_tensor_set_floats(struct chq_tensor * tensor, const float * values, size_t n) {
    return guarded([&] {
        const stored_tensor s = check_writable(tensor);
        check_pointer(values, "values");
        check_count(tensor, n, (size_t) ggml_nelements(s.t), "values");
        if (!is_encodable(s.t->type)) {
            fail(CHQ_STATUS_UNSUPPORTED, "%s cannot be made of floats", to_text(s.t->type).c_str());
        }
        if (s.t->type == GGML_TYPE_F32) {
            write(s, values, n * sizeof(float));
            return CHQ_STATUS_OK;
        }
        std::vector<char> data(ggml_nbytes(s.t));
        if (!encode(s.t->type, values, data.data(), ggml_nrows(s.t), s.t->ne[0])) {
            fail(CHQ_STATUS_ARGUMENT, "%s cannot hold infinities and NaN", to_text(s.t->type).c_str());
        }
        write(s, data.data(), data.size());
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tensor_get_floats(struct chq_tensor * tensor, float * values, size_t n) {
    return guarded([&] {
        const stored_tensor s = check_computed(tensor);
        check_pointer(values, "values");
        check_count(tensor, n, (size_t) ggml_nelements(s.t), "values");
        if (ggml_is_quantized(s.t->type) && !is_decodable(s.t->type)) {
            fail(CHQ_STATUS_UNSUPPORTED, "%s cannot be converted to floats", to_text(s.t->type).c_str());
        }
        const span bytes(s);
        std::vector<char> scratch;
        for_each_row(s.t, bytes.data(), [&](const char * row, int64_t i) {
            decode(s.t->type, row_in_one_piece(s.t, row, scratch), values + i * s.t->ne[0], s.t->ne[0]);
        });
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tensor_set_bytes(struct chq_tensor * tensor, const void * data, size_t n_bytes) {
    return guarded([&] {
        const stored_tensor s = check_writable(tensor);
        check_pointer(data, "data");
        check_count(tensor, n_bytes, ggml_nbytes(s.t), "bytes");
        write(s, data, n_bytes);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tensor_get_bytes(struct chq_tensor * tensor, void * data, size_t n_bytes) {
    return guarded([&] {
        const stored_tensor s = check_computed(tensor);
        check_pointer(data, "data");
        const size_t row_size = ggml_row_size(s.t->type, s.t->ne[0]);
        check_count(tensor, n_bytes, row_size * ggml_nrows(s.t), "bytes");
        const span bytes(s);
        std::vector<char> scratch;
        for_each_row(s.t, bytes.data(), [&](const char * row, int64_t i) {
            memcpy((char *) data + i * row_size, row_in_one_piece(s.t, row, scratch), row_size);
        });
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tensor_data(struct chq_tensor * tensor, void ** data, size_t * n_bytes, bool * writable) {
    return guarded([&] {
        const stored_tensor s = check_computed(tensor);
        check_pointer(data,     "data");
        check_pointer(n_bytes,  "n_bytes");
        check_pointer(writable, "writable");
        if (!s.on_host()) {
            fail(CHQ_STATUS_STATE, "%s is in the memory of %s", to_text(tensor).c_str(), ggml_backend_buffer_name(s.root->buffer));
        }
        if (!ggml_is_contiguous(s.t)) {
            fail(CHQ_STATUS_STATE, "%s is a view with gaps or in another order", to_text(tensor).c_str());
        }
        *data     = s.data();
        *n_bytes  = ggml_nbytes(s.t);
        *writable = s.storage->writable;
        return CHQ_STATUS_OK;
    });
}
