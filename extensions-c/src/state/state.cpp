#include "chasqui_state.h"
#include "context/context.h"
#include "model/xxh64.h"
#include "state/state_format.h"

#include <algorithm>
#include <climits>
#include <cstring>
#include <string>
#include <vector>

namespace chq {

static uint64_t build_id() {
    return xxh64((const uint8_t *) CHQ_LLAMA_TREE, strlen(CHQ_LLAMA_TREE), 0);
}

// What a state of this context says of it.
static state_header header_of(const chq_context * context) {
    state_header h;
    memset(&h, 0, sizeof(h));
    h.fingerprint = context->model->fingerprint;
    h.build       = build_id();
    h.settings    = context->adapters == 0 ? context->settings : xxh64((const uint8_t *) &context->adapters, sizeof(context->adapters), context->settings);
    h.type_k      = context->type_k;
    h.type_v      = context->type_v;
    h.n_streams   = context->kv_unified ? 1 : (uint32_t) context->n_seq_max;
    return h;
}

static const char * type_name(int32_t type) {
    return type >= 0 && type < GGML_TYPE_COUNT ? ggml_type_name((ggml_type) type) : "?";
}

static void check_fit(const chq_context * context, const state_header & h) {
    const state_header own = header_of(context);
    if (h.fingerprint != own.fingerprint) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state belongs to another model");
    }
    if (h.build != own.build) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state was written with another llama.cpp than %s", CHQ_LLAMA_TAG);
    }
    if (h.type_k != own.type_k || h.type_v != own.type_v) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state has a KV cache of types %s and %s, this context %s and %s",
            type_name(h.type_k), type_name(h.type_v), type_name(own.type_k), type_name(own.type_v));
    }
    if (h.n_streams != own.n_streams) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is of a KV cache in %u parts, this one has %u", h.n_streams, own.n_streams);
    }
    if (h.settings != own.settings) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state was computed with another rotation of positions, kind of attention or set of adapters than this context has");
    }
}

// Everything that can be told without touching the context.
static state_header check_state(const chq_context * context, const uint8_t * data, size_t size, bool checked, chq_state_kind kind) {
    const state_header h = check_header(data, size, size);
    check_head(h, data);
    if (h.kind != (uint32_t) kind) {
        fail(CHQ_STATUS_ARGUMENT, kind == CHQ_STATE_SEQUENCE ? "the saved state is of a whole context" : "the saved state is of a single sequence");
    }
    check_fit(context, h);
    if (h.n_logits != 0 && h.n_logits != (uint64_t) context->n_vocab) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: its number of logits is wrong");
    }
    if (!checked) {
        check_body(h, data);
    }
    return h;
}

// A context that may have states.
static void check_stateful(const chq_context * context) {
    check_context(context);
    check_memory(context);
    if (context->model->no_alloc) {
        fail(CHQ_STATUS_STATE, "the model was loaded with no_alloc");
    }
}

// What is saved besides the payload.
struct labels {
    const int32_t * tokens;
    int32_t         n_tokens;
    const uint8_t * note;
    int32_t         n_note;
    const float   * logits; // or NULL
    const std::vector<embedded_span> * spans; // or NULL
};

static int32_t cells_of(const std::vector<embedded_span> * spans) {
    int32_t n = 0;
    if (spans) {
        for (const embedded_span & span : *spans) {
            n += span.n_cells;
        }
    }
    return n;
}

static void check_labels(const chq_context * context, const labels & l) {
    if (l.n_tokens < 0 || (l.n_tokens > 0 && !l.tokens)) {
        fail(CHQ_STATUS_ARGUMENT, "tokens is NULL or their number negative");
    }
    if (l.n_note < 0 || (l.n_note > 0 && !l.note)) {
        fail(CHQ_STATUS_ARGUMENT, "note is NULL or its length negative");
    }
    std::vector<int32_t> tokens(l.tokens, l.tokens + l.n_tokens);
    tokens.erase(std::remove(tokens.begin(), tokens.end(), CHQ_STATE_ROW), tokens.end());
    check_tokens(context->model, tokens.data(), (int32_t) tokens.size());
    if (l.n_tokens - (int32_t) tokens.size() != cells_of(l.spans)) {
        fail(CHQ_STATUS_ARGUMENT, "%d tokens stand for rows of embeddings, the sequence has %d", l.n_tokens - (int32_t) tokens.size(), cells_of(l.spans));
    }
}

