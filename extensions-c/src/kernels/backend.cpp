#define GGML_BACKEND_DL
#ifndef GGML_BACKEND_SHARED
#    define GGML_BACKEND_SHARED
#endif
#define GGML_BACKEND_BUILD
#include "backend.h"

#include "crew.h"
#include "file_cache.h"
#include "guest.h"
#include "host_attention.h"
#include "offer.h"
#include "product.h"
#include "sparse_attention.h"
#include "sparse_prefill.h"

#include "ggml-backend-impl.h"
#include "ggml-impl.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>

namespace chq::kernels {

static ggml_backend_reg_t registration();

// Instances compute everything themselves and keep their results in the buffer type of weights: what ggml's own tests of a backend need.
static bool alone() {
    static const bool wanted = getenv("CHASQUI_KERNELS_ALONE") != nullptr;
    return wanted;
}

bool has_seat() {
    static const bool joined = !alone() && join_cpu_backend(packed_buffer_type());
    return joined;
}

// ---- an instance

struct instance {
    std::unique_ptr<crew> threads = std::make_unique<crew>((int) std::thread::hardware_concurrency());
    std::vector<uint8_t>  scratch;
};

static const char * instance_name(ggml_backend_t) { return "Chasqui"; }

static void instance_free(ggml_backend_t backend) {
    delete (instance *) backend->context;
    delete backend;
}

static void set_threads(ggml_backend_t backend, int n) {
    auto * self = (instance *) backend->context;
    if (n > 0 && n != self->threads->count()) {
        self->threads = std::make_unique<crew>(n);
    }
}

static ggml_status compute(ggml_backend_t backend, ggml_cgraph * graph) {
    auto * self = (instance *) backend->context;
    size_t needed = 0;
    for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
        const ggml_tensor * op = ggml_graph_node(graph, i);
        if (is_product(op)) {
            needed = std::max(needed, scratch_bytes(best_kernels(), op, self->threads->count()));
        }
    }
    if (self->scratch.size() < needed) {
        self->scratch.resize(needed);
    }
    crew & threads = *self->threads;
    threads.run([&](int index) {
        team team;
        team.index     = index;
        team.count     = threads.count();
        team.scratch   = self->scratch.data();
        team.pool      = &threads;
        team.barrier   = [](void * pool) { ((crew *) pool)->barrier(); };
        team.set_next  = [](void * pool, int item) { ((crew *) pool)->set_next(item); };
        team.take_next = [](void * pool, int n) { return ((crew *) pool)->take_next(n); };
        for (int i = 0; i < ggml_graph_n_nodes(graph); i++) {
            ggml_tensor * op = ggml_graph_node(graph, i);
            if (is_product(op)) {
                product(best_kernels(), team, op);
                threads.barrier(); // the scratch memory is used again
            }
        }
    });
    return GGML_STATUS_SUCCESS;
}

// ---- the devices

static const char * device_name(ggml_backend_dev_t)        { return "Chasqui"; }
static const char * device_description(ggml_backend_dev_t) { return best_kernels().name; }

static void device_memory(ggml_backend_dev_t, size_t * free, size_t * total) {
    *free  = 0;
    *total = 0;
}

static enum ggml_backend_dev_type device_type(ggml_backend_dev_t) { return GGML_BACKEND_DEVICE_TYPE_ACCEL; }

static void device_props(ggml_backend_dev_t device, ggml_backend_dev_props * props) {
    memset(props, 0, sizeof(*props));
    props->name        = device_name(device);
    props->description = device_description(device);
    props->type        = device_type(device);
}

static bool is_view(const ggml_tensor * op) {
    return op->op == GGML_OP_NONE || op->op == GGML_OP_VIEW || op->op == GGML_OP_RESHAPE || op->op == GGML_OP_PERMUTE || op->op == GGML_OP_TRANSPOSE;
}

static bool weights_supports(ggml_backend_dev_t, const ggml_tensor * op) {
    return is_view(op) || (is_product(op) && is_packed(op->src[0]) && offered(format_of(op->src[0]->type)));
}

static bool instance_supports(ggml_backend_dev_t, const ggml_tensor * op) {
    if (has_seat()) {
        return false;
    }
    return is_view(op) || (is_product(op) && (is_packed(op->src[0]) || (alone() && !op->src[0]->buffer)));
}

