#include "host_attention.h"

#include "ggml-backend-impl.h"

#include <mutex>
#include <shared_mutex>
#include <unordered_map>

namespace chq::kernels {

namespace {

// Rows from which on a device is worth the copy: a prompt, not the verification of guesses.
constexpr int64_t MANY = 33;

using supports_fn = bool (*)(ggml_backend_dev_t, const ggml_tensor *);

std::shared_mutex gate;
std::unordered_map<ggml_backend_dev_t, supports_fn> own; // what the devices say themselves

bool in_host_memory(const ggml_tensor * t) {
    const ggml_tensor * root = t->view_src ? t->view_src : t;
    return root->buffer && ggml_backend_buffer_is_host(root->buffer);
}

bool supports(ggml_backend_dev_t device, const ggml_tensor * op) {
    if (op->op == GGML_OP_FLASH_ATTN_EXT && op->src[0]->ne[1] < MANY && in_host_memory(op->src[1])) {
        return false;
    }
    const std::shared_lock lock(gate);
    return own.at(device)(device, op);
}

} // namespace

void leave_attention_to_host(ggml_backend_dev_t device) {
    const std::unique_lock lock(gate);
    if (device->iface.supports_op != supports) {
        own[device] = device->iface.supports_op;
        device->iface.supports_op = supports;
    }
}

} // namespace chq::kernels