// Writes a state whose payload `write` gives. CHQ_STATUS_BUFFER if the capacity is too small.
template <typename Write>
static chq_status write_state(
        const chq_context * context, chq_state_kind kind, const labels & l, size_t n_payload, Write write, uint8_t * data, size_t capacity, size_t * size) {
    if (n_payload == 0) {
        fail(CHQ_STATUS_COMPUTE, "the state cannot be read: %s", captured_errors());
    }
    state_header h = header_of(context);
    h.kind      = kind;
    h.n_tokens  = (uint32_t) l.n_tokens;
    h.n_note    = (uint32_t) l.n_note;
    h.n_logits  = l.logits ? (uint64_t) context->n_vocab : 0;
    h.n_payload = n_payload;
    h.n_spans   = l.spans ? (uint32_t) l.spans->size() : 0;
    *size = (size_t) state_bytes(h);
    if (capacity < *size) {
        set_error("%zu bytes are needed, the buffer has %zu", *size, capacity);
        return CHQ_STATUS_BUFFER;
    }
    check_pointer(data, "data");

    uint8_t * const body    = data + head_bytes(h);
    uint8_t * const payload = body + logits_bytes(h);
    uint8_t * at = std::copy_n((const uint8_t *) l.tokens, (size_t) l.n_tokens * sizeof(int32_t), data + sizeof(h));
    for (uint32_t i = 0; i < h.n_spans; ++i) {
        const embedded_span & s = (*l.spans)[i];
        const state_span span = { s.begin, s.n_positions, s.n_cells };
        at = std::copy_n((const uint8_t *) &span, sizeof(span), at);
    }
    at = std::copy_n(l.note, l.n_note, at);
    std::fill(at, body, (uint8_t) 0);
    at = std::copy_n((const uint8_t *) l.logits, (size_t) h.n_logits * sizeof(float), body);
    std::fill(at, payload, (uint8_t) 0);
    if (write(payload) != n_payload) {
        fail(CHQ_STATUS_COMPUTE, "the state cannot be read: %s", captured_errors());
    }
    write_header(h, data);
    return CHQ_STATUS_OK;
}

static const float * last_row(chq_context * context) {
    const float * rows = logits_of(context);
    if (!rows) {
        fail(CHQ_STATUS_STATE, "the last decode left no logits to be saved");
    }
    return rows + (int64_t) (context->n_rows - 1) * context->n_vocab;
}

// From here on the context's last logits are those at data.
static void take_row(chq_context * context, const uint8_t * data) {
    context->restored_row.resize((size_t) context->n_vocab);
    memcpy(context->restored_row.data(), data, context->restored_row.size() * sizeof(float));
    context->n_rows    = 1;
    context->rows_data = context->restored_row.data();
}

// What came as embeddings, from a head that is right.
static std::vector<embedded_span> spans_of(const state_header & h, const uint8_t * data) {
    std::vector<embedded_span> spans;
    int64_t end = 0;
    int64_t n_cells = 0;
    for (uint32_t i = 0; i < h.n_spans; ++i) {
        state_span s;
        memcpy(&s, data + spans_at(h) + (size_t) i * sizeof(s), sizeof(s));
        if (s.begin < end || s.n_positions < 1 || s.n_cells < 1) {
            fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: its parts of embeddings make no sense");
        }
        end      = (int64_t) s.begin + s.n_positions;
        n_cells += s.n_cells;
        spans.push_back({ s.begin, s.n_positions, s.n_cells });
    }
    if (end > INT32_MAX || n_cells > (int64_t) h.n_tokens) {
        fail(CHQ_STATUS_ARGUMENT, "the saved state is damaged: its parts of embeddings make no sense");
    }
    return spans;
}

