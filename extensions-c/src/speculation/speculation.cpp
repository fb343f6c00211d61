#include "chasqui_speculation.h"

#include "context/context.h"
#include "draft/suffix_automaton.h"
#include "sampler/sampler.h"
#include "speculation/foresight.h"
#include "speculation/pass_cost.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <string>

struct chq_speculation : chq::handle {
    chq_speculation() : handle(chq::KIND_SPECULATION) {}

    chq_context           * context = nullptr;
    int32_t                 limit   = 0; // of a guess
    std::string             reason;      // where that is 0
    chq::suffix_automaton   text;
    int32_t                 last    = -1; // token of the text
    int32_t                 length  = 0;  // of the text
    chq::foresight          foresight;
    chq_speculation_stats   stats   = {};
};

namespace chq {

static_assert(CHQ_DRAFT_MAX + 1 == pass_cost::MOST, "");

static void check_speculation(const chq_speculation * s) { check_handle(s, KIND_SPECULATION, "speculation"); }

static void add(chq_speculation * s, int32_t token, bool counts) {
    if (counts && s->text.match_length() > 0) {
        int32_t expected;
        s->text.continuation(&expected, 1);
        s->foresight.record(s->text.match_length(), expected == token);
    }
    s->text.add(token);
    s->last = token;
    s->length++;
}

// The number of tokens to guess: the one whose pass gives most tokens a second.
static int32_t choose_draft(const chq_speculation * s, int32_t most) {
    const int32_t match = s->text.match_length();
    if (match == 0 || most == 0 || s->context->pass_cost.of(1) == 0) {
        return 0;
    }
    const double plain = 1 / s->context->pass_cost.of(1);
    double expected = 1;
    double reached  = 1;
    double best     = plain;
    int32_t n       = 0;
    for (int32_t i = 1; i <= most; i++) {
        reached  *= s->foresight.probability(match + i - 1);
        expected += reached;
        const double speed = expected / s->context->pass_cost.of(1 + i);
        if (speed > best) {
            best = speed;
            n    = i;
        }
    }
    return n;
}

static void forget_from(chq_speculation * s, int32_t seq_id, int32_t position) {
    llama_memory_seq_rm(s->context->memory, seq_id, position, -1);
    forget_rows(s->context);
}

static int32_t step(chq_speculation * s, int32_t seq_id, chq_sampler * sampler, bool go_on, chq_sampled * out, int32_t capacity) {
    chq_context * const context = s->context;
    const int32_t base = llama_memory_seq_pos_max(context->memory, seq_id) + 1;
    if (s->length == 0 || base != s->length - 1) {
        fail(CHQ_STATUS_STATE, "the sequence holds %d tokens, of a text of %d it must hold all but the last", base, s->length);
    }
    const int32_t most = std::max(0, std::min({ s->limit, capacity - 1, room_of(context, seq_id) - 1 }));
    int32_t batch[CHQ_DRAFT_MAX + 1];
    batch[0] = s->last;
    const int32_t n_draft = s->text.continuation(batch + 1, choose_draft(s, most));
    const int32_t n_rows  = n_draft + 1;

    const auto start = std::chrono::steady_clock::now();
    try {
        decode_tokens(context, seq_id, batch, n_rows, CHQ_OUTPUT_ALL, nullptr);
    } catch (const failure &) {
        forget_from(s, seq_id, base);
        throw;
    }
    const float * const rows = logits_of(context);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (!rows) {
        fail(CHQ_STATUS_STATE, "the decode left no logits");
    }
    s->context->pass_cost.record(n_rows, seconds.count());

    int32_t n = 0;
    try {
        while (n < n_rows) {
            const int32_t token = pick_token(sampler, rows + (int64_t) n * context->n_vocab, true);
            const bool    is_end = context->model->vocab && llama_vocab_is_eog(context->model->vocab, token);
            out[n++] = { token, 0, is_end };
            add(s, token, true);
            if ((is_end && !go_on) || n == n_rows || token != batch[n]) {
                break;
            }
        }
    } catch (const failure &) {
        forget_from(s, seq_id, base + n);
        if (n == 0) {
            throw;
        }
    }
    if (n < n_rows) {
        forget_from(s, seq_id, base + n);
    }
    s->stats.steps++;
    s->stats.tokens   += n;
    s->stats.drafted  += n_draft;
    s->stats.accepted += n - 1;
    return n;
}

} // namespace chq

