#include "chasqui_rpc.h"

#include "guard/guard.h"
#include "guard/remote.h"
#include "rpc/remote_server.h"
#include "runtime/runtime.h"

#include <cstring>

struct chq_rpc_server : chq::handle {
    chq_rpc_server() : handle(chq::KIND_RPC_SERVER) {}

    std::shared_ptr<chq::rpc::remote_server> remote;
};

using namespace chq;

static void check_timeout(int32_t ms, const char * what) {
    if (ms < 1) {
        fail(CHQ_STATUS_ARGUMENT, "%s = %d", what, ms);
    }
}

static void check_endpoint(const char * endpoint) {
    check_pointer(endpoint, "endpoint");
    rpc::address address;
    std::string  why;
    if (!rpc::parse_address(endpoint, &address, &why)) {
        fail(CHQ_STATUS_ARGUMENT, "\"%.300s\" is no address of a server: %s", endpoint, why.c_str());
    }
}

chq_status chq_rpc_connect(const char * endpoint, int32_t connect_ms, int32_t answer_ms, struct chq_rpc_server ** out) {
    return guarded([&] {
        check_runtime();
        check_endpoint(endpoint);
        check_timeout(connect_ms, "connect_ms");
        check_timeout(answer_ms,  "answer_ms");
        check_pointer(out, "out");
        auto server = std::make_unique<chq_rpc_server>();
        server->remote = rpc::connect_to(endpoint, connect_ms, answer_ms);
        *out = server.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_rpc_disconnect(struct chq_rpc_server * server) {
    return guarded([&] {
        if (server) {
            check_handle(server, KIND_RPC_SERVER, "server");
            server->kind = KIND_FREED;
            delete server;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_rpc_device_count(const struct chq_rpc_server * server, int32_t * n) {
    return guarded([&] {
        check_handle(server, KIND_RPC_SERVER, "server");
        check_pointer(n, "n");
        *n = (int32_t) server->remote->devices().size();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_rpc_device(struct chq_rpc_server * server, int32_t index, struct chq_device_info * out, ggml_backend_dev_t * device) {
    return guarded([&] {
        check_handle(server, KIND_RPC_SERVER, "server");
        auto & devices = server->remote->devices();
        if (index < 0 || index >= (int32_t) devices.size()) {
            fail(CHQ_STATUS_ARGUMENT, "device %d does not exist, the server has %zu", index, devices.size());
        }
        ggml_backend_dev_t found = &devices[index]->device;
        if (out) {
            size_t free  = 0;
            size_t total = 0;
            ggml_backend_dev_memory(found, &free, &total);
            fail_if_remote_lost();
            memset(out, 0, sizeof(*out));
            snprintf(out->name,        sizeof(out->name),        "%s", ggml_backend_dev_name(found));
            snprintf(out->description, sizeof(out->description), "%s", ggml_backend_dev_description(found));
            snprintf(out->backend,     sizeof(out->backend),     "RPC");
            out->type         = CHQ_DEVICE_GPU;
            out->memory_free  = free;
            out->memory_total = total;
        }
        if (device) {
            *device = found;
        }
        return CHQ_STATUS_OK;
    });
}
