#include "chasqui_speculation.h"
#include "chasqui_runtime.h"

#include "speculation/speculation.h"

#include "context/context.h"
#include "model/xxh64.h"
#include "rows/rows.h"
#include "sampler/grammar_tree.h"
#include "sampler/sampler.h"
#include "speculation/pass_cost.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <memory>
#include <string>

namespace chq {

static_assert(CHQ_DRAFT_MAX + 1 == pass_cost::MOST, "");

namespace {

chq_source_stats & stats_of(chq_speculation * s, chq_draft_source source) {
    switch (source) {
        case CHQ_DRAFT_REPEATED: return s->stats.repeated;
        case CHQ_DRAFT_RECYCLED: return s->stats.recycled;
        case CHQ_DRAFT_MODEL:    return s->stats.model;
        default:                 return s->stats.suggested;
    }
}

int depth_index(int32_t depth) { return std::min(depth, CHQ_DEPTH_MAX) - 1; }

// From the rows of all nodes, those of wrong guesses as well: what the model rates best after their tokens is known now.
void learn(chq_speculation * s, const float * rows) {
    const int32_t n_vocab = s->context->n_vocab;
    if (n_vocab < recycling::K || !(s->params.sources & CHQ_DRAFT_RECYCLED)) {
        return;
    }
    for (int32_t i = 0; i < s->tree.size(); i++) {
        int32_t tokens[recycling::K];
        float   logits[recycling::K];
        row_top_k(rows + (int64_t) i * n_vocab, n_vocab, recycling::K, tokens, logits);
        s->planner.learn(s->tree, i, tokens, logits);
    }
}

// The token after a node whose children were drawn.
int32_t pick_of_drawn(chq_speculation * s, chq_sampler * sampler, const float * row, int32_t node, int32_t position) {
    law target;
    law_of(sampler, row, target);
    std::vector<int32_t> siblings;
    for (int32_t i = node + 1; i < s->tree.size(); i++) {
        if (s->tree.nodes[(size_t) i].parent == node) {
            siblings.push_back(s->tree.nodes[(size_t) i].token);
        }
    }
    position_random random(s->draft->seed(), (uint64_t) position);
    const int32_t token = siblings.empty() ? random.draw(target) : verify_drawn(std::move(target), s->draft->law_of(node), siblings, random).token;
    accept_picked(sampler, token);
    return token;
}

int32_t step(chq_speculation * s, int32_t seq_id, chq_sampler * sampler, bool go_on, chq_sampled * out, int32_t capacity) {
    chq_context * const context = s->context;
    check_follows(s, seq_id);
    stopwatch watch;
    planner::limits limits = {
        s->params.sources,
        std::max(0, std::min(s->params.n_draft, room_of(context, seq_id) - 1)),
        s->params.n_leaves,
        capacity - 1,
        context->pass_cost.of(1) * (1 + s->back_off.allowance()),
    };
    const bool by_model = s->draft && limits.nodes > 0 && (s->params.fixed || s->contest.choose() == 1);
    int32_t caught_up = 0;
    if (by_model) {
        caught_up = s->draft->grow(s->tree, s->text, limits.nodes, limits.leaves, limits.depth);
    } else {
        if (!s->params.fixed && s->back_off.rests()) {
            limits.nodes = 0;
        }
        guess(s, sampler, limits, s->params.fixed);
    }
    const double draft_seconds = watch.lap();
    s->stats.draft_seconds += draft_seconds;

    try {
        decode_tree(context, seq_id, s->tree);
    } catch (const failure & f) {
        if (f.status != CHQ_STATUS_CONTEXT_FULL || s->tree.size() == 1) {
            throw;
        }
        s->tree.truncate(1); // fewer cells are free than there seemed to be
        decode_tree(context, seq_id, s->tree);
    }
    const float * const rows = logits_of(context);
    const double seconds = watch.lap();
    s->stats.target_seconds += seconds;
    context->pass_cost.record(s->tree.size(), seconds);

    // the path that the sampler takes too
    int32_t n    = 0;
    int32_t node = 0;
    failure error = { CHQ_STATUS_OK };
    try {
        if (!rows) {
            fail(CHQ_STATUS_STATE, "the decode left no logits");
        }
        for (;;) {
            const float * const row = rows + (int64_t) node * context->n_vocab;
            const int32_t token = by_model && s->draft->draws() && picks_by_law(sampler) ? pick_of_drawn(s, sampler, row, node, s->planner.length() + n) : pick_token(sampler, row, true);
            const bool    is_end = context->model->vocab && llama_vocab_is_eog(context->model->vocab, token);
            out[n++] = { token, 0, is_end };
            const int32_t child = s->tree.child(node, token);
            if ((is_end && !go_on) || n == capacity || child < 0) {
                break;
            }
            node = child;
        }
    } catch (const failure & f) {
        error = f;
    } catch (const ggml_aborted &) {
        throw;
    } catch (...) {
        commit_tree(context, -1);
        forget_rows(context);
        throw;
    }
    if (n == 0) {
        commit_tree(context, -1);
        forget_rows(context);
        throw error;
    }
    // after an error the token of the last node is out already, and its row was not to be used
    commit_tree(context, error.status == CHQ_STATUS_OK ? node : s->tree.nodes[(size_t) node].parent);
    s->stats.verify_seconds += watch.lap();

    if (s->draft && !s->params.fixed && caught_up <= CHQ_DRAFT_MAX + 1) { // the prompt is computed once
        s->contest.record(by_model, n, draft_seconds + seconds);
    }
    if (s->tree.size() > 1 && !by_model) {
        s->back_off.record(n, seconds, context->pass_cost.of(1));
    }
    end_step(s, rows, node, out, n, by_model);
    s->stats.draft_seconds += watch.lap();
    if (s->tree.size() > 1) {
        forget_rows(context); // the last row need not be the last token's
    }
    return n;
}

} // namespace

void check_follows(const chq_speculation * s, int32_t seq_id) {
    const int32_t length = next_position(s->context, seq_id) + span_surplus(s->context, seq_id);
    if (s->planner.length() == 0 || length != s->planner.length() - 1) {
        fail(CHQ_STATUS_STATE, "the sequence holds %d tokens, of a text of %d it must hold all but the last", length, s->planner.length());
    }
}

void guess(chq_speculation * s, chq_sampler * sampler, const planner::limits & limits, bool fixed) {
    grammar_tree grammar(sampler);
    planner::filter allowed;
    if (grammar.known()) {
        allowed = [&](int32_t node, int32_t token) { return grammar.allows(s->tree, node, token); };
    }
    s->planner.plan(s->tree, limits, s->context->pass_cost, fixed, allowed);
}

void end_step(chq_speculation * s, const float * rows, int32_t node, const chq_sampled * out, int32_t n, bool by_model) {
    s->stats.steps++;
    s->stats.tokens      += n;
    s->stats.drafted     += s->tree.size() - 1;
    s->stats.accepted    += s->tree.nodes[(size_t) node].depth;
    s->stats.plain_steps += s->tree.size() == 1;
    for (int32_t i = 1; i < s->tree.size(); i++) {
        stats_of(s, by_model ? CHQ_DRAFT_MODEL : s->planner.source_of(i)).drafted[depth_index(s->tree.nodes[(size_t) i].depth)]++;
    }
    for (int32_t i = node; i > 0; i = s->tree.nodes[(size_t) i].parent) {
        stats_of(s, by_model ? CHQ_DRAFT_MODEL : s->planner.source_of(i)).accepted[depth_index(s->tree.nodes[(size_t) i].depth)]++;
    }
    try {
        s->stats.trees += s->tree.n_leaves() > 1;
        if (rows && s->params.n_draft > 0) {
            learn(s, rows);
        }
        for (int32_t i = 0; i < n; i++) {
            s->planner.add(out[i].token);
            s->text.push_back(out[i].token);
        }
    } catch (const std::bad_alloc &) {
        // the tokens are good, but what comes next cannot be guessed: the next step asks for the text again
        s->planner.begin(nullptr, 0);
        s->text.clear();
    }
}

} // namespace chq