// The state of a sequence, kept while another one is put into its place.
class undo {
public:
    undo(chq_context * context, int32_t seq_id) : context_(context), seq_id_(seq_id), shared_(shares_cells(context, seq_id)) {
        if (llama_memory_seq_pos_max(context->memory, seq_id) >= 0) {
            before_.resize(llama_state_seq_get_size_ext(context->llama, seq_id, LLAMA_STATE_SEQ_FLAGS_NONE));
            llama_state_seq_get_data_ext(context->llama, before_.data(), before_.size(), seq_id, LLAMA_STATE_SEQ_FLAGS_NONE);
        }
    }

    // Whether the sequence is as it was; if not, it is empty.
    bool operator()() {
        llama_memory_seq_rm(context_->memory, seq_id_, -1, -1);
        context_->sparse.forget();
        const bool undone = !loss_noted() && (before_.empty() || llama_state_seq_set_data_ext(
            context_->llama, before_.data(), before_.size(), seq_id_, LLAMA_STATE_SEQ_FLAGS_NONE) == before_.size()) && !loss_noted();
        if (!undone) {
            llama_memory_seq_rm(context_->memory, seq_id_, -1, -1);
        }
        if (!undone || shared_) {
            unshare_cells(context_, seq_id_);
        }
        if (!undone) {
            drop_spans(context_, seq_id_, 0, -1);
        }
        return undone;
    }

private:
    chq_context        * context_;
    int32_t              seq_id_;
    bool                 shared_;
    std::vector<uint8_t> before_;
};

} // namespace chq

using namespace chq;

chq_status chq_state_fit(struct chq_context * context, uint64_t * fit) {
    return guarded({ context }, [&] {
        check_context(context);
        check_pointer(fit, "fit");
        *fit = fit_of(header_of(context));
        return CHQ_STATUS_OK;
    });
}

chq_status chq_seq_save(
        struct chq_context * context,
        int32_t              seq_id,
        const int32_t      * tokens,
        int32_t              n_tokens,
        const uint8_t      * note,
        int32_t              n_note,
        bool                 with_logits,
        uint8_t            * data,
        size_t               capacity,
        size_t             * size) {
    return guarded({ context }, [&] {
        check_stateful(context);
        check_sequence(context, seq_id);
        check_pointer(size, "size");
        labels l = { tokens, n_tokens, note, n_note, nullptr, &context->spans[seq_id] };
        check_labels(context, l);
        prepare_change(context);
        update_memory(context);
        l.logits = with_logits ? last_row(context) : nullptr;
        const size_t n_payload = llama_state_seq_get_size_ext(context->llama, seq_id, LLAMA_STATE_SEQ_FLAGS_NONE);
        const auto   write     = [&](uint8_t * payload) {
            return llama_state_seq_get_data_ext(context->llama, payload, n_payload, seq_id, LLAMA_STATE_SEQ_FLAGS_NONE);
        };
        return write_state(context, CHQ_STATE_SEQUENCE, l, n_payload, write, data, capacity, size);
    });
}

