// The server is llama.cpp's own.
#include "chasqui_rpc.h"

#include "guard/guard.h"
#include "rpc/wire.h"
#include "runtime/runtime.h"

#include "ggml-rpc.h"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <vector>

#ifndef _WIN32
#    include <arpa/inet.h>
#    include <sys/socket.h>
#    include <unistd.h>
#endif

using namespace chq;

// llama.cpp's server only returns when it cannot listen, without a reason: this finds the reason first.
static void check_can_listen(const char * endpoint) {
    rpc::address address;
    std::string  why;
    if (!rpc::parse_address(endpoint, &address, &why)) {
        fail(CHQ_STATUS_ARGUMENT, "\"%.300s\" is no address to listen on: %s", endpoint, why.c_str());
    }
#ifndef _WIN32
    sockaddr_in at;
    memset(&at, 0, sizeof(at));
    at.sin_family = AF_INET;
    at.sin_port   = htons((uint16_t) std::stoi(address.port));
    if (inet_pton(AF_INET, address.host.c_str(), &at.sin_addr) != 1) {
        fail(CHQ_STATUS_ARGUMENT, "\"%.300s\" is no address to listen on: the host must be an IPv4 address of this machine, or 0.0.0.0", endpoint);
    }
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)); // as the server will
    const bool can    = fd >= 0 && bind(fd, (const sockaddr *) &at, sizeof(at)) == 0 && listen(fd, 1) == 0;
    const int  reason = errno;
    if (fd >= 0) {
        close(fd);
    }
    if (!can) {
        fail(CHQ_STATUS_STATE, "cannot listen on %s: %s", endpoint, strerror(reason));
    }
#endif
}

// GPUs, or the CPU where there are none; never what only helps the CPU.
static std::vector<ggml_backend_dev_t> served_devices() {
    std::vector<ggml_backend_dev_t> devices;
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
        ggml_backend_dev_t device = ggml_backend_dev_get(i);
        const auto type = ggml_backend_dev_type(device);
        if (type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU) {
            devices.push_back(device);
        }
    }
    if (devices.empty()) {
        devices.push_back(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
    }
    return devices;
}

chq_status chq_rpc_serve(const char * endpoint, const char * cache_dir, int32_t n_threads) {
    return guarded([&] {
        check_runtime();
        check_pointer(endpoint, "endpoint");
        if (cache_dir && cache_dir[0]) {
            std::error_code error;
            if (!std::filesystem::is_directory(cache_dir, error)) {
                fail(CHQ_STATUS_ARGUMENT, "the cache folder \"%.300s\" does not exist", cache_dir);
            }
        }
        if (n_threads > 512) {
            fail(CHQ_STATUS_ARGUMENT, "n_threads = %d, at most 512 are possible", n_threads);
        }
        ggml_backend_reg_t reg = ggml_backend_reg_by_name("RPC");
        auto * start = reg ? (decltype(ggml_backend_rpc_start_server) *) ggml_backend_reg_get_proc_address(reg, "ggml_backend_rpc_start_server") : nullptr;
        if (!start) {
            fail(CHQ_STATUS_UNSUPPORTED, "this build has no RPC server");
        }
        check_can_listen(endpoint);
        std::vector<ggml_backend_dev_t> devices = served_devices();
        const size_t n_cpu = (size_t) (n_threads > 0 ? n_threads : chq_physical_cores());
        start(endpoint, cache_dir && cache_dir[0] ? cache_dir : nullptr, n_cpu, devices.size(), devices.data());
        fail(CHQ_STATUS_STATE, "the server on %s has ended%s%s", endpoint, captured_errors()[0] ? ": " : "", captured_errors());
        return CHQ_STATUS_OK;
    });
}