using namespace chq;

// Now and then: after the first answer, and later when there may be news.
static void save_costs(draft_memory & memory) {
    const auto now = std::chrono::steady_clock::now();
    if (memory.folder && (memory.saved == std::chrono::steady_clock::time_point() || now - memory.saved > std::chrono::minutes(1))) {
        memory.saved = now;
        try {
            memory.folder->save(memory.costs);
        } catch (const std::exception &) {
            // the next program measures anew
        }
    }
}

// Of all that the costs of passes depend on.
static uint64_t cost_key(const chq_model * model) {
    char   features[1024] = "";
    size_t length = 0;
    chq_cpu_features(features, sizeof(features), &length);
    const ggml_backend_dev_t cpu = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    const std::string all = std::to_string(model->fingerprint) + '\n' + std::to_string(model->n_bytes_packed) + '\n' + (model->offloads ? "offloads" : "") + '\n'
        + features + '\n' + (cpu ? ggml_backend_dev_description(cpu) : "") + '\n' + chq_version() + '\n' + chq_llama_tree();
    return xxh64((const uint8_t *) all.data(), all.size(), 0);
}

chq_status chq_pass_costs_keep(struct chq_model * model, const char * folder) {
    return guarded([&] {
        check_model(model);
        const uint64_t key = cost_key(model);
        draft_memory & memory = drafts_of(model);
        const std::lock_guard<std::mutex> lock(memory.mutex);
        memory.folder  = folder ? std::make_unique<cost_folder>(std::filesystem::u8path(folder), key) : nullptr;
        memory.is_read = false;
        memory.saved   = {};
        return CHQ_STATUS_OK;
    });
}