chq_status chq_seq_restore(
        struct chq_context * context,
        int32_t              seq_id,
        const uint8_t      * data,
        size_t               size,
        bool                 checked,
        int32_t            * tokens,
        int32_t              capacity,
        int32_t            * n_tokens,
        bool               * logits) {
    return guarded({ context }, [&] {
        check_stateful(context);
        check_sequence(context, seq_id);
        check_pointer(data, "data");
        check_pointer(n_tokens, "n_tokens");
        if (capacity < 0 || (capacity > 0 && !tokens)) {
            fail(CHQ_STATUS_ARGUMENT, "tokens is NULL or its capacity negative");
        }
        const state_header h = check_state(context, data, size, checked, CHQ_STATE_SEQUENCE);
        const std::vector<embedded_span> spans = spans_of(h, data);
        *n_tokens = (int32_t) h.n_tokens;
        if ((uint32_t) capacity < h.n_tokens) {
            set_error("%u tokens are stored, the buffer has room for %d", h.n_tokens, capacity);
            return CHQ_STATUS_BUFFER;
        }
        prepare_change(context);
        update_memory(context);

        // What only llama.cpp can find out, e.g. that there are too few cells, it finds out after emptying the sequence.
        undo undo_restore(context, seq_id);
        const uint8_t * body = data + head_bytes(h);
        context->sparse.forget();
        if (llama_state_seq_set_data_ext(context->llama, body + logits_bytes(h), h.n_payload, seq_id, LLAMA_STATE_SEQ_FLAGS_NONE) != h.n_payload || loss_noted()) {
            const std::string reason = captured_errors();
            const bool undone = undo_restore();
            fail(reason.find("available cells") != std::string::npos ? CHQ_STATUS_CONTEXT_FULL : CHQ_STATUS_ARGUMENT,
                "the saved state cannot be restored%s: %s", undone ? "" : ", and the sequence is empty now", reason.c_str());
        }
        context->n_holes[seq_id] = 0;
        context->spans[seq_id] = spans;
        unshare_cells(context, seq_id);
        std::copy_n((const int32_t *) (data + sizeof(h)), h.n_tokens, tokens);
        const bool row = h.n_logits > 0 && context->top_k == 0;
        if (row) {
            take_row(context, body);
        }
        if (logits) {
            *logits = row;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_context_save(
        struct chq_context * context,
        const int32_t      * tokens,
        int32_t              n_tokens,
        const uint8_t      * note,
        int32_t              n_note,
        uint8_t            * data,
        size_t               capacity,
        size_t             * size) {
    return guarded({ context }, [&] {
        check_stateful(context);
        check_pointer(size, "size");
        const labels l = { tokens, n_tokens, note, n_note, nullptr, nullptr };
        check_labels(context, l);
        for (const std::vector<embedded_span> & spans : context->spans) {
            if (!spans.empty()) {
                fail(CHQ_STATUS_UNSUPPORTED, "a sequence holds embeddings, which a saved state cannot name");
            }
        }
        for (int32_t holes : context->n_holes) {
            if (holes > 0) {
                fail(CHQ_STATUS_UNSUPPORTED, "positions were forgotten in the middle of a sequence");
            }
        }
        prepare_change(context);
        update_memory(context);
        const size_t n_payload = llama_state_get_size(context->llama);
        const auto   write     = [&](uint8_t * payload) { return llama_state_get_data(context->llama, payload, n_payload); };
        return write_state(context, CHQ_STATE_CONTEXT, l, n_payload, write, data, capacity, size);
    });
}

chq_status chq_context_restore(struct chq_context * context, const uint8_t * data, size_t size, bool checked) {
    return guarded({ context }, [&] {
        check_stateful(context);
        check_pointer(data, "data");
        const state_header h = check_state(context, data, size, checked, CHQ_STATE_CONTEXT);
        prepare_change(context);
        for (int32_t s = 0; s < context->n_seq_max; ++s) {
            if (llama_memory_seq_pos_max(context->memory, s) >= 0) {
                fail(CHQ_STATUS_STATE, "sequence %d of the context is not empty", s);
            }
        }
        update_memory(context);
        forget_rows(context);
        context->sparse.forget();
        const size_t n_read = llama_state_set_data(context->llama, data + head_bytes(h) + logits_bytes(h), h.n_payload);
        if (n_read != h.n_payload || loss_noted()) {
            const std::string reason = captured_errors();
            llama_memory_clear(context->memory, false);
            const bool full = reason.find("not enough cells") != std::string::npos || reason.find("invalid seq_id") != std::string::npos;
            fail(full ? CHQ_STATUS_CONTEXT_FULL : CHQ_STATUS_ARGUMENT, "the saved state cannot be restored: %s", reason.c_str());
        }
        // A payload of a context with more sequences must not come to lie in ids that are kept for branches.
        for (int32_t s = context->n_seq_max; s < (int32_t) llama_n_seq_max(context->llama); ++s) {
            if (llama_memory_seq_pos_max(context->memory, s) >= 0) {
                llama_memory_clear(context->memory, false);
                fail(CHQ_STATUS_CONTEXT_FULL, "the saved state has more than %d sequences", context->n_seq_max);
            }
        }
        // Which of them share cells, the payload knows and llama.h does not tell.
        if (context->kv_unified) {
            std::fill(context->cell_group.begin(), context->cell_group.end(), context->next_group++);
        }
        return CHQ_STATUS_OK;
    });
}
