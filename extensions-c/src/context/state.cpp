#include "context/context.h"
#include "model/xxh64.h"

#include <climits>
#include <cstring>
#include <vector>

// Layout, little-endian as the rest of the file formats of llama.cpp:
//   state_header, n_tokens token ids (padded with zeros to 8 bytes), payload of llama_state_seq_get_data_ext
// The checksum covers everything but itself.

namespace chq {

namespace {

constexpr uint64_t STATE_MAGIC   = 0x3151455351514843ull; // "CHQQSEQ1"
constexpr uint32_t STATE_VERSION = 1;

struct state_header {
    uint64_t magic;
    uint64_t checksum;     // of all bytes after this field, and of magic
    uint32_t version;
    uint32_t n_tokens;
    uint64_t n_payload;
    uint64_t fingerprint;  // of the model
    uint64_t build;        // of llama.cpp
    int32_t  type_k;
    int32_t  type_v;
    uint32_t n_streams;    // parts of the KV cache
    uint32_t reserved;
};
static_assert(sizeof(state_header) == 64, "no padding in the header");

uint64_t checksum_of(const uint8_t * data, size_t size) {
    const size_t skip = offsetof(state_header, version);
    return xxh64(data + skip, size - skip, STATE_MAGIC);
}

uint64_t build_id() {
    return xxh64((const uint8_t *) CHQ_LLAMA_TREE, strlen(CHQ_LLAMA_TREE), 0);
}

uint32_t streams_of(const chq_context * context) {
    return context->kv_unified ? 1 : (uint32_t) context->n_seq_max;
}

size_t tokens_bytes(uint32_t n_tokens) {
    return ((size_t) n_tokens * sizeof(int32_t) + 7) / 8 * 8;
}

// Checks everything that can be told without touching the context.
state_header check_state(const chq_context * context, const uint8_t * data, size_t size) {
    state_header h;
    if (size < sizeof(h)) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: only %zu bytes", size);
    }
    memcpy(&h, data, sizeof(h));
    if (h.magic != STATE_MAGIC) {
        fail(CHQ_STATUS_ARGUMENT, "this is no saved state of a sequence");
    }
    if (h.version != STATE_VERSION) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state has version %u, this library reads version %u", h.version, STATE_VERSION);
    }
    const size_t rest = size - sizeof(h);
    if (h.n_tokens > INT32_MAX || tokens_bytes(h.n_tokens) > rest || h.n_payload != rest - tokens_bytes(h.n_tokens)) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: its size does not fit its header");
    }
    if (checksum_of(data, size) != h.checksum) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: its checksum is wrong");
    }
    if (h.fingerprint != context->model->fingerprint) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state belongs to another model");
    }
    if (h.build != build_id()) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state was written with another llama.cpp than %s", CHQ_LLAMA_TAG);
    }
    if (h.type_k != context->type_k || h.type_v != context->type_v) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state has a KV cache of types %s and %s, this context %s and %s",
            h.type_k >= 0 && h.type_k < GGML_TYPE_COUNT ? ggml_type_name((ggml_type) h.type_k) : "?",
            h.type_v >= 0 && h.type_v < GGML_TYPE_COUNT ? ggml_type_name((ggml_type) h.type_v) : "?",
            ggml_type_name(context->type_k), ggml_type_name(context->type_v));
    }
    if (h.n_streams != streams_of(context)) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is of a KV cache in %u parts, this one has %u", h.n_streams, streams_of(context));
    }
    return h;
}

} // namespace

} // namespace chq

using namespace chq;

