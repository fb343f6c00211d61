#include "chasqui_state.h"
#include "context/context.h"
#include "runtime/runtime.h"

#include <algorithm>

// llama.cpp keeps the tensors of one state for each sequence id, and copies them in destructors, where an abort ends the process: whatever could go
// wrong there is checked before.

namespace chq {

constexpr llama_state_seq_flags ON_DEVICE = LLAMA_STATE_SEQ_FLAGS_ON_DEVICE;

static const char * why_no_hold(const chq_context * context) {
    if (context->model->recurrent || context->model->hybrid) {
        return "the model has a state instead of cells";
    }
    if (!context->kv_unified) {
        return "the KV cache is divided";
    }
    if (!context->swa_full && llama_model_n_swa(context->model->llama) > 0) {
        return "the layers with a window have fewer cells";
    }
    if (ggml_is_quantized(context->type_k) || ggml_is_quantized(context->type_v)) {
        return "llama.cpp counts the elements of quantised caches wrongly there";
    }
    return nullptr;
}

// The least that a device which may hold a part of the cache has left.
static uint64_t free_bytes(const chq_context * context) {
    uint64_t least = available_memory();
    for (size_t i = 0; context->kv_offloaded && i < ggml_backend_dev_count(); ++i) {
        ggml_backend_dev_t dev = ggml_backend_dev_get(i);
        if (ggml_backend_dev_type(dev) == GGML_BACKEND_DEVICE_TYPE_GPU) {
            size_t free  = 0;
            size_t total = 0;
            ggml_backend_dev_memory(dev, &free, &total);
            least = std::min<uint64_t>(least, free);
        }
    }
    return least;
}

// Cells that are in use at most: each position of each sequence has one of its own.
static int64_t most_cells_used(const chq_context * context, int32_t except) {
    int64_t n = 0;
    for (int32_t s = 0; s < context->n_seq_max; ++s) {
        n += s == except ? 0 : llama_memory_seq_pos_max(context->memory, s) + 1;
    }
    return n;
}

static void check_slot(const chq_context * context, int32_t slot) {
    if (slot < 0 || slot >= context->n_seq_max) {
        fail(CHQ_STATUS_ARGUMENT, "slot %d is not in 0..%d", slot, context->n_seq_max - 1);
    }
}

static void check_holds(const chq_context * context) {
    check_context(context);
    check_memory(context);
    if (context->model->no_alloc) {
        fail(CHQ_STATUS_STATE, "the model was loaded with no_alloc");
    }
    if (const char * reason = why_no_hold(context)) {
        fail(CHQ_STATUS_UNSUPPORTED, "states cannot stay on the device: %s", reason);
    }
}

} // namespace chq

using namespace chq;

chq_status chq_context_holds(struct chq_context * context, bool * holds) {
    return guarded({ context }, [&] {
        check_context(context);
        check_pointer(holds, "holds");
        bool gpu = false;
        for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
            gpu |= ggml_backend_dev_type(ggml_backend_dev_get(i)) == GGML_BACKEND_DEVICE_TYPE_GPU;
        }
        *holds = gpu && context->memory && context->kv_offloaded && !context->model->no_alloc && !why_no_hold(context);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_seq_hold(struct chq_context * context, int32_t seq_id, int32_t slot) {
    return guarded({ context }, [&] {
        check_holds(context);
        check_sequence(context, seq_id);
        check_slot(context, slot);
        if (llama_memory_seq_pos_max(context->memory, slot) >= 0) {
            fail(CHQ_STATUS_STATE, "sequence %d, whose slot it is, is not empty", slot);
        }
        if (llama_memory_seq_pos_max(context->memory, seq_id) < 0) {
            fail(CHQ_STATUS_STATE, "sequence %d is empty", seq_id);
        }
        prepare_change(context);
        update_memory(context);
        const size_t n_bytes = llama_state_seq_get_size_ext(context->llama, seq_id, LLAMA_STATE_SEQ_FLAGS_NONE);
        if (n_bytes > free_bytes(context) / 2) {
            fail(CHQ_STATUS_MEMORY, "the state of sequence %d has %zu bytes, a device has %llu left", seq_id, n_bytes, (unsigned long long) free_bytes(context));
        }
        chq_context::held_state & held = context->held[slot];
        held.host.clear();
        // llama.cpp names the memory after the sequence that is saved
        llama_memory_seq_cp(context->memory, seq_id, slot, -1, -1);
        std::vector<uint8_t> host(llama_state_seq_get_size_ext(context->llama, slot, ON_DEVICE));
        const size_t n_written = llama_state_seq_get_data_ext(context->llama, host.data(), host.size(), slot, ON_DEVICE);
        held.n_cells = llama_memory_seq_pos_max(context->memory, slot) + 1;
        llama_memory_seq_rm(context->memory, slot, -1, -1);
        if (host.empty() || n_written != host.size()) {
            fail(CHQ_STATUS_COMPUTE, "the state of sequence %d cannot be read: %s", seq_id, captured_errors());
        }
        held.host = std::move(host);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_seq_take(struct chq_context * context, int32_t slot, int32_t seq_id) {
    return guarded({ context }, [&] {
        check_holds(context);
        check_sequence(context, seq_id);
        check_slot(context, slot);
        const chq_context::held_state & held = context->held[slot];
        if (held.host.empty()) {
            fail(CHQ_STATUS_STATE, "slot %d is empty", slot);
        }
        prepare_change(context);
        update_memory(context);
        const int64_t n_free = (int64_t) llama_n_ctx(context->llama) - most_cells_used(context, seq_id);
        if (held.n_cells > n_free) {
            fail_full(held.n_cells, (int32_t) std::max<int64_t>(0, n_free));
        }
        llama_memory_seq_rm(context->memory, seq_id, -1, -1);
        context->n_holes[seq_id] = 0;
        unshare_cells(context, seq_id);
        context->sparse.forget();
        if (llama_state_seq_set_data_ext(context->llama, held.host.data(), held.host.size(), seq_id, ON_DEVICE) != held.host.size()) {
            llama_memory_seq_rm(context->memory, seq_id, -1, -1);
            fail(CHQ_STATUS_COMPUTE, "the state in slot %d cannot be restored, and the sequence is empty now: %s", slot, captured_errors());
        }
        return CHQ_STATUS_OK;
    });
}