struct chq_draft_model_params chq_draft_model_default_params(void) { return { CHQ_SHAPE_CHAIN, 7, 7, 4, 0.0f, 0.4f, 0 }; }

chq_status chq_speculation_set_draft_model(struct chq_speculation * speculation, struct chq_context * draft, const struct chq_draft_model_params * params) {
    return guarded([&] {
        check_speculation(speculation);
        check_context(draft);
        speculation->draft.reset();
        speculation->draft = std::make_unique<draft_model>(speculation->context, draft, params ? *params : chq_draft_model_default_params());
        return CHQ_STATUS_OK;
    });
}

struct chq_speculation_params chq_speculation_default_params(void) { return { CHQ_DRAFT_ALL, CHQ_DRAFT_MAX, branches::MOST + 1, false }; }

chq_status chq_speculation_create(struct chq_context * context, const struct chq_speculation_params * params, struct chq_speculation ** out) {
    return guarded([&] {
        check_pointer(out, "out");
        *out = nullptr;
        check_context(context);
        check_memory(context);
        const chq_speculation_params p = params ? *params : chq_speculation_default_params();
        if (p.sources & ~(uint32_t) CHQ_DRAFT_ALL) {
            fail(CHQ_STATUS_ARGUMENT, "sources = %#x has unknown bits", p.sources);
        }
        if (p.n_draft < 0 || p.n_draft > CHQ_DRAFT_MAX) {
            fail(CHQ_STATUS_ARGUMENT, "n_draft = %d is not in 0..%d", p.n_draft, CHQ_DRAFT_MAX);
        }
        if (p.n_leaves < 1) {
            fail(CHQ_STATUS_ARGUMENT, "n_leaves = %d", p.n_leaves);
        }
        auto s = std::make_unique<chq_speculation>(drafts_of(context->model));
        s->context = context;
        s->params  = p;
        s->params.n_draft  = std::min({ p.n_draft, context->n_outputs_max - 1, context->n_ubatch - 1, context->n_batch - 1 });
        s->params.n_leaves = std::min(p.n_leaves, 1 + context->branches.count());
        s->reason          = context->no_branches && p.n_leaves > 1 ? context->no_branches : "";
        const char * never = nullptr;
        if (context->model->recurrent || context->model->hybrid) {
            never = "the model's state cannot forget its last tokens";
        } else if (llama_model_n_swa(context->model->llama) > 0 && !context->swa_full) {
            never = "the sliding window may have left what a wrong guess needs again";
        } else if (context->embeddings || !context->causal || context->top_k > 0) {
            never = "the context leaves no logits";
        } else if (p.n_draft > 0 && s->params.n_draft == 0) {
            never = "the context keeps the logits of one token only";
        }
        if (never) {
            s->params.n_draft  = 0;
            s->params.n_leaves = 1;
            s->reason          = never;
        }
        if (!context->pass_cost.known()) {
            // what passes cost in another context is a better guess than none
            draft_memory & memory = drafts_of(context->model);
            const std::lock_guard<std::mutex> lock(memory.mutex);
            if (memory.folder && !memory.is_read) {
                memory.is_read = true;
                memory.folder->load(memory.costs);
            }
            context->pass_cost = memory.costs[context->n_threads];
        }
        *out = s.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_speculation_free(struct chq_speculation * speculation) {
    return guarded([&] {
        if (speculation) {
            check_speculation(speculation);
            draft_memory & memory = drafts_of(speculation->context->model);
            const std::lock_guard<std::mutex> lock(memory.mutex);
            if (speculation->context->pass_cost.known()) {
                memory.costs[speculation->context->n_threads] = speculation->context->pass_cost;
                save_costs(memory);
            }
            speculation->kind = KIND_FREED;
            delete speculation;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_speculation_limit(
        const struct chq_speculation * speculation,
        int32_t                      * n_draft,
        int32_t                      * n_leaves,
        char                         * reason,
        size_t                         capacity,
        size_t                       * length) {
    return guarded([&] {
        check_speculation(speculation);
        check_pointer(n_draft, "n_draft");
        check_pointer(n_leaves, "n_leaves");
        check_pointer(length, "length");
        *n_draft  = speculation->params.n_draft;
        *n_leaves = speculation->params.n_leaves;
        return give_text(speculation->reason.data(), speculation->reason.size(), reason, capacity, length);
    });
}

static void check_text(const chq_speculation * speculation, const int32_t * tokens, int32_t n_tokens) {
    check_speculation(speculation);
    if (n_tokens < 0) {
        fail(CHQ_STATUS_ARGUMENT, "n_tokens = %d", n_tokens);
    }
    if (n_tokens > 0) {
        check_pointer(tokens, "tokens");
        check_tokens(speculation->context->model, tokens, n_tokens);
    }
}

chq_status chq_speculation_begin(struct chq_speculation * speculation, const int32_t * tokens, int32_t n_tokens) {
    return guarded([&] {
        check_text(speculation, tokens, n_tokens);
        speculation->planner.begin(tokens, n_tokens);
        speculation->text.assign(tokens, tokens + n_tokens);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_speculation_suggest(struct chq_speculation * speculation, const int32_t * tokens, int32_t n_tokens) {
    return guarded([&] {
        check_text(speculation, tokens, n_tokens);
        speculation->planner.suggest(tokens, n_tokens);
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
    const bool is_one = speculation && speculation->kind == KIND_SPECULATION;
    chq_context * const draft = is_one && speculation->draft ? speculation->draft->context_of() : nullptr;
    return guarded({ is_one ? speculation->context : nullptr, sampler, draft }, [&] {
        check_speculation(speculation);
        check_context(speculation->context);
        if (draft) {
            check_context(draft);
        }
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