chq_status chq_seq_save(
        struct chq_context * context,
        int32_t              seq_id,
        const int32_t      * tokens,
        int32_t              n_tokens,
        uint8_t            * data,
        size_t               capacity,
        size_t             * size) {
    return guarded({ context }, [&] {
        check_context(context);
        check_sequence(context, seq_id);
        check_memory(context);
        check_pointer(size, "size");
        if (n_tokens < 0 || (n_tokens > 0 && !tokens)) {
            fail(CHQ_STATUS_ARGUMENT, "tokens is NULL or their number negative");
        }
        check_tokens(context->model, tokens, n_tokens);
        if (context->model->no_alloc) {
            fail(CHQ_STATUS_STATE, "the model was loaded with no_alloc");
        }
        if (!context->spans[seq_id].empty()) {
            fail(CHQ_STATUS_UNSUPPORTED, "sequence %d holds embeddings, which a saved state cannot name", seq_id);
        }
        prepare_change(context);
        update_memory(context);

        const size_t n_payload = llama_state_seq_get_size_ext(context->llama, seq_id, LLAMA_STATE_SEQ_FLAGS_NONE);
        if (n_payload == 0) {
            fail(CHQ_STATUS_COMPUTE, "the state of sequence %d cannot be read: %s", seq_id, captured_errors());
        }
        const size_t n_bytes = sizeof(state_header) + tokens_bytes((uint32_t) n_tokens) + n_payload;
        *size = n_bytes;
        if (capacity < n_bytes) {
            set_error("%zu bytes are needed, the buffer has %zu", n_bytes, capacity);
            return CHQ_STATUS_BUFFER;
        }
        check_pointer(data, "data");

        uint8_t * at_tokens  = data + sizeof(state_header);
        uint8_t * at_payload = at_tokens + tokens_bytes((uint32_t) n_tokens);
        memset(at_tokens, 0, at_payload - at_tokens);
        if (n_tokens > 0) {
            memcpy(at_tokens, tokens, (size_t) n_tokens * sizeof(int32_t));
        }
        const size_t written = llama_state_seq_get_data_ext(context->llama, at_payload, n_payload, seq_id, LLAMA_STATE_SEQ_FLAGS_NONE);
        if (written != n_payload) {
            fail(CHQ_STATUS_COMPUTE, "the state of sequence %d cannot be read: %s", seq_id, captured_errors());
        }
        state_header h;
        memset(&h, 0, sizeof(h));
        h.magic       = STATE_MAGIC;
        h.version     = STATE_VERSION;
        h.n_tokens    = (uint32_t) n_tokens;
        h.n_payload   = n_payload;
        h.fingerprint = context->model->fingerprint;
        h.build       = build_id();
        h.type_k      = context->type_k;
        h.type_v      = context->type_v;
        h.n_streams   = streams_of(context);
        memcpy(data, &h, sizeof(h));
        h.checksum = checksum_of(data, n_bytes);
        memcpy(data, &h, sizeof(h));
        return CHQ_STATUS_OK;
    });
}

chq_status chq_seq_restore(
        struct chq_context * context,
        int32_t              seq_id,
        const uint8_t      * data,
        size_t               size,
        int32_t            * tokens,
        int32_t              capacity,
        int32_t            * n_tokens) {
    return guarded({ context }, [&] {
        check_context(context);
        check_sequence(context, seq_id);
        llama_memory_t memory = check_memory(context);
        check_pointer(data, "data");
        check_pointer(n_tokens, "n_tokens");
        if (capacity < 0 || (capacity > 0 && !tokens)) {
            fail(CHQ_STATUS_ARGUMENT, "tokens is NULL or its capacity negative");
        }
        if (context->model->no_alloc) {
            fail(CHQ_STATUS_STATE, "the model was loaded with no_alloc");
        }
        const state_header h = check_state(context, data, size);
        *n_tokens = (int32_t) h.n_tokens;
        if ((uint32_t) capacity < h.n_tokens) {
            set_error("%u tokens are stored, the buffer has room for %d", h.n_tokens, capacity);
            return CHQ_STATUS_BUFFER;
        }
        prepare_change(context);
        update_memory(context);

        // What only llama.cpp can find out, e.g. that there are too few cells, it finds out after emptying the sequence.
        std::vector<uint8_t> before;
        if (llama_memory_seq_pos_max(memory, seq_id) >= 0) {
            before.resize(llama_state_seq_get_size_ext(context->llama, seq_id, LLAMA_STATE_SEQ_FLAGS_NONE));
            llama_state_seq_get_data_ext(context->llama, before.data(), before.size(), seq_id, LLAMA_STATE_SEQ_FLAGS_NONE);
        }
        const uint8_t * payload = data + sizeof(h) + tokens_bytes(h.n_tokens);
        const bool shared = shares_cells(context, seq_id);
        const size_t n_read = llama_state_seq_set_data_ext(context->llama, payload, h.n_payload, seq_id, LLAMA_STATE_SEQ_FLAGS_NONE);
        if (n_read != h.n_payload) {
            char reason[512];
            snprintf(reason, sizeof(reason), "%s", captured_errors());
            llama_memory_seq_rm(memory, seq_id, -1, -1);
            const bool undone = before.empty() ||
                llama_state_seq_set_data_ext(context->llama, before.data(), before.size(), seq_id, LLAMA_STATE_SEQ_FLAGS_NONE) == before.size();
            if (!undone) {
                llama_memory_seq_rm(memory, seq_id, -1, -1);
            }
            if (!undone || shared) {
                unshare_cells(context, seq_id);
            }
            if (!undone) {
                drop_spans(context, seq_id, 0, -1);
            }
            fail(strstr(reason, "available cells") ? CHQ_STATUS_CONTEXT_FULL : CHQ_STATUS_ARGUMENT,
                "the saved state cannot be restored%s: %s", undone ? "" : ", and the sequence is empty now", reason);
        }
        context->n_holes[seq_id] = 0;
        drop_spans(context, seq_id, 0, -1);
        unshare_cells(context, seq_id);
        if (h.n_tokens > 0) {
            memcpy(tokens, data + sizeof(h), (size_t) h.n_tokens * sizeof(int32_t));
        }
        return CHQ_STATUS_OK;
    });
}