static bool device_supports_type(ggml_backend_dev_t, ggml_backend_buffer_type_t type) {
    return ggml_backend_buft_is_host(type) || (!has_seat() && type == packed_buffer_type());
}

static ggml_backend_buffer_type_t weights_type(ggml_backend_dev_t) {
    has_seat();
    return packed_buffer_type();
}

static ggml_backend_buffer_type_t instance_type(ggml_backend_dev_t) { return alone() ? packed_buffer_type() : ggml_backend_cpu_buffer_type(); }

static ggml_backend_dev_t instance_device();

static ggml_backend_t device_init(ggml_backend_dev_t, const char *) {
    static ggml_guid guid = { 0x63, 0x68, 0x61, 0x73, 0x71, 0x75, 0x69, 0x2d, 0x6b, 0x65, 0x72, 0x6e, 0x65, 0x6c, 0x73, 0x31 };
    ggml_backend_i i = {};
    i.get_name      = instance_name;
    i.free          = instance_free;
    i.graph_compute = compute;
    return new ggml_backend { &guid, i, instance_device(), new instance };
}

static ggml_backend_device_i device_interface(bool weights) {
    ggml_backend_device_i i = {};
    i.get_name        = device_name;
    i.get_description = device_description;
    i.get_memory      = device_memory;
    i.get_type        = device_type;
    i.get_props       = device_props;
    i.init_backend    = device_init;
    i.get_buffer_type = weights ? weights_type : instance_type;
    i.supports_op     = weights ? weights_supports : instance_supports;
    i.supports_buft   = device_supports_type;
    return i;
}

ggml_backend_dev_t weights_device() {
    static ggml_backend_device device { device_interface(true), registration(), nullptr };
    return &device;
}

static ggml_backend_dev_t instance_device() {
    static ggml_backend_device device { device_interface(false), registration(), nullptr };
    return &device;
}

// ---- the registration

static const char * registration_name(ggml_backend_reg_t)                { return "Chasqui"; }
static size_t registration_count(ggml_backend_reg_t)                     { return 1; }
static ggml_backend_dev_t registration_device(ggml_backend_reg_t, size_t) { return weights_device(); }

static void * registration_function(ggml_backend_reg_t, const char * name) {
    if (strcmp(name, "ggml_backend_set_n_threads") == 0) {
        return (void *) set_threads;
    }
    if (strcmp(name, "chasqui_kernels_set_mode") == 0) {
        return (void *) +[](int mode) { set_mode((enum mode) mode); };
    }
    if (strcmp(name, "chasqui_kernels_reset") == 0) {
        return (void *) reset_mode;
    }
    if (strcmp(name, "chasqui_kernels_set_cache") == 0) {
        return (void *) set_cache;
    }
    if (strcmp(name, "chasqui_kernels_try") == 0) {
        return (void *) +[](int type) { try_early((ggml_type) type); };
    }
    if (strcmp(name, "chasqui_kernels_set_attention") == 0) {
        return (void *) set_attention;
    }
    if (strcmp(name, "chasqui_kernels_leave_attention_to_host") == 0) {
        return has_seat() ? (void *) leave_attention_to_host : nullptr;
    }
    if (strcmp(name, "chasqui_kernels_reduce") == 0) {
        return (void *) reduce_on;
    }
    if (strcmp(name, "chasqui_kernels_sparse") == 0) {
        return has_seat() ? (void *) sparse_functions() : nullptr;
    }
    if (strcmp(name, "chasqui_kernels_sparse_prefill") == 0) {
        return has_seat() ? (void *) sparse_prefill_functions() : nullptr;
    }
    if (strcmp(name, "chasqui_kernels_file_cache") == 0) {
        return has_seat() ? (void *) file_cache_functions() : nullptr;
    }
    if (strcmp(name, "chasqui_kernels_bytes_packed") == 0) {
        return (void *) bytes_packed;
    }
    return nullptr;
}

static ggml_backend_reg_t registration() {
    static ggml_backend_reg reg { GGML_BACKEND_API_VERSION, { registration_name, registration_count, registration_device, registration_function }, nullptr };
    return &reg;
}

} // namespace chq::kernels

GGML_BACKEND_DL_IMPL(chq::kernels::registration)
