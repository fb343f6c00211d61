#include "tensor/memory.h"

#include "guard/guard.h"
#include "runtime/runtime.h"

#include <algorithm>

namespace chq {

constexpr size_t   LARGEST_SHARED = 256 * 1024;
constexpr size_t   LARGEST_PIECE  = 1024 * 1024;
constexpr uint64_t NOT_WORTH_ASKING = 16 * 1024 * 1024;

void check_room(ggml_backend_buffer_type_t type, uint64_t n_bytes) {
    if (n_bytes < NOT_WORTH_ASKING) {
        return;
    }
    uint64_t room = UINT64_MAX;
    ggml_backend_dev_t device = ggml_backend_buft_get_device(type);
    if (ggml_backend_buft_is_host(type)) {
        room = available_memory();
    } else if (device) {
        size_t free  = 0;
        size_t total = 0;
        ggml_backend_dev_memory(device, &free, &total);
        room = total > 0 ? free : room; // some cannot tell
    }
    if (n_bytes > room) {
        fail(CHQ_STATUS_MEMORY, "%llu bytes are needed, %llu are free (%s)",
            (unsigned long long) n_bytes, (unsigned long long) room, ggml_backend_buft_name(type));
    }
}

ggml_backend_buffer_t tensor_memory::add(ggml_backend_buffer_type_t type, size_t size) {
    if (size > ggml_backend_buft_get_max_size(type)) {
        fail(CHQ_STATUS_MEMORY, "%zu bytes in one piece, %s allows %zu", size, ggml_backend_buft_name(type), ggml_backend_buft_get_max_size(type));
    }
    check_room(type, size);
    buffers.reserve(buffers.size() + 1);
    ggml_backend_buffer_t buffer = ggml_backend_buft_alloc_buffer(type, size);
    if (!buffer) {
        fail(CHQ_STATUS_MEMORY, "%zu bytes could not be allocated (%s)", size, ggml_backend_buft_name(type));
    }
    buffers.emplace_back(buffer);
    n_bytes += size;
    ggml_backend_buffer_clear(buffer, 0);
    return buffer;
}

static void put(ggml_tensor * tensor, ggml_backend_buffer_t buffer, size_t offset) {
    if (ggml_backend_tensor_alloc(buffer, tensor, (char *) ggml_backend_buffer_get_base(buffer) + offset) != GGML_STATUS_SUCCESS) {
        tensor->buffer = nullptr;
        tensor->data   = nullptr;
        fail(CHQ_STATUS_MEMORY, "%s could not prepare a tensor", ggml_backend_buffer_name(buffer));
    }
}

void tensor_memory::place(ggml_tensor * tensor, ggml_backend_buffer_type_t type) {
    const size_t size = ggml_backend_buft_get_alloc_size(type, tensor);
    if (size > LARGEST_SHARED) {
        put(tensor, add(type, size), 0);
        return;
    }
    const size_t alignment = ggml_backend_buft_get_alignment(type);
    piece & current = open[type];
    size_t offset = (current.used + alignment - 1) / alignment * alignment;
    if (!current.buffer || offset + size > ggml_backend_buffer_get_size(current.buffer)) {
        current = { add(type, std::max(next_piece, size)), 0 };
        next_piece = std::min(2 * next_piece, LARGEST_PIECE);
        offset = 0;
    }
    put(tensor, current.buffer, offset);
    current.used = offset + size;
}

void tensor_memory::wrap(ggml_tensor * tensor, const void * data, size_t size) {
    buffers.reserve(buffers.size() + 1);
    ggml_backend_buffer_t buffer = ggml_backend_cpu_buffer_from_ptr(const_cast<void *>(data), size);
    if (!buffer) {
        fail(CHQ_STATUS_MEMORY, "%zu bytes could not be wrapped", size);
    }
    buffers.emplace_back(buffer);
    put(tensor, buffer, 0);
}

} // namespace chq
