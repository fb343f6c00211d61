#include "chasqui_batch.h"

#include "context/context.h"
#include "sampler/sampler.h"

#include <algorithm>
#include <climits>
#include <cstring>

namespace chq {

namespace {

struct step {
    chq_context          * context;
    const chq_batch_slot * slots;
    int32_t                n_slots;
    chq_batch_result     * results;
    char                 * text;
    int32_t                capacity;

    std::vector<int32_t>        begin;  // of each slot: the position of its first token
    std::vector<int32_t>        tokens; // of the slots that take part
    std::vector<llama_seq_id *> seq;

    // The sentence of the thread's last failure becomes that of the slot.
    void failed(int32_t i, chq_status status) {
        chq_batch_result & result = results[i];
        const size_t n = strlen(last_error());
        result.status = status;
        result.n_text = (int32_t) std::min(n, (size_t) capacity);
        memcpy(text + (size_t) i * capacity, last_error(), (size_t) result.n_text);
    }

    // Runs what concerns one slot; whatever goes wrong there is its own. touched: what an abort of ggml poisons
    template <typename F>
    void alone(int32_t i, handle * touched, F && body) {
        const chq_status status = guarded({ touched }, [&] {
            body();
            return CHQ_STATUS_OK;
        });
        if (status != CHQ_STATUS_OK) {
            failed(i, status);
        }
    }

