// Graphs: what is needed for some outputs, as ggml and its scheduler want it.
//
// The tensors of an arena only describe operations. A graph works on copies of these descriptions, so that graphs do not share what the
// scheduler writes into them, and arenas of other threads do not either.
#include "tensor/arena.h"
#include "tensor/indices.h"
#include "tensor/types.h"

#include "runtime/runtime.h"

#include <algorithm>
#include <set>

struct chq_tensor_graph : chq::handle {
    chq_tensor_graph() : handle(chq::KIND_GRAPH) {}

    struct free_sched {
        void operator()(ggml_backend_sched_t sched) const { ggml_backend_sched_free(sched); }
    };

    // A stored I32 tensor is copied for each computation: what was checked must be what is computed with, whoever writes to it meanwhile.
    struct integers {
        ggml_tensor        * from = nullptr; // of the arena
        ggml_tensor        * to   = nullptr;
        std::vector<int32_t> values;
    };

    // Numbers of rows: elements of a view of integers that must be below a limit.
    struct index_check {
        ggml_tensor * ids;
        size_t        integers;
        int64_t       limit;
    };

    chq_tensor_arena * arena = nullptr;

    std::vector<chq::tensor_storage *> needed;
    std::vector<chq::tensor_storage *> outputs;
    std::vector<integers>              copied;
    std::vector<index_check>           checks;

    chq::context_ptr                                context;
    ggml_cgraph                                   * cgraph = nullptr;
    std::unique_ptr<ggml_backend_sched, free_sched> sched;
    chq_tensor_graph_info                           info = {};
};

namespace chq {

// Workers sleep between graphs.
constexpr int32_t POLL = 0;

void destroy(chq_tensor_graph * graph) {
    graph->kind = KIND_FREED;
    delete graph;
}

static void make_backends(chq_tensor_arena * arena) {
    if (!arena->backends.all.empty()) {
        return;
    }
    tensor_backends made;
    for (ggml_backend_dev_t device : { arena->device, arena->cpu }) {
        if (!made.all.empty() && arena->device == arena->cpu) {
            break;
        }
        backend_ptr backend(ggml_backend_dev_init(device, nullptr));
        if (!backend) {
            fail(CHQ_STATUS_COMPUTE, "device %s does not start%s%s", ggml_backend_dev_name(device), captured_errors()[0] ? ": " : "", captured_errors());
        }
        made.all.push_back(std::move(backend));
    }
    ggml_backend_t cpu = made.all.back().get();
    if (auto set_n_threads = (ggml_backend_set_n_threads_t) cpu_function("ggml_backend_set_n_threads")) {
        set_n_threads(cpu, arena->n_threads);
    }
    using set_threadpool_fn = void (*)(ggml_backend_t, ggml_threadpool_t);
    if (auto set_threadpool = (set_threadpool_fn) cpu_function("ggml_backend_cpu_set_threadpool")) {
        made.pool = thread_pool(arena->n_threads, POLL);
        set_threadpool(cpu, made.pool.get());
    }
    arena->backends.pool.swap(made.pool);
    arena->backends.all.swap(made.all);
}

// Results that become stored: what they got is taken away again unless the graph is made in the end.
class new_outputs {
public:
    explicit new_outputs(chq_tensor_arena * arena) : arena(arena) {}

    ~new_outputs() {
        for (ggml_tensor * root : roots) {
            arena->stored.erase(root);
            root->buffer = nullptr;
            root->data   = nullptr;
        }
    }

    void add(ggml_tensor * root) {
        roots.reserve(roots.size() + 1);
        const bool on_device = root->op != GGML_OP_CUSTOM && ggml_backend_dev_supports_op(arena->device, root);
        arena->memory.place(root, ggml_backend_dev_buffer_type(on_device ? arena->device : arena->cpu));
        roots.push_back(root);
        arena->stored.emplace(root, std::make_unique<tensor_storage>(false, false));
    }

