#include "chasqui_batch.h"

#include "context/context.h"
#include "sampler/sampler.h"
#include "speculation/speculation.h"

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
    chq_sampled          * picked;
    char                 * text;
    int32_t                capacity;

    std::vector<int32_t>        begin;   // of each slot: the position of its first token
    std::vector<int32_t>        guessed; // of each slot: tokens of its speculation's tree that are computed with it
    std::vector<int32_t>        tokens;  // of the slots that take part
    std::vector<llama_seq_id *> seq;
    int32_t                     n_guessed = 0;
    double                      plain     = 0; // seconds that a pass without guesses would take
    double                      seconds   = 0; // of the pass

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

    int32_t n_picking() const {
        int32_t n = 0;
        for (int32_t i = 0; i < n_slots; ++i) {
            n += picks(i);
        }
        return n;
    }

    // Whether the sampler of a slot picks, and whether it follows a text that can be guessed from.
    bool picks(int32_t i) const { return takes_part(i) && slots[i].sampler; }
    bool follows(int32_t i) const { return picks(i) && slots[i].speculation && slots[i].speculation->planner.length() > 0; }
};

void check_step(const step & s, const int32_t * tokens, int32_t n_tokens) {
    check_pointer(s.slots,   "slots");
    check_pointer(tokens,    "tokens");
    check_pointer(s.results, "results");
    check_pointer(s.picked,  "picked");
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
    if (slot.speculation) {
        check_speculation(slot.speculation);
        if (slot.speculation->context != context) {
            fail(CHQ_STATUS_ARGUMENT, "the speculation is another context's");
        }
        if (!slot.sampler || slot.n_tokens != 1 || slot.n_most < 1) {
            fail(CHQ_STATUS_ARGUMENT, "a slot with a speculation has a sampler, one token (%d) and room for a pick (%d)", slot.n_tokens, slot.n_most);
        }
        if (slot.speculation->planner.length() > 0) { // else there was no memory for the text
            check_follows(slot.speculation, slot.seq_id);
            if (slot.speculation->planner.last() != *tokens) {
                fail(CHQ_STATUS_STATE, "token %d is not the last one of the speculation's text", *tokens);
            }
        }
    }
    const int32_t held = llama_memory_seq_pos_max(context->memory, slot.seq_id) + 1;
    const int32_t most = context->model->recurrent ? INT32_MAX - 1 : context->n_ctx_seq;
    if (slot.n_tokens > most - held) {
        fail_full(slot.n_tokens, std::max(0, most - held));
    }
}

// Checks the slots one by one.
void check_slots(step & s, const int32_t * tokens) {
    for (int32_t i = 0; i < s.n_slots; tokens += s.slots[i].n_tokens, ++i) {
        s.results[i] = {};
        s.alone(i, nullptr, [&] { check_slot(s.context, s.slots[i], tokens); });
        s.begin[i] = s.takes_part(i) ? llama_memory_seq_pos_max(s.context->memory, s.slots[i].seq_id) + 1 : 0;
    }
}