    bool takes_part(int32_t i) const { return results[i].status == CHQ_STATUS_OK; }
};

void check_step(const step & s, const int32_t * tokens, int32_t n_tokens) {
    check_pointer(s.slots,   "slots");
    check_pointer(tokens,    "tokens");
    check_pointer(s.results, "results");
    check_pointer(s.text,    "text");
    if (s.capacity < 1) {
        fail(CHQ_STATUS_ARGUMENT, "capacity = %d", s.capacity);
    }
    if (s.n_slots < 1 || s.n_slots > s.context->n_seq_max) {
        fail(CHQ_STATUS_ARGUMENT, "n_slots = %d is not in 1..%d (n_seq_max)", s.n_slots, s.context->n_seq_max);
    }
    if (n_tokens < 1 || n_tokens > s.context->n_batch) {
        fail(CHQ_STATUS_ARGUMENT, "n_tokens = %d is not in 1..%d (n_batch)", n_tokens, s.context->n_batch);
    }
    int64_t sum      = 0;
    int32_t n_picked = 0;
    std::vector<bool> taken((size_t) s.context->n_seq_max);
    for (int32_t i = 0; i < s.n_slots; ++i) {
        const chq_batch_slot & slot = s.slots[i];
        if (slot.n_tokens < 1) {
            fail(CHQ_STATUS_ARGUMENT, "slot %d has %d tokens", i, slot.n_tokens);
        }
        if (slot.seq_id >= 0 && slot.seq_id < s.context->n_seq_max) {
            if (taken[(size_t) slot.seq_id]) {
                fail(CHQ_STATUS_ARGUMENT, "sequence %d is in two slots", slot.seq_id);
            }
            taken[(size_t) slot.seq_id] = true;
        }
        sum      += slot.n_tokens;
        n_picked += slot.sampler != nullptr;
    }
    if (sum != n_tokens) {
        fail(CHQ_STATUS_ARGUMENT, "the slots have %lld tokens, n_tokens = %d", (long long) sum, n_tokens);
    }
    if (n_picked > s.context->n_outputs_max) {
        fail(CHQ_STATUS_ARGUMENT, "%d slots with a sampler are more than n_outputs_max = %d", n_picked, s.context->n_outputs_max);
    }
}

void check_generates(const chq_context * context) {
    check_memory(context);
    if (context->embeddings || !context->causal) {
        fail(CHQ_STATUS_UNSUPPORTED, "the context gives embeddings");
    }
    if (context->top_k > 0) {
        fail(CHQ_STATUS_STATE, "the context leaves the best tokens instead of logits: chq_context_set_top_k");
    }
}

void check_slot(const chq_context * context, const chq_batch_slot & slot, const int32_t * tokens) {
    check_sequence(context, slot.seq_id);
    check_tokens(context->model, tokens, slot.n_tokens);
    if (slot.sampler) {
        check_sampler(slot.sampler);
        check_picks_for(slot.sampler, context->n_vocab);
    }
    const int32_t held = llama_memory_seq_pos_max(context->memory, slot.seq_id) + 1;
    const int32_t most = context->model->recurrent ? INT32_MAX - 1 : context->n_ctx_seq;
    if (slot.n_tokens > most - held) {
        fail_full(slot.n_tokens, std::max(0, most - held));
    }
}

// Checks the slots one by one and gathers the tokens of those that take part, with the positions and outputs in the context's own arrays.
int32_t gather(step & s, const int32_t * tokens) {
    chq_context * context = s.context;
    int32_t n_outputs = 0;
    for (int32_t i = 0; i < s.n_slots; tokens += s.slots[i].n_tokens, ++i) {
        const chq_batch_slot & slot = s.slots[i];
        s.results[i] = {};
        s.alone(i, nullptr, [&] { check_slot(context, slot, tokens); });
        if (!s.takes_part(i)) {
            continue;
        }
        s.begin[i] = llama_memory_seq_pos_max(context->memory, slot.seq_id) + 1;
        for (int32_t t = 0; t < slot.n_tokens; ++t) {
            const size_t n = s.tokens.size();
            context->batch_pos[n]    = s.begin[i] + t;
            context->batch_output[n] = slot.sampler && t == slot.n_tokens - 1;
            s.tokens.push_back(tokens[t]);
            s.seq.push_back(const_cast<llama_seq_id *>(&slot.seq_id)); // read only
        }
        n_outputs += slot.sampler != nullptr;
    }
    return n_outputs;
}

// After a pass that ended early: what its complete micro-batches left.
void count_done(step & s) {
    for (int32_t i = 0; i < s.n_slots; ++i) {
        if (s.takes_part(i)) {
            const int32_t end = llama_memory_seq_pos_max(s.context->memory, s.slots[i].seq_id) + 1;
            s.results[i].n_done = std::max(0, end - s.begin[i]);
        }
    }
}

void decode(step & s, int32_t n_outputs) {
    chq_context * context = s.context;
    const llama_batch batch = {
        /*.n_tokens =*/ (int32_t) s.tokens.size(),
        /*.token    =*/ s.tokens.data(),
        /*.embd     =*/ nullptr,
        /*.pos      =*/ context->batch_pos.data(),
        /*.n_seq_id =*/ context->batch_n_seq.data(),
        /*.seq_id   =*/ s.seq.data(),
        /*.logits   =*/ context->batch_output.data(),
    };
    forget_rows(context);
    const int32_t code = decode_batch(context, batch, n_outputs);
    context->needs_update &= code == -1; // any other batch got past the update
    if (code == 1) {
        fail(CHQ_STATUS_CONTEXT_FULL, "the context is full: the KV cache has no room for %d tokens", batch.n_tokens);
    }
    if (code != 0) {
        count_done(s);
        fail_decode(code);
    }
    context->retired_pools.clear();
    context->n_rows = n_outputs;
}

void pick(step & s) {
    const float * row = logits_of(s.context);
    for (int32_t i = 0; i < s.n_slots; ++i) {
        if (!s.takes_part(i)) {
            continue;
        }
        const chq_batch_slot & slot   = s.slots[i];
        chq_batch_result     & result = s.results[i];
        result.n_done = slot.n_tokens;
        if (!slot.sampler) {
            continue;
        }
        s.alone(i, slot.sampler, [&] {
            pick_row(s.context, slot.sampler, row, slot.special, &result.sampled, s.text + (size_t) i * s.capacity, s.capacity, s.context->candidates);
            result.n_text = result.sampled.n_piece <= s.capacity ? result.sampled.n_piece : 0;
        });
        row += s.context->n_vocab;
    }
}

} // namespace

} // namespace chq

using namespace chq;

chq_status chq_batch_step(
        struct chq_context          * context,
        const struct chq_batch_slot * slots,
        int32_t                       n_slots,
        const int32_t               * tokens,
        int32_t                       n_tokens,
        struct chq_batch_result     * results,
        char                        * text,
        int32_t                       capacity) {
    return guarded({ context }, [&] {
        check_decodable(context);
        check_generates(context);
        step s = { context, slots, n_slots, results, text, capacity, {}, {}, {} };
        check_step(s, tokens, n_tokens);
        s.begin.resize((size_t) n_slots);
        s.tokens.reserve((size_t) n_tokens);
        s.seq.reserve((size_t) n_tokens);
        const int32_t n_outputs = gather(s, tokens);
        if (!s.tokens.empty()) {
            decode(s, n_outputs);
            pick(s);
        }
        return CHQ_STATUS_OK;
    });
}
