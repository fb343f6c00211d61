#include "context/context.h"

#include <algorithm>
#include <climits>

namespace chq {

void share_cells(chq_context * context, int32_t a, int32_t b) {
    const int32_t old = context->cell_group[b];
    if (old == context->cell_group[a]) {
        return;
    }
    for (int32_t & group : context->cell_group) {
        if (group == old) {
            group = context->cell_group[a];
        }
    }
}

void unshare_cells(chq_context * context, int32_t seq_id) {
    context->cell_group[seq_id] = context->next_group++;
}

bool shares_cells(const chq_context * context, int32_t seq_id) {
    for (int32_t other = 0; other < context->n_seq_max; ++other) {
        if (other != seq_id && context->cell_group[other] == context->cell_group[seq_id]) {
            return true;
        }
    }
    return false;
}

// llama.h has no call for it, a decode does it first of all. A token is added to an unused or the first sequence and
// taken away again; that the cache may have no room for it does not matter, as the update is done by then.
void update_memory(chq_context * context) {
    if (!context->needs_update) {
        return;
    }
    int32_t seq_id = 0;
    for (int32_t s = 0; s < context->n_seq_max; ++s) {
        if (llama_memory_seq_pos_max(context->memory, s) < 0) {
            seq_id = s;
            break;
        }
    }
    const int32_t begin = llama_memory_seq_pos_max(context->memory, seq_id) + 1;
    llama_token    token  = 0;
    llama_pos      pos    = begin;
    int32_t        n_seq  = 1;
    llama_seq_id * seq    = &seq_id;
    int8_t         output = context->embeddings;
    const llama_batch batch = { 1, &token, nullptr, &pos, &n_seq, &seq, &output };

    forget_rows(context);
    context->tier.begin();
    const int32_t code = llama_decode(context->llama, batch);
    if (context->tier.broken()) {
        clear_context(context);
    }
    fail_if_remote_lost();
    if (code == 0) {
        llama_memory_seq_rm(context->memory, seq_id, begin, -1);
    }
    if (code != 0 && code != 1 && code != 2) {
        fail(CHQ_STATUS_COMPUTE, "pending changes of the KV cache could not be carried out: %s", captured_errors());
    }
    context->needs_update = false;
}

void clear_context(chq_context * context) {
    if (context->memory) {
        llama_memory_clear(context->memory, false);
    }
    context->flight.pending = false;
    context->branches.trunk = -1;
    std::fill(context->branches.end.begin(), context->branches.end.end(), 0);
    std::fill(context->n_holes.begin(), context->n_holes.end(), 0);
    for (std::vector<embedded_span> & spans : context->spans) {
        spans.clear();
    }
    for (int32_t s = 0; s < context->n_seq_max; ++s) {
        unshare_cells(context, s);
    }
    context->needs_update = false;
    forget_rows(context);
}

} // namespace chq

using namespace chq;

// llama.cpp reads a negative bound as open, which would make a caller's arithmetic slip remove everything.
static void check_span(int32_t p0, int32_t p1) {
    if (p0 < 0 || (p1 >= 0 && p1 < p0)) {
        fail(CHQ_STATUS_ARGUMENT, "[%d, %d) is not a range of positions", p0, p1);
    }
}