    void keep() { roots.clear(); }

private:
    chq_tensor_arena         * arena;
    std::vector<ggml_tensor *> roots;
};

using tensor_set = std::set<const ggml_tensor *>;

// Everything between stored tensors and outputs, what is needed before what needs it. Not recursive: a graph may be deeper than a thread's stack.
static std::vector<ggml_tensor *> in_order_of_need(chq_tensor_arena * arena, const tensor_set & outputs, const std::vector<ggml_tensor *> & wanted) {
    std::vector<ggml_tensor *> order;
    tensor_set seen;
    struct visit { ggml_tensor * t; int next; };
    std::vector<visit> path;
    const auto enter = [&](ggml_tensor * t) {
        if (t && seen.insert(t).second) {
            path.push_back({ t, 0 });
        }
    };
    for (ggml_tensor * t : wanted) {
        enter(t);
        while (!path.empty()) {
            visit & v = path.back();
            const bool is_leaf = !v.t->view_src && !outputs.count(v.t) && storage_of(arena, v.t);
            if (is_leaf || v.next > GGML_MAX_SRC) {
                order.push_back(v.t);
                path.pop_back();
            } else {
                const int i = v.next++;
                enter(i < GGML_MAX_SRC ? v.t->src[i] : v.t->view_src);
            }
        }
        if (order.size() > CHQ_TENSOR_GRAPH_MAX) {
            fail(CHQ_STATUS_ARGUMENT, "the graph has more than %d operations; compute it in parts", CHQ_TENSOR_GRAPH_MAX);
        }
    }
    return order;
}

static bool is_view(const ggml_tensor * t) {
    return t->op == GGML_OP_VIEW || t->op == GGML_OP_RESHAPE || t->op == GGML_OP_PERMUTE || t->op == GGML_OP_TRANSPOSE;
}

namespace {

// Fills a graph in with copies of an arena's tensors.
class graph_copy {
public:
    graph_copy(chq_tensor_graph & graph, const tensor_set & outputs) : graph(graph), outputs(outputs) {}

    void make(const std::vector<ggml_tensor *> & order) {
        graph.needed.clear();
        graph.copied.clear();
        graph.checks.clear();
        copies.clear();
        const size_t n = order.size();
        graph.context = new_context(n, ggml_graph_overhead_custom(n, false));
        graph.cgraph  = ggml_new_graph_custom(graph.context.get(), n, false);
        for (ggml_tensor * t : order) {
            copies.emplace(t, copy(t));
        }
        for (ggml_tensor * t : order) {
            if (t->op == GGML_OP_GET_ROWS && copies.at(t)->op != GGML_OP_NONE) {
                add_check(t);
            }
            ggml_build_forward_expand(graph.cgraph, copies.at(t)); // in order, so that ggml has no path to follow
        }
    }

private:
    chq_tensor_graph & graph;
    const tensor_set & outputs;
    std::unordered_map<const ggml_tensor *, ggml_tensor *> copies;
    std::unordered_map<const ggml_tensor *, size_t>        integers; // roots to places in graph.copied

    bool is_leaf(const ggml_tensor * root) const {
        return !outputs.count(root) && storage_of(graph.arena, root);
    }

    ggml_tensor * copy(ggml_tensor * t) {
        ggml_tensor * c = ggml_new_tensor(graph.context.get(), t->type, GGML_MAX_DIMS, t->ne);
        std::copy(std::begin(t->nb), std::end(t->nb), std::begin(c->nb));
        if (!t->view_src && is_leaf(t)) {
            copy_leaf(t, c);
            return c;
        }
        c->op        = t->op;
        c->view_offs = t->view_offs;
        c->view_src  = t->view_src ? copies.at(t->view_src) : nullptr;
        std::copy(std::begin(t->op_params), std::end(t->op_params), std::begin(c->op_params));
        for (int i = 0; i < GGML_MAX_SRC; ++i) {
            c->src[i] = !t->src[i] ? nullptr : t->src[i] == t ? c : copies.at(t->src[i]); // a cast has itself as a source
        }
        if (outputs.count(t)) {
            c->buffer = t->buffer;
            c->data   = t->data;
            ggml_set_output(c);
        }
        return c;
    }

    void copy_leaf(ggml_tensor * t, ggml_tensor * c) {
        graph.needed.push_back(storage_of(graph.arena, t));
        if (t->type == GGML_TYPE_I32) {
            ggml_set_input(c);
            integers[t] = graph.copied.size();
            graph.copied.push_back({ t, c, std::vector<int32_t>(ggml_nelements(t)) });
        } else {
            c->buffer = t->buffer;
            c->data   = t->data;
        }
    }