using namespace chq;

chq_status chq_speculation_create(struct chq_context * context, struct chq_speculation ** out) {
    return guarded([&] {
        check_pointer(out, "out");
        *out = nullptr;
        check_context(context);
        check_memory(context);
        auto s = std::make_unique<chq_speculation>();
        s->context = context;
        s->limit   = std::min({ CHQ_DRAFT_MAX, context->n_outputs_max - 1, context->n_ubatch - 1, context->n_batch - 1 });
        if (context->model->recurrent || llama_model_is_hybrid(context->model->llama)) {
            s->limit  = 0;
            s->reason = "the model's state cannot forget its last tokens";
        } else if (llama_model_n_swa(context->model->llama) > 0 && !context->swa_full) {
            s->limit  = 0;
            s->reason = "the sliding window may have left what a wrong guess needs again";
        } else if (context->embeddings || !context->causal || context->top_k > 0) {
            s->limit  = 0;
            s->reason = "the context leaves no logits";
        } else if (s->limit == 0) {
            s->reason = "the context keeps the logits of one token only";
        }
        *out = s.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_speculation_free(struct chq_speculation * speculation) {
    return guarded([&] {
        if (speculation) {
            check_speculation(speculation);
            speculation->kind = KIND_FREED;
            delete speculation;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_speculation_limit(const struct chq_speculation * speculation, int32_t * n_draft, char * reason, size_t capacity, size_t * length) {
    return guarded([&] {
        check_speculation(speculation);
        check_pointer(n_draft, "n_draft");
        check_pointer(length, "length");
        *n_draft = speculation->limit;
        return give_text(speculation->reason.data(), speculation->reason.size(), reason, capacity, length);
    });
}

chq_status chq_speculation_begin(struct chq_speculation * speculation, const int32_t * tokens, int32_t n_tokens) {
    return guarded([&] {
        check_speculation(speculation);
        if (n_tokens < 0) {
            fail(CHQ_STATUS_ARGUMENT, "n_tokens = %d", n_tokens);
        }
        if (n_tokens > 0) {
            check_pointer(tokens, "tokens");
            check_tokens(speculation->context->model, tokens, n_tokens);
        }
        speculation->text.clear();
        speculation->last   = -1;
        speculation->length = 0;
        for (int32_t i = 0; i < n_tokens; i++) {
            add(speculation, tokens[i], false);
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_spec_step(
        struct chq_speculation * speculation,
        int32_t                  seq_id,
        struct chq_sampler     * sampler,
        bool                     go_on,
        struct chq_sampled     * out,
        int32_t                  capacity,
        int32_t                * n_tokens) {
    return guarded({ speculation && speculation->kind == KIND_SPECULATION ? speculation->context : nullptr, sampler }, [&] {
        check_speculation(speculation);
        check_context(speculation->context);
        check_sequence(speculation->context, seq_id);
        check_sampler(sampler);
        check_pointer(out, "out");
        check_pointer(n_tokens, "n_tokens");
        *n_tokens = 0;
        if (capacity < 1) {
            fail(CHQ_STATUS_ARGUMENT, "capacity = %d", capacity);
        }
        check_picks_for(sampler, speculation->context->n_vocab);
        *n_tokens = step(speculation, seq_id, sampler, go_on, out, capacity);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_speculation_get_stats(const struct chq_speculation * speculation, struct chq_speculation_stats * out) {
    return guarded([&] {
        check_speculation(speculation);
        check_pointer(out, "out");
        *out = speculation->stats;
        return CHQ_STATUS_OK;
    });
}