// Has the speculations guess, as chains, and takes the most probable tokens of all of them, as many as give most tokens a second.
void guess(step & s, int32_t n_spare) {
    chq_context * const context = s.context;
    const int32_t n_outputs = s.n_picking();
    int32_t n_rows = 0;
    for (int32_t i = 0; i < s.n_slots; ++i) {
        n_rows += s.takes_part(i) ? s.slots[i].n_tokens : 0;
        if (s.follows(i)) {
            s.slots[i].speculation->tree.reset(s.slots[i].speculation->planner.last());
        }
    }
    const int32_t most = std::min({ n_spare, pass_cost::MOST - n_rows, context->n_outputs_max - n_outputs, context->n_batch - n_rows, context->n_ubatch - n_rows });
    if (n_rows == 0 || n_rows > pass_cost::MOST) {
        return;
    }
    s.plain = context->pass_cost.of(n_rows);
    struct option {
        float   path;
        int32_t slot;
        bool    fixed;
    };
    std::vector<option> options;
    double allowance = 0;
    for (int32_t i = 0; i < s.n_slots; ++i) {
        if (!s.follows(i)) {
            continue;
        }
        chq_speculation * const by = s.slots[i].speculation;
        const int32_t n = std::min({ by->params.n_draft, most, s.slots[i].n_most - 1, room_of(context, s.slots[i].seq_id) - 1 });
        if (n < 1 || (!by->params.fixed && (s.plain == 0 || by->back_off.rests()))) {
            continue;
        }
        s.alone(i, s.slots[i].sampler, [&] {
            try {
                guess(by, s.slots[i].sampler, { by->params.sources, n, 1, n, 0 }, true);
            } catch (const ggml_aborted &) {
                throw;
            } catch (...) {
                by->tree.reset(by->planner.last()); // it goes on without a guess
            }
        });
        if (!s.takes_part(i)) {
            continue;
        }
        for (int32_t node = 1; node < by->tree.size(); ++node) {
            options.push_back({ by->tree.nodes[(size_t) node].probability, i, by->params.fixed });
        }
        allowance = std::max(allowance, by->back_off.allowance());
    }
    std::stable_sort(options.begin(), options.end(), [](const option & a, const option & b) { return a.fixed != b.fixed ? a.fixed : a.path > b.path; });
    options.resize(std::min(options.size(), (size_t) std::max(0, most)));

    double expected = n_outputs;
    double best     = s.plain > 0 ? planner::LEAST_GAIN * expected / s.plain : 0;
    size_t keep     = 0;
    for (size_t k = 0; k < options.size(); ++k) {
        expected += options[k].path;
        const double seconds = context->pass_cost.of(n_rows + (int32_t) k + 1);
        if (options[k].fixed || (expected > best * seconds && seconds <= s.plain * (1 + allowance))) {
            best = seconds > 0 ? expected / seconds : best;
            keep = k + 1;
        }
    }
    for (size_t k = 0; k < keep; ++k) {
        s.guessed[options[k].slot]++;
    }
    s.n_guessed = (int32_t) keep;
}

void forget_guesses(step & s) {
    std::fill(s.guessed.begin(), s.guessed.end(), 0);
    s.n_guessed = 0;
}

// Gathers the tokens of the slots that take part and what is guessed to follow them, with the positions and outputs in the context's own arrays.
int32_t gather(step & s, const int32_t * tokens) {
    chq_context * context = s.context;
    s.tokens.clear();
    s.seq.clear();
    int32_t n_outputs = 0;
    for (int32_t i = 0; i < s.n_slots; tokens += s.slots[i].n_tokens, ++i) {
        const chq_batch_slot & slot = s.slots[i];
        if (!s.takes_part(i)) {
            continue;
        }
        if (s.follows(i)) {
            slot.speculation->tree.truncate(1 + s.guessed[i]);
        }
        for (int32_t t = 0; t < slot.n_tokens + s.guessed[i]; ++t) {
            const size_t n = s.tokens.size();
            context->batch_pos[n]    = s.begin[i] + t;
            context->batch_output[n] = slot.sampler && t >= slot.n_tokens - 1;
            s.tokens.push_back(t < slot.n_tokens ? tokens[t] : slot.speculation->tree.nodes[(size_t) (t - slot.n_tokens + 1)].token);
            s.seq.push_back(const_cast<llama_seq_id *>(&slot.seq_id)); // read only
        }
        n_outputs += slot.sampler ? 1 + s.guessed[i] : 0;
    }
    return n_outputs;
}

// Takes the guessed tokens out of a slot's sequence again, but for the first `kept`.
void take_back(step & s, int32_t i, int32_t kept) {
    if (s.guessed[i] > kept) {
        prepare_change(s.context);
        llama_memory_seq_rm(s.context->memory, s.slots[i].seq_id, s.begin[i] + s.slots[i].n_tokens + kept, -1);
    }
}

// After a pass that ended early: what its complete micro-batches left.
void count_done(step & s) {
    for (int32_t i = 0; i < s.n_slots; ++i) {
        if (s.takes_part(i)) {
            take_back(s, i, 0);
            const int32_t end = llama_memory_seq_pos_max(s.context->memory, s.slots[i].seq_id) + 1;
            s.results[i].n_done = std::max(0, end - s.begin[i]);
        }
    }
}