    void add_check(ggml_tensor * rows) {
        const int64_t limit = rows->src[0]->ne[1];
        index_sources sources;
        std::string   reason;
        if (!find_indices(rows->src[1], limit, [&](const ggml_tensor * root) { return is_leaf(root); }, sources, reason)) {
            fail(CHQ_STATUS_ARGUMENT, "rows: the ids may be out of range: %s", reason.c_str());
        }
        for (ggml_tensor * ids : sources) {
            graph.checks.push_back({ ids, integers.at(root_of(ids)), limit });
        }
    }
};

} // namespace

static std::unique_ptr<ggml_backend_sched, chq_tensor_graph::free_sched> new_sched(const chq_tensor_graph & graph, size_t n_tensors) {
    std::vector<ggml_backend_t>             backends;
    std::vector<ggml_backend_buffer_type_t> types;
    for (const backend_ptr & backend : graph.arena->backends.all) {
        backends.push_back(backend.get());
        types.push_back(ggml_backend_get_default_buffer_type(backend.get()));
    }
    std::unique_ptr<ggml_backend_sched, chq_tensor_graph::free_sched> sched(
        ggml_backend_sched_new(backends.data(), types.data(), (int) backends.size(), n_tensors, false, false));
    // functions of order.h are here and nowhere else, whatever a remote device says
    for (int i = 0; i < ggml_graph_n_nodes(graph.cgraph); ++i) {
        ggml_tensor * node = ggml_graph_node(graph.cgraph, i);
        if (node->op == GGML_OP_CUSTOM) {
            ggml_backend_sched_set_tensor_backend(sched.get(), node, backends.back());
        }
    }
    return sched;
}

// Scratch memory that a kernel takes beside the tensors: the rows of a product, in the type of the weights' partner, which is no larger.
static uint64_t scratch_bytes(const ggml_cgraph * graph) {
    uint64_t most = 0;
    for (int i = 0; i < ggml_graph_n_nodes(const_cast<ggml_cgraph *>(graph)); ++i) {
        const ggml_tensor * node = ggml_graph_node(const_cast<ggml_cgraph *>(graph), i);
        if (node->op == GGML_OP_MUL_MAT && node->src[0]->type != GGML_TYPE_F32) {
            most = std::max<uint64_t>(most, ggml_nelements(node->src[1]) * sizeof(float));
        }
    }
    return most;
}

static void check_fits(const chq_tensor_graph & graph, size_t n_tensors) {
    const auto sched = new_sched(graph, n_tensors);
    std::vector<size_t> sizes(graph.arena->backends.all.size());
    ggml_backend_sched_reserve_size(sched.get(), graph.cgraph, sizes.data());
    for (size_t i = 0; i < sizes.size(); ++i) {
        const bool is_cpu = i + 1 == sizes.size();
        check_room(ggml_backend_get_default_buffer_type(graph.arena->backends.all[i].get()), sizes[i] + (is_cpu ? scratch_bytes(graph.cgraph) : 0));
    }
}

static void allocate(chq_tensor_graph & graph, const std::vector<ggml_tensor *> & order, const tensor_set & outputs) {
    // beside nodes and leaves there are the copies that the scheduler makes for other devices
    const size_t n_tensors = graph.arena->backends.all.size() * order.size();
    graph_copy copy(graph, outputs);
    copy.make(order);
    check_fits(graph, n_tensors);
    copy.make(order); // measuring leaves marks in it
    graph.sched = new_sched(graph, n_tensors);
    if (!ggml_backend_sched_alloc_graph(graph.sched.get(), graph.cgraph)) {
        fail(CHQ_STATUS_MEMORY, "no memory for the intermediate results%s%s", captured_errors()[0] ? ": " : "", captured_errors());
    }
    for (int i = 0; i < ggml_graph_n_nodes(graph.cgraph); ++i) {
        graph.info.n_nodes += !is_view(ggml_graph_node(graph.cgraph, i));
    }
    graph.info.n_splits = ggml_backend_sched_get_n_splits(graph.sched.get());
    for (const backend_ptr & backend : graph.arena->backends.all) {
        graph.info.bytes += ggml_backend_sched_get_buffer_size(graph.sched.get(), backend.get());
    }
}

// Whether a tensor is there without the arena's doing: numbers of its own, or what an outer arena computes.
static bool is_given(const chq_tensor_arena * arena, const ggml_tensor * root) {
    return root->op == GGML_OP_NONE || (!arena->stored.count(root) && storage_of(arena, root));
}

static std::unique_ptr<chq_tensor_graph> make_graph(chq_tensor_arena * arena, chq_tensor * const * tensors, int32_t n) {
    auto graph = std::make_unique<chq_tensor_graph>();
    graph->arena = arena;
    tensor_set                    outputs;
    std::vector<ggml_tensor *>    wanted;
    std::vector<tensor_storage *> given;
    for (int32_t i = 0; i < n; ++i) {
        ggml_tensor * root = root_of(tensors[i]->t);
        if (is_given(arena, root)) {
            given.push_back(storage_of(arena, root));
        } else if (outputs.insert(root).second) {
            wanted.push_back(root);
        }
    }
    make_backends(arena);
    new_outputs fresh(arena);
    for (ggml_tensor * root : wanted) {
        if (!storage_of(arena, root)) {
            fresh.add(root);
        }
        graph->outputs.push_back(storage_of(arena, root));
    }
    if (!wanted.empty()) {
        allocate(*graph, in_order_of_need(arena, outputs, wanted), outputs);
    }
    graph->needed.insert(graph->needed.end(), given.begin(), given.end());
    arena->graphs.insert(graph.get());
    fresh.keep();
    return graph;
}

static void check_outputs(const chq_tensor_arena * arena, chq_tensor * const * outputs, int32_t n) {
    check_pointer(outputs, "outputs");
    if (n < 1) {
        fail(CHQ_STATUS_ARGUMENT, "a graph has at least one output");
    }
    for (int32_t i = 0; i < n; ++i) {
        check_tensor(outputs[i], "output");
        if (outputs[i]->arena != arena) {
            fail(CHQ_STATUS_ARGUMENT, "output %d, %s, belongs to another arena", i, to_text(outputs[i]).c_str());
        }
    }
}

// One graph of an arena at a time: they share its threads.
class turn {
public:
    explicit turn(chq_tensor_graph * graph) : arena(graph->arena) {
        chq_tensor_graph * none = nullptr;
        if (!arena->computing.compare_exchange_strong(none, graph)) {
            fail(CHQ_STATUS_STATE, "a graph of the arena is being computed by another thread");
        }
    }
    ~turn() { arena->computing.store(nullptr); }

private:
    chq_tensor_arena * arena;
};

static void check_needed(const chq_tensor_graph * graph) {
    for (const tensor_storage * storage : graph->needed) {
        if (!storage->computed.load(std::memory_order_acquire)) {
            fail(CHQ_STATUS_STATE, "the output of another graph is needed, and that has not been computed yet");
        }
    }
}

static void copy_integers(chq_tensor_graph * graph) {
    for (auto & one : graph->copied) {
        ggml_backend_tensor_get(one.from, one.values.data(), 0, one.values.size() * sizeof(int32_t));
    }
    for (const auto & check : graph->checks) {
        int32_t wrong;
        if (!check_indices(check.ids, graph->copied[check.integers].values.data(), check.limit, &wrong)) {
            fail(CHQ_STATUS_ARGUMENT, "rows: id %d is not in 0..%lld", wrong, (long long) check.limit - 1);
        }
    }
    for (auto & one : graph->copied) {
        ggml_backend_tensor_set(one.to, one.values.data(), 0, one.values.size() * sizeof(int32_t));
    }
}

static void compute(chq_tensor_graph * graph) {
    ggml_status status;
    try {
        status = ggml_backend_sched_graph_compute(graph->sched.get(), graph->cgraph);
    } catch (const std::bad_alloc &) {
        // the CPU backend has freed its scratch memory, and would do so again
        graph->arena->poisoned = true;
        throw;
    }
    if (status == GGML_STATUS_ALLOC_FAILED) {
        fail(CHQ_STATUS_MEMORY, "no memory for the computation");
    }
    if (status != GGML_STATUS_SUCCESS) {
        fail(CHQ_STATUS_COMPUTE, "a backend failed: %s%s%s", ggml_status_to_string(status), captured_errors()[0] ? ": " : "", captured_errors());
    }
}

static void check_graph(const chq_tensor_graph * graph) {
    check_handle(graph, KIND_GRAPH, "graph");
    check_arena(graph->arena);
}

} // namespace chq

