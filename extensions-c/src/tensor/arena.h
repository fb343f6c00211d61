#pragma once

#include "chasqui_tensor.h"
#include "context/context.h" // thread_pool
#include "guard/guard.h"
#include "tensor/memory.h"
#include "tensor/shape.h"

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <set>
#include <unordered_map>
#include <vector>

namespace chq {

struct free_context {
    void operator()(ggml_context * context) const { ggml_free(context); }
};
using context_ptr = std::unique_ptr<ggml_context, free_context>;

struct free_backend {
    void operator()(ggml_backend_t backend) const { ggml_backend_free(backend); }
};
using backend_ptr = std::unique_ptr<ggml_backend, free_backend>;

// A ggml context without data that has room for so many tensors.
context_ptr new_context(size_t n_tensors, size_t more_bytes);

// Where the descriptions of an arena's tensors are: ggml's contexts do not grow, so there are several.
class tensor_descriptions {
public:
    // Has room for the tensors of one operation.
    ggml_context * room();

private:
    std::vector<context_ptr> contexts;
};

// What is known of a tensor with data: of those that views look at, not of the views.
struct tensor_storage {
    tensor_storage(bool computed, bool writable) : computed(computed), writable(writable) {}

    std::atomic<bool> computed; // false until the graph of an output has run
    const bool        writable;
};

// ggml's CPU backend with a thread pool of its own, and the backend of another device before it.
struct tensor_backends {
    thread_pool                 pool; // outlives the backend that uses it
    std::vector<backend_ptr>    all;  // the CPU last
};

} // namespace chq

struct chq_tensor : chq::handle {
    chq_tensor(chq_tensor_arena * arena, ggml_tensor * t, int32_t n_dims) : handle(chq::KIND_TENSOR), arena(arena), t(t), n_dims(n_dims) {}

    chq_tensor_arena * arena;
    ggml_tensor      * t;
    int32_t            n_dims;
};

struct chq_tensor_arena : chq::handle {
    chq_tensor_arena() : handle(chq::KIND_ARENA) {}

    // constants
    chq_tensor_arena           * parent    = nullptr;
    ggml_backend_dev_t           device    = nullptr;
    ggml_backend_dev_t           cpu       = nullptr;
    int32_t                      n_threads = 1;
    std::shared_ptr<std::mutex>  mutex; // of all arenas of a family: guards everything below

    int32_t                      n_children = 0;
    bool                         pinned     = false; // somebody may still read the memory after a child's abort
    chq::tensor_descriptions     descriptions;
    chq::tensor_memory           memory;
    std::deque<chq_tensor>       tensors;
    std::unordered_map<const ggml_tensor *, std::unique_ptr<chq::tensor_storage>> stored;
    chq::tensor_backends         backends; // made for the first graph
    std::set<chq_tensor_graph *> graphs;

    std::atomic<chq_tensor_graph *> computing { nullptr };
};

namespace chq {

inline void check_arena(const chq_tensor_arena * arena) {
    check_handle(arena, KIND_ARENA, "arena");
}

inline void check_tensor(const chq_tensor * tensor, const char * what) {
    check_handle(tensor, KIND_TENSOR, what);
    check_arena(tensor->arena);
}

// The tensor that a view looks at, otherwise the tensor itself.
inline ggml_tensor * root_of(ggml_tensor * t) {
    return t->view_src ? t->view_src : t;
}

// Of a root, in the arena or an ancestor; NULL if it is not stored.
tensor_storage * storage_of(const chq_tensor_arena * arena, const ggml_tensor * root);

// Fills in the result of an operation and keeps it.
void give(chq_tensor_arena * arena, ggml_tensor * t, int32_t n_dims, chq_tensor_info * out);
void give(chq_tensor * tensor, chq_tensor_info * out);

// "F32 [3, 4]"
std::string to_text(const chq_tensor * tensor);

// Frees a graph, which is no longer among those of its arena.
void destroy(chq_tensor_graph * graph);

} // namespace chq