// False if there are fewer cells than guesses were made for; nothing is changed then.
bool decode(step & s, int32_t n_outputs) {
    chq_context * context = s.context;
    stopwatch watch;
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
    if (code == 1 && s.n_guessed > 0) {
        return false;
    }
    if (code == 1) {
        fail(CHQ_STATUS_CONTEXT_FULL, "the context is full: the KV cache has no room for %d tokens", batch.n_tokens);
    }
    if (code != 0) {
        count_done(s);
        fail_decode(code);
    }
    context->retired_pools.clear();
    context->n_rows = n_outputs;
    logits_of(context); // waits for them
    s.seconds = watch.lap();
    if (n_outputs > 0 && batch.n_tokens <= pass_cost::MOST) {
        context->pass_cost.record(batch.n_tokens, s.seconds);
    }
    return true;
}

// The tokens that the sampler of a slot picks from its rows: one after the other for as long as the guesses are what it picks.
void pick(step & s, int32_t i, const float * rows) {
    const chq_batch_slot & slot   = s.slots[i];
    chq_batch_result     & result = s.results[i];
    chq_sampled * const    out    = s.picked + (size_t) i * CHQ_BATCH_PICKS;
    char * const           text   = s.text + (size_t) i * s.capacity;
    for (;;) {
        chq_sampled & token = out[result.n_picked];
        try {
            pick_row(s.context, slot.sampler, rows + (size_t) result.n_picked * s.context->n_vocab, slot.special, &token, text + result.n_text, s.capacity - result.n_text,
                s.context->candidates);
        } catch (const ggml_aborted &) {
            throw;
        } catch (...) {
            if (result.n_picked == 0) {
                throw;
            }
            return; // it comes again with the next step
        }
        result.n_text += token.n_piece <= s.capacity - result.n_text ? token.n_piece : 0;
        result.n_picked++;
        const bool more = result.n_picked <= s.guessed[i] && slot.speculation->tree.nodes[(size_t) result.n_picked].token == token.token;
        if (!more || (token.is_end && !slot.go_on)) {
            return;
        }
    }
}

void pick(step & s) {
    const int32_t n_picking = s.n_picking();
    const float * rows      = logits_of(s.context);
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
        s.alone(i, slot.sampler, [&] { pick(s, i, rows); });
        if (!s.takes_part(i)) {
            result.n_picked = 0;
        }
        const int32_t n = result.n_picked;
        take_back(s, i, std::max(0, n - 1));
        result.n_done += std::max(0, n - 1);
        if (n > 0 && s.follows(i)) {
            chq_speculation * const by = slot.speculation;
            if (s.guessed[i] > 0 && s.plain > 0) {
                // of the time that the pass took longer, its share, as tokens that all could have had
                const double longer = std::max(0.0, s.seconds / s.plain - 1) * n_picking * s.guessed[i] / s.n_guessed;
                by->back_off.record(n, s.plain * (1 + longer), s.plain);
            }
            by->stats.target_seconds += s.seconds;
            end_step(by, s.plain > 0 ? rows : nullptr, n - 1, s.picked + (size_t) i * CHQ_BATCH_PICKS, n, false);
        }
        rows += (size_t) s.context->n_vocab * (size_t) (1 + s.guessed[i]);
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
        int32_t                       n_spare,
        struct chq_batch_result     * results,
        struct chq_sampled          * picked,
        char                        * text,
        int32_t                       capacity) {
    return guarded({ context }, [&] {
        check_decodable(context);
        check_generates(context);
        step s = { context, slots, n_slots, results, picked, text, capacity, {}, {}, {}, {} };
        check_step(s, tokens, n_tokens);
        s.begin.resize((size_t) n_slots);
        s.guessed.resize((size_t) n_slots);
        check_slots(s, tokens);
        guess(s, n_spare);
        s.tokens.reserve((size_t) (n_tokens + s.n_guessed));
        s.seq.reserve((size_t) (n_tokens + s.n_guessed));
        int32_t n_outputs = gather(s, tokens);
        if (s.tokens.empty()) {
            return CHQ_STATUS_OK;
        }
        if (!decode(s, n_outputs)) {
            forget_guesses(s);
            n_outputs = gather(s, tokens);
            decode(s, n_outputs);
        }
        pick(s);
        return CHQ_STATUS_OK;
    });
}