chq_status chq_seq_range(struct chq_context * context, int32_t seq_id, int32_t * first, int32_t * last) {
    return guarded({ context }, [&] {
        check_context(context);
        check_sequence(context, seq_id);
        llama_memory_t memory = check_memory(context);
        if (first) {
            *first = llama_memory_seq_pos_min(memory, seq_id);
        }
        if (last) {
            *last = llama_memory_seq_pos_max(memory, seq_id);
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_seq_remove(struct chq_context * context, int32_t seq_id, int32_t p0, int32_t p1) {
    return guarded({ context }, [&] {
        check_context(context);
        check_sequence(context, seq_id);
        check_span(p0, p1);
        llama_memory_t memory = check_memory(context);
        const int32_t first = llama_memory_seq_pos_min(memory, seq_id);
        const int32_t last  = llama_memory_seq_pos_max(memory, seq_id);
        if (last < 0 || p0 > last || p0 == p1) {
            return CHQ_STATUS_OK; // nothing there
        }
        check_span_cut(context, seq_id, p0, p1);
        prepare_change(context);
        // With a sliding window the cells before p0 may be gone, and what follows p0 would attend to nothing.
        const int32_t n_swa = llama_model_n_swa(context->model->llama);
        const bool tail = p1 < 0 || p1 > last;
        if (n_swa > 0 && tail && p0 > 0 && first > std::max(0, p0 - n_swa + 1)) {
            fail(CHQ_STATUS_UNSUPPORTED, "the sliding window has left position %d of sequence %d behind", p0, seq_id);
        }
        if (!llama_memory_seq_rm(memory, seq_id, p0, p1)) {
            fail(CHQ_STATUS_UNSUPPORTED, "this context cannot forget a part of sequence %d, only all of it", seq_id);
        }
        drop_spans(context, seq_id, p0, p1);
        if (llama_memory_seq_pos_max(memory, seq_id) < 0) {
            context->n_holes[seq_id] = 0;
            unshare_cells(context, seq_id);
        } else if (p0 > first && p1 >= 0 && p1 <= last) {
            context->n_holes[seq_id] += p1 - p0;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_seq_copy(struct chq_context * context, int32_t src, int32_t dst) {
    return guarded({ context }, [&] {
        check_context(context);
        check_sequence(context, src);
        check_sequence(context, dst);
        llama_memory_t memory = check_memory(context);
        if (src == dst) {
            return CHQ_STATUS_OK;
        }
        prepare_change(context);
        llama_memory_seq_rm(memory, dst, -1, -1);
        llama_memory_seq_cp(memory, src, dst, -1, -1);
        context->n_holes[dst] = context->n_holes[src];
        context->spans  [dst] = context->spans  [src];
        unshare_cells(context, dst);
        if (context->kv_unified) {
            share_cells(context, src, dst);
        } else {
            context->needs_update = true;
            context->sparse.forget();
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_seq_shift(struct chq_context * context, int32_t seq_id, int32_t p0, int32_t p1, int32_t delta) {
    return guarded({ context }, [&] {
        check_context(context);
        check_sequence(context, seq_id);
        check_span(p0, p1);
        llama_memory_t memory = check_memory(context);
        if (!context->can_shift || context->model->n_pos_per_embd != 1) {
            fail(CHQ_STATUS_UNSUPPORTED, "positions cannot be shifted in this context");
        }
        if (shares_cells(context, seq_id)) {
            fail(CHQ_STATUS_UNSUPPORTED, "sequence %d shares cells with others, whose positions would change as well", seq_id);
        }
        const int32_t first = llama_memory_seq_pos_min(memory, seq_id);
        const int32_t last  = llama_memory_seq_pos_max(memory, seq_id);
        if (last < 0 || p0 > last || p0 == p1 || delta == 0) {
            return CHQ_STATUS_OK;
        }
        // Positions that move onto others of the same sequence, or below 0, would corrupt or silently drop cells.
        const int64_t from = std::max(p0, first);
        const int64_t to   = p1 < 0 ? last : std::min(p1 - 1, last);
        if (from > to) {
            return CHQ_STATUS_OK;
        }
        if (from + delta < 0 || to + delta > INT32_MAX - 1) {
            fail(CHQ_STATUS_ARGUMENT, "shifting [%lld, %lld] by %d leaves the range of positions", (long long) from, (long long) to, delta);
        }
        const bool onto_lower  = delta < 0 && from > first && -(int64_t) delta > context->n_holes[seq_id];
        const bool onto_higher = delta > 0 && to   < last  &&            delta > context->n_holes[seq_id];
        if (onto_lower || onto_higher) {
            fail(CHQ_STATUS_ARGUMENT, "shifting [%lld, %lld] by %d would put two tokens of sequence %d at one position", (long long) from, (long long) to, delta, seq_id);
        }
        check_span_cut(context, seq_id, p0, p1);
        prepare_change(context);
        llama_memory_seq_add(memory, seq_id, p0, p1, delta);
        for (embedded_span & span : context->spans[seq_id]) {
            if (span.begin >= from && span.begin <= to) {
                span.begin += delta;
            }
        }
        context->needs_update = true;
        context->sparse.forget();
        const int32_t n_span_before = last - first;
        const int32_t n_span_after  = llama_memory_seq_pos_max(memory, seq_id) - llama_memory_seq_pos_min(memory, seq_id);
        context->n_holes[seq_id] = std::max(0, context->n_holes[seq_id] + n_span_after - n_span_before);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_context_clear(struct chq_context * context) {
    return guarded({ context }, [&] {
        check_context(context);
        clear_context(context);
        return CHQ_STATUS_OK;
    });
}
