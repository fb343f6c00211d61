#include "tensor/arena.h"

#include "chasqui_runtime.h"
#include "runtime/runtime.h"
#include "tensor/types.h"

#include <algorithm>
#include <cstring>

namespace chq {

constexpr int32_t MAX_THREADS = 512; // GGML_MAX_N_THREADS

// Operations make a handful of tensors each.
constexpr size_t TENSORS_OF_ONE_OPERATION = 16;
constexpr size_t TENSORS_OF_ONE_CONTEXT   = 256;

context_ptr new_context(size_t n_tensors, size_t more_bytes) {
    ggml_init_params params = {};
    params.mem_size = n_tensors * ggml_tensor_overhead() + more_bytes;
    params.no_alloc = true;
    context_ptr context(ggml_init(params));
    if (!context) {
        fail(CHQ_STATUS_MEMORY, "no memory for %zu tensors", n_tensors);
    }
    return context;
}

ggml_context * tensor_descriptions::room() {
    const size_t needed = TENSORS_OF_ONE_OPERATION * ggml_tensor_overhead();
    if (contexts.empty() || ggml_get_mem_size(contexts.back().get()) - ggml_used_mem(contexts.back().get()) < needed) {
        contexts.push_back(new_context(TENSORS_OF_ONE_CONTEXT, 0));
    }
    return contexts.back().get();
}

tensor_storage * storage_of(const chq_tensor_arena * arena, const ggml_tensor * root) {
    for (; arena; arena = arena->parent) {
        const auto found = arena->stored.find(root);
        if (found != arena->stored.end()) {
            return found->second.get();
        }
    }
    return nullptr;
}

void give(chq_tensor * tensor, chq_tensor_info * out) {
    const tensor_shape shape = shape_of(tensor->t, tensor->n_dims);
    memset(out, 0, sizeof(*out));
    out->tensor = tensor;
    out->n_dims = tensor->n_dims;
    out->type   = tensor->t->type;
    memcpy(out->shape, shape.size, sizeof(out->shape));
}

void give(chq_tensor_arena * arena, ggml_tensor * t, int32_t n_dims, chq_tensor_info * out) {
    arena->tensors.emplace_back(arena, t, n_dims);
    give(&arena->tensors.back(), out);
}

std::string to_text(const chq_tensor * tensor) {
    return to_text(tensor->t->type) + " " + to_text(shape_of(tensor->t, tensor->n_dims));
}

static ggml_backend_dev_t find_device(const char * name) {
    if (!name) {
        return ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    }
    ggml_backend_dev_t device = ggml_backend_dev_by_name(name);
    if (!device) {
        fail(CHQ_STATUS_ARGUMENT, "there is no device named %s", name);
    }
    switch (ggml_backend_dev_type(device)) {
        case GGML_BACKEND_DEVICE_TYPE_CPU:
        case GGML_BACKEND_DEVICE_TYPE_GPU:
        case GGML_BACKEND_DEVICE_TYPE_IGPU:
            return device;
        default:
            fail(CHQ_STATUS_ARGUMENT, "%s helps other devices and holds no tensors of its own", name);
    }
}

} // namespace chq

using namespace chq;

chq_status chq_tensor_arena_create(const char * device, int32_t n_threads, struct chq_tensor_arena * parent, struct chq_tensor_arena ** out) {
    return guarded({ parent }, [&] {
        check_runtime();
        check_pointer(out, "out");
        if (n_threads > MAX_THREADS) {
            fail(CHQ_STATUS_ARGUMENT, "n_threads = %d, at most %d are possible", n_threads, MAX_THREADS);
        }
        auto arena = std::make_unique<chq_tensor_arena>();
        arena->device    = find_device(device);
        arena->cpu       = find_device(nullptr);
        arena->n_threads = n_threads > 0 ? n_threads : std::min(chq_physical_cores(), MAX_THREADS);
        arena->parent    = parent;
        if (parent) {
            check_arena(parent);
            arena->mutex = parent->mutex;
            std::lock_guard<std::mutex> lock(*parent->mutex);
            ++parent->n_children;
        } else {
            arena->mutex = std::make_shared<std::mutex>();
        }
        *out = arena.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tensor_arena_free(struct chq_tensor_arena * arena) {
    return guarded([&] {
        if (!arena) {
            return CHQ_STATUS_OK;
        }
        if (arena->kind != KIND_ARENA) {
            check_arena(arena);
        }
        const std::shared_ptr<std::mutex> mutex = arena->mutex;
        std::lock_guard<std::mutex> lock(*mutex);
        if (arena->n_children > 0) {
            fail(CHQ_STATUS_STATE, "%d child arenas are still open", arena->n_children);
        }
        if (arena->computing.load()) {
            fail(CHQ_STATUS_STATE, "a graph of the arena is being computed");
        }
        const bool give_up = arena->poisoned || arena->pinned;
        arena->kind = KIND_FREED;
        if (arena->parent) {
            --arena->parent->n_children;
            arena->parent->pinned |= give_up;
        }
        if (!give_up) {
            for (chq_tensor_graph * graph : arena->graphs) {
                destroy(graph);
            }
            delete arena;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tensor_arena_bytes(struct chq_tensor_arena * arena, uint64_t * bytes) {
    return guarded([&] {
        check_arena(arena);
        check_pointer(bytes, "bytes");
        std::lock_guard<std::mutex> lock(*arena->mutex);
        *bytes = arena->memory.bytes();
        return CHQ_STATUS_OK;
    });
}
