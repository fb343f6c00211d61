// A server's devices as ggml sees them.
//
// Everything runs on the calling thread and in the order of its calls, and the server works through the requests in that order: what has been
// sent needs no waiting for. The next machine's part of a batch is sent while this one computes, because only reading a result waits.
#include "rpc/remote_server.h"

#include "guard/remote.h"

#include "ggml-impl.h"

#include <algorithm>
#include <cstring>
#include <unordered_set>

namespace chq::rpc {

// Larger weights are offered by their hash first, which a server with a cache may know.
constexpr size_t HASHED_BYTES = 10 * 1024 * 1024;

// ---- tensors as messages

struct remote_buffer {
    remote_server * server;
    uint64_t        id;
    void          * base;
};

static void free_buffer(ggml_backend_buffer_t buffer);

static remote_buffer * remote_of(ggml_backend_buffer_t buffer) {
    return buffer && buffer->iface.free_buffer == free_buffer ? (remote_buffer *) buffer->context : nullptr;
}

// The protocol has 32 bits for a length and a stride; those of a dimension of one are never used.
static bool fits(const ggml_tensor * t) {
    for (int i = 0; i < GGML_MAX_DIMS; ++i) {
        if (t->ne[i] > UINT32_MAX || (t->ne[i] > 1 && t->nb[i] > UINT32_MAX)) {
            return false;
        }
    }
    return true;
}

// server: whose buffers the message may name; a tensor elsewhere is described without its data.
static tensor message_of(const ggml_tensor * t, const remote_server * server) {
    tensor m;
    memset(&m, 0, sizeof(m));
    if (!t) {
        return m;
    }
    m.id   = (uintptr_t) t;
    m.type = t->type;
    const remote_buffer * buffer = remote_of(t->buffer);
    if (buffer && buffer->server == server) {
        m.buffer = buffer->id;
        m.data   = (uintptr_t) t->data;
    }
    for (int i = 0; i < GGML_MAX_DIMS; ++i) {
        m.ne[i] = (uint32_t) t->ne[i];
        m.nb[i] = (uint32_t) t->nb[i];
    }
    m.op = t->op;
    memcpy(m.op_params, t->op_params, sizeof(m.op_params));
    m.flags = t->flags;
    for (int i = 0; i < GGML_MAX_SRC; ++i) {
        m.src[i] = (uintptr_t) t->src[i];
    }
    m.view_src  = (uintptr_t) t->view_src;
    m.view_offs = t->view_offs;
    snprintf(m.name, sizeof(m.name), "%s", t->name);
    return m;
}

// A tensor and what it is made of, sources first.
static void add_tensor(
        const ggml_tensor                       * t,
        const ggml_cgraph                       * graph,
        const remote_server                     * server,
        std::unordered_set<const ggml_tensor *> & seen,
        std::vector<tensor>                     & out) {
    if (!t || !seen.insert(t).second) {
        return;
    }
    for (const ggml_tensor * src : t->src) {
        add_tensor(src, graph, server, seen, out);
    }
    add_tensor(t->view_src, graph, server, seen, out);
    tensor m = message_of(t, server);
    const size_t at = ggml_hash_find(&graph->visited_hash_set, t);
    if (at != GGML_HASHSET_FULL && ggml_bitset_get(graph->visited_hash_set.used, at)) {
        m.use_count = graph->use_counts[at];
    }
    out.push_back(m);
}

// device, number of nodes, their ids, number of tensors, the tensors
static std::vector<uint8_t> message_of(const ggml_cgraph * graph, const remote_device & device) {
    std::vector<tensor> tensors;
    std::unordered_set<const ggml_tensor *> seen;
    for (int i = 0; i < graph->n_nodes; ++i) {
        add_tensor(graph->nodes[i], graph, device.server, seen, tensors);
    }
    std::vector<uint8_t> out;
    out.reserve(12 + graph->n_nodes * sizeof(uint64_t) + tensors.size() * sizeof(tensor));
    const auto add = [&](const void * data, size_t size) { out.insert(out.end(), (const uint8_t *) data, (const uint8_t *) data + size); };
    const uint32_t n_nodes   = (uint32_t) graph->n_nodes;
    const uint32_t n_tensors = (uint32_t) tensors.size();
    add(&device.index, sizeof(device.index));
    add(&n_nodes, sizeof(n_nodes));
    for (int i = 0; i < graph->n_nodes; ++i) {
        const uint64_t id = (uintptr_t) graph->nodes[i];
        add(&id, sizeof(id));
    }
    add(&n_tensors, sizeof(n_tensors));
    add(tensors.data(), tensors.size() * sizeof(tensor));
    return out;
}

// ---- buffers

static void free_buffer(ggml_backend_buffer_t buffer) {
    auto * remote = (remote_buffer *) buffer->context;
    remote->server->free_buffer(remote->id);
    delete remote;
}

static void * buffer_base(ggml_backend_buffer_t buffer) {
    return ((remote_buffer *) buffer->context)->base;
}

// What a device pads rows for is all that a server can do with the news of a tensor: CUDA does so for quantised rows.
static bool is_padded(const ggml_tensor * t) {
    return ggml_is_quantized(t->type) && t->ne[0] % 512 != 0 && !t->view_src;
}

static remote_server & server_for(ggml_backend_buffer_t buffer, const ggml_tensor * t) {
    remote_server & server = *((remote_buffer *) buffer->context)->server;
    if (!fits(t)) {
        server.give_up(std::string("the tensor ") + t->name + " is too large for the RPC protocol");
    }
    return server;
}

static ggml_status init_tensor(ggml_backend_buffer_t buffer, ggml_tensor * t) {
    if (is_padded(t)) {
        remote_server & server = server_for(buffer, t);
        const tensor request = message_of(t, &server);
        server.tell(INIT_TENSOR, { { &request, sizeof(request) } });
    }
    return GGML_STATUS_SUCCESS;
}

static void memset_tensor(ggml_backend_buffer_t buffer, ggml_tensor * t, uint8_t value, size_t offset, size_t size) {
    remote_server & server = server_for(buffer, t);
    const memset_request request { message_of(t, &server), offset, size, value };
    server.tell(MEMSET_TENSOR, { { &request, sizeof(request) } });
}

// FNV-1a, by which servers name what they keep.
static uint64_t hash_of(const void * data, size_t size) {
    uint64_t hash = 0xcbf29ce484222325ull;
    for (size_t i = 0; i < size; ++i) {
        hash = (hash ^ ((const uint8_t *) data)[i]) * 0x100000001b3ull;
    }
    return hash;
}

static void set_tensor(ggml_backend_buffer_t buffer, ggml_tensor * t, const void * data, size_t offset, size_t size) {
    remote_server & server = server_for(buffer, t);
    set_request request { message_of(t, &server), 0, offset };
    if (size > HASHED_BYTES && buffer->usage == GGML_BACKEND_BUFFER_USAGE_WEIGHTS) {
        const hash_request question { request.of, offset, hash_of(data, size) };
        done_answer answer {};
        if (!server.ask(SET_TENSOR_HASH, &question, sizeof(question), &answer, sizeof(answer)) || answer.done) {
            return;
        }
        request.keep = 1;
    }
    server.tell(SET_TENSOR, { { &request, sizeof(request) }, { data, size } });
}

static void get_tensor(ggml_backend_buffer_t buffer, const ggml_tensor * t, void * data, size_t offset, size_t size) {
    remote_server & server = server_for(buffer, t);
    const get_request request { message_of(t, &server), offset, size };
    server.ask(GET_TENSOR, &request, sizeof(request), data, size);
}

// Between two devices of one server; anything else goes through this machine.
static bool copy_tensor(ggml_backend_buffer_t buffer, const ggml_tensor * src, ggml_tensor * dst) {
    remote_server & server = server_for(buffer, dst);
    const remote_buffer * from = remote_of(src->buffer);
    if (!from || from->server != &server) {
        return false;
    }
    const copy_request request { message_of(src, &server), message_of(dst, &server) };
    done_answer answer {};
    return server.ask(COPY_TENSOR, &request, sizeof(request), &answer, sizeof(answer)) && answer.done;
}

static void clear_buffer(ggml_backend_buffer_t buffer, uint8_t value) {
    auto * remote = (remote_buffer *) buffer->context;
    const clear_request request { remote->id, value };
    remote->server->tell(BUFFER_CLEAR, { { &request, sizeof(request) } });
}

// ---- the type of a device's buffers

static remote_device & device_of_type(ggml_backend_buffer_type_t type) { return *(remote_device *) type->context; }

static const char * type_name     (ggml_backend_buffer_type_t type) { return device_of_type(type).buffer_type_name.c_str(); }
static size_t       type_alignment(ggml_backend_buffer_type_t type) { return device_of_type(type).alignment; }
static size_t       type_max_size (ggml_backend_buffer_type_t type) { return device_of_type(type).max_size; }

static ggml_backend_buffer_t alloc_buffer(ggml_backend_buffer_type_t type, size_t size) {
    remote_device & device = device_of_type(type);
    remote_server & server = *device.server;
    const alloc_request request { device.index, size };
    alloc_answer answer {};
    if (!server.ask(ALLOC_BUFFER, &request, sizeof(request), &answer, sizeof(answer))) {
        return nullptr;
    }
    if (answer.buffer == 0) {
        GGML_LOG_ERROR("%s: the server could not allocate %zu bytes\n", device.name.c_str(), size);
        return nullptr;
    }
    // where it begins decides the address of every tensor in it, so it must be known, and make sense, from the start
    const number of { answer.buffer };
    number base {};
    if (!server.ask(BUFFER_GET_BASE, &of, sizeof(of), &base, sizeof(base))) {
        return nullptr;
    }
    if (answer.size < size || base.value == 0 || base.value % device.alignment != 0 || base.value + answer.size < base.value) {
        server.give_up("it gave a buffer that cannot be used");
        return nullptr;
    }
    ggml_backend_buffer_i i = {};
    i.free_buffer   = free_buffer;
    i.get_base      = buffer_base;
    i.init_tensor   = init_tensor;
    i.memset_tensor = memset_tensor;
    i.set_tensor    = set_tensor;
    i.get_tensor    = get_tensor;
    i.cpy_tensor    = copy_tensor;
    i.clear         = clear_buffer;
    return ggml_backend_buffer_init(type, i, new remote_buffer { &server, answer.buffer, (void *) (uintptr_t) base.value }, (size_t) answer.size);
}

static size_t alloc_size(ggml_backend_buffer_type_t type, const ggml_tensor * t) {
    const size_t here = ggml_nbytes(t);
    if (!is_padded(t) && !ggml_op_alloc_size_may_expand(t->op)) {
        return here;
    }
    remote_device & device = device_of_type(type);
    alloc_size_request request;
    request.device = device.index;
    request.of     = message_of(t, device.server);
    for (int i = 0; i < GGML_MAX_SRC; ++i) {
        request.srcs[i] = message_of(t->src[i], device.server);
    }
    // ggml adds sizes up: one that is nonsense must not overflow
    constexpr uint64_t MOST = 1ull << 44;
    const uint64_t there = device.server->alloc_size(request);
    if (there > MOST) {
        device.server->give_up("it wants " + std::to_string(there) + " bytes for one tensor");
        return here;
    }
    return std::max(here, (size_t) there);
}

ggml_backend_buffer_type buffer_type_of(remote_device & remote) {
    ggml_backend_buffer_type_i i = {};
    i.get_name       = type_name;
    i.alloc_buffer   = alloc_buffer;
    i.get_alignment  = type_alignment;
    i.get_max_size   = type_max_size;
    i.get_alloc_size = alloc_size;
    return { i, &remote.device, &remote };
}

// ---- the device and its instances

static remote_device & remote_of(ggml_backend_dev_t device) { return *(remote_device *) device->context; }

static const char * instance_name(ggml_backend_t backend) { return remote_of(backend->device).name.c_str(); }
static void         instance_free(ggml_backend_t backend) { delete backend; }

static ggml_status compute(ggml_backend_t backend, ggml_cgraph * graph) {
    remote_device & device = remote_of(backend->device);
    if (stop_wanted()) {
        return GGML_STATUS_ABORTED;
    }
    if (graph->n_nodes == 0) {
        return GGML_STATUS_SUCCESS;
    }
    for (int i = 0; i < graph->n_nodes; ++i) {
        if (!fits(graph->nodes[i])) {
            GGML_LOG_ERROR("%s: the tensor %s is too large for the RPC protocol\n", device.name.c_str(), graph->nodes[i]->name);
            return GGML_STATUS_FAILED;
        }
    }
    return device.server->compute(device, graph->uid, [&] { return message_of(graph, device); }) ? GGML_STATUS_SUCCESS : GGML_STATUS_FAILED;
}

static const char * device_name       (ggml_backend_dev_t device) { return remote_of(device).name.c_str(); }
static const char * device_description(ggml_backend_dev_t device) { return remote_of(device).server->endpoint().c_str(); }

static void device_memory(ggml_backend_dev_t device, size_t * free, size_t * total) {
    remote_device & remote = remote_of(device);
    const rpc::device request { remote.index };
    memory_answer answer {};
    remote.server->ask(GET_DEVICE_MEMORY, &request, sizeof(request), &answer, sizeof(answer));
    *total = (size_t) answer.total;
    *free  = (size_t) std::min(answer.free, answer.total);
}

// The protocol does not tell. Anything but a GPU would get no layers.
static enum ggml_backend_dev_type device_type(ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_GPU; }

static void device_props(ggml_backend_dev_t device, ggml_backend_dev_props * props) {
    memset(props, 0, sizeof(*props));
    props->name              = device_name(device);
    props->description       = device_description(device);
    props->type              = device_type(device);
    props->caps.mmap_support = true;
    device_memory(device, &props->memory_free, &props->memory_total);
}

static ggml_backend_t device_init(ggml_backend_dev_t device, const char *) {
    static ggml_guid guid = { 0x63, 0x68, 0x61, 0x73, 0x71, 0x75, 0x69, 0x2d, 0x72, 0x65, 0x6d, 0x6f, 0x74, 0x65, 0x2d, 0x31 };
    ggml_backend_i i = {};
    i.get_name      = instance_name;
    i.free          = instance_free;
    i.graph_compute = compute;
    return new ggml_backend { &guid, i, device, nullptr };
}

static ggml_backend_buffer_type_t device_buffer_type(ggml_backend_dev_t device) { return &remote_of(device).buffer_type; }

// The protocol has no question for that.
static bool supports_op(ggml_backend_dev_t, const ggml_tensor *) { return true; }

static bool supports_type(ggml_backend_dev_t device, ggml_backend_buffer_type_t type) { return type == &remote_of(device).buffer_type; }

static const char * registration_name  (ggml_backend_reg_t)                { return "RPC"; }
static size_t       registration_count (ggml_backend_reg_t)                { return 0; } // they are found through their servers
static ggml_backend_dev_t no_device    (ggml_backend_reg_t, size_t)        { return nullptr; }
static void *       no_function        (ggml_backend_reg_t, const char *)  { return nullptr; }

ggml_backend_device device_of(remote_device & remote) {
    static ggml_backend_reg registration { GGML_BACKEND_API_VERSION, { registration_name, registration_count, no_device, no_function }, nullptr };
    ggml_backend_device_i i = {};
    i.get_name        = device_name;
    i.get_description = device_description;
    i.get_memory      = device_memory;
    i.get_type        = device_type;
    i.get_props       = device_props;
    i.init_backend    = device_init;
    i.get_buffer_type = device_buffer_type;
    i.supports_op     = supports_op;
    i.supports_buft   = supports_type;
    return { i, &registration, &remote };
}

} // namespace chq::rpc