using namespace chq;

chq_status chq_tensor_graph_create(
        struct chq_tensor_arena * arena, struct chq_tensor * const * outputs, int32_t n_outputs, struct chq_tensor_graph ** out) {
    return guarded({ arena }, [&] {
        check_arena(arena);
        check_pointer(out, "out");
        std::lock_guard<std::mutex> lock(*arena->mutex);
        check_outputs(arena, outputs, n_outputs);
        *out = make_graph(arena, outputs, n_outputs).release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tensor_graph_free(struct chq_tensor_graph * graph) {
    return guarded([&] {
        if (!graph) {
            return CHQ_STATUS_OK;
        }
        if (graph->kind != KIND_GRAPH) {
            check_graph(graph);
        }
        chq_tensor_arena * arena = graph->arena;
        std::lock_guard<std::mutex> lock(*arena->mutex);
        if (arena->poisoned) {
            graph->kind = KIND_FREED; // given up with its arena
            return CHQ_STATUS_OK;
        }
        if (arena->computing.load() == graph) {
            fail(CHQ_STATUS_STATE, "the graph is being computed");
        }
        arena->graphs.erase(graph);
        destroy(graph);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tensor_graph_compute(struct chq_tensor_graph * graph) {
    return guarded({ graph, graph ? graph->arena : nullptr }, [&] {
        check_graph(graph);
        const turn turn(graph);
        check_needed(graph);
        copy_integers(graph);
        if (graph->sched) {
            compute(graph);
        }
        for (tensor_storage * storage : graph->outputs) {
            storage->computed.store(true, std::memory_order_release);
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tensor_graph_get_info(struct chq_tensor_graph * graph, struct chq_tensor_graph_info * out) {
    return guarded([&] {
        check_graph(graph);
        check_pointer(out, "out");
        *out = graph->info;
        return CHQ_STATUS_OK;
    });
}
