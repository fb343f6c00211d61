#include "sampler/sampler.h"

#include "model/deep_stack.h"
#include "rows/rows.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>

namespace chq {

static bool picks(stage_kind kind) {
    return kind == stage_kind::GREEDY || kind == stage_kind::DIST || kind == stage_kind::OTHER_PICK;
}

void check_ready(const chq_sampler * sampler) {
    if (sampler->stages.empty() || !picks(sampler->stages.back())) {
        fail(CHQ_STATUS_STATE, "the chain has no last stage that picks (greedy, dist, mirostat or adaptive_p)");
    }
    if (sampler->grammar_failed) {
        fail(CHQ_STATUS_GRAMMAR, "the grammar refused a token earlier; reset the chain to use it again");
    }
}

void check_open(const chq_sampler * sampler) {
    check_sampler(sampler);
    if (!sampler->stages.empty() && picks(sampler->stages.back())) {
        fail(CHQ_STATUS_STATE, "the chain already ends with a stage that picks");
    }
    if (sampler->stages.size() >= 256) {
        fail(CHQ_STATUS_STATE, "the chain has 256 stages already");
    }
}

void add_stage(chq_sampler * sampler, llama_sampler * stage, stage_kind kind) {
    if (!stage) {
        fail(CHQ_STATUS_MEMORY, "the stage could not be made: %s", captured_errors());
    }
    sampler->stages.reserve(sampler->stages.size() + 1);
    llama_sampler_chain_add(sampler->chain, stage);
    sampler->stages.push_back(kind);
}

static bool has_grammar(const chq_sampler * sampler) {
    return std::find(sampler->stages.begin(), sampler->stages.end(), stage_kind::GRAMMAR) != sampler->stages.end();
}

constexpr size_t MAX_SEARCH = 1 << 20; // bytes of output; a stack of 1 GiB

// A grammar throws if it does not allow the token.
static void accept_token(chq_sampler * sampler, int32_t token) {
    if (!has_grammar(sampler)) {
        llama_sampler_accept(sampler->chain, token);
        return;
    }
    const auto accept = [&] {
        try {
            llama_sampler_accept(sampler->chain, token);
        } catch (const std::exception & e) {
            sampler->grammar_failed = true;
            fail(CHQ_STATUS_GRAMMAR, "%s", e.what());
        }
    };
    if (sampler->has_patterns) {
        char nothing;
        const int32_t n = llama_token_to_piece(sampler->vocab, token, &nothing, 0, 0, true);
        sampler->n_searched += (size_t) (n < 0 ? -n : n);
        if (sampler->n_searched > MAX_SEARCH) {
            sampler->grammar_failed = true;
            fail(CHQ_STATUS_GRAMMAR, "a lazy grammar searches at most 1 MiB of output for its trigger");
        }
        if (sampler->n_searched > REGEX_SHALLOW) {
            run_on_deep_stack(((size_t) 4 << 20) + sampler->n_searched * REGEX_STACK, accept);
            return;
        }
    }
    accept();
}

void check_picks_for(const chq_sampler * sampler, int32_t n_vocab) {
    if (sampler->n_vocab != n_vocab) {
        fail(CHQ_STATUS_ARGUMENT, "the sampler is for a vocabulary of %d, the context for one of %d", sampler->n_vocab, n_vocab);
    }
    check_ready(sampler);
}

// The candidates that the chain leaves, one of them selected.
static llama_token_data_array apply_chain(chq_sampler * sampler, const float * logits, std::vector<llama_token_data> & room) {
    const int32_t n_vocab = sampler->n_vocab;
    if (room.size() < (size_t) n_vocab) {
        room.resize((size_t) n_vocab);
    }
    llama_token_data * candidates = room.data();
    int32_t n_nan = 0;
    for (int32_t i = 0; i < n_vocab; ++i) {
        candidates[i].id    = i;
        candidates[i].logit = logits[i];
        candidates[i].p     = 0.0f;
        n_nan += logits[i] != logits[i];
    }
    if (n_nan > 0) {
        // sorting and comparing them is undefined
        for (int32_t i = 0; i < n_vocab; ++i) {
            if (std::isnan(candidates[i].logit)) {
                candidates[i].logit = -INFINITY;
            }
        }
    }
    llama_token_data_array array = { candidates, (size_t) n_vocab, -1, false };
    llama_sampler_apply(sampler->chain, &array);

    if (array.selected < 0 || array.selected >= (int64_t) array.size) {
        fail(CHQ_STATUS_STATE, "the chain picked no candidate");
    }
    const llama_token_data & picked = array.data[array.selected];
    if (!(picked.logit > -INFINITY)) {
        fail(CHQ_STATUS_STATE, "no candidate is left: every logit is -INFINITY or no number");
    }
    if (picked.id < 0 || picked.id >= n_vocab) {
        fail(CHQ_STATUS_STATE, "the chain picked token %d, which is not in the vocabulary", picked.id);
    }
    return array;
}

int32_t pick_token(chq_sampler * sampler, const float * logits, bool accept, std::vector<llama_token_data> & candidates) {
    if (sampler->stages.size() == 1 && sampler->stages[0] == stage_kind::GREEDY) {
        float best;
        const int32_t token = row_argmax(logits, sampler->n_vocab, &best);
        if (best == -INFINITY) {
            fail(CHQ_STATUS_STATE, "no candidate is left: every logit is -INFINITY or no number");
        }
        return token; // greedy keeps no state to tell
    }
    const llama_token_data_array array = apply_chain(sampler, logits, candidates);
    const int32_t token = array.data[array.selected].id;
    if (accept) {
        accept_token(sampler, token);
    }
    return token;
}

void law_of(chq_sampler * sampler, const float * logits, law & out) {
    const llama_token_data_array array = apply_chain(sampler, logits, sampler->candidates);
    out.entries.clear();
    if (sampler->stages.back() == stage_kind::GREEDY) {
        out.entries.push_back({ array.data[array.selected].id, 1 });
        return;
    }
    double best = -INFINITY;
    for (size_t i = 0; i < array.size; ++i) {
        best = std::max(best, (double) array.data[i].logit);
    }
    for (size_t i = 0; i < array.size; ++i) {
        const double p = std::exp((double) array.data[i].logit - best);
        if (p > 0) {
            out.entries.push_back({ array.data[i].id, p });
        }
    }
    std::sort(out.entries.begin(), out.entries.end(), [](const law::entry & a, const law::entry & b) { return a.token < b.token; });
    out.normalise();
}

bool picks_by_law(const chq_sampler * sampler) { return sampler->stages.back() != stage_kind::OTHER_PICK; }

void accept_picked(chq_sampler * sampler, int32_t token) { accept_token(sampler, token); }

// Whether every grammar of the chain allows the token next. A lazy grammar that was not triggered yet allows all.
static bool grammars_allow(const chq_sampler * sampler, int32_t token) {
    for (size_t i = 0; i < sampler->stages.size(); ++i) {
        if (sampler->stages[i] == stage_kind::GRAMMAR) {
            llama_token_data candidate = { token, 0.0f, 0.0f };
            llama_token_data_array array = { &candidate, 1, -1, false };
            llama_sampler_apply(llama_sampler_chain_get(sampler->chain, (int32_t) i), &array);
            if (candidate.logit == -INFINITY) {
                return false;
            }
        }
    }
    return true;
}

static void check_token(const chq_sampler * sampler, int32_t token) {
    check_sampler(sampler);
    if (token < 0 || token >= sampler->n_vocab) {
        fail(CHQ_STATUS_ARGUMENT, "token %d is not in the vocabulary of %d", token, sampler->n_vocab);
    }
}

static void check_allowed(const chq_sampler * sampler, int32_t token) {
    if (sampler->grammar_failed) {
        fail(CHQ_STATUS_GRAMMAR, "the grammar refused a token earlier; reset the chain to use it again");
    }
    if (!grammars_allow(sampler, token)) {
        fail(CHQ_STATUS_GRAMMAR, "the grammar does not allow token %d here", token);
    }
}

} // namespace chq

using namespace chq;

chq_status chq_sampler_create(const struct chq_model * model, struct chq_sampler ** out) {
    return guarded([&] {
        check_model(model);
        check_pointer(out, "out");
        if (model->n_vocab < 1) {
            fail(CHQ_STATUS_UNSUPPORTED, "the model has no vocabulary");
        }
        auto sampler = std::make_unique<chq_sampler>();
        sampler->vocab   = model->vocab;
        sampler->n_vocab = model->n_vocab;
        llama_sampler_chain_params params = llama_sampler_chain_default_params();
        params.no_perf = true;
        sampler->chain = llama_sampler_chain_init(params);
        *out = sampler.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_sampler_free(struct chq_sampler * sampler) {
    return guarded([&] {
        if (!sampler) {
            return CHQ_STATUS_OK;
        }
        if (sampler->kind != KIND_SAMPLER) {
            check_sampler(sampler);
        }
        sampler->kind = KIND_FREED;
        if (!sampler->poisoned) {
            llama_sampler_free(sampler->chain);
        }
        delete sampler;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_sampler_clone(const struct chq_sampler * sampler, struct chq_sampler ** out) {
    return guarded([&] {
        check_sampler(sampler);
        check_pointer(out, "out");
        auto clone = std::make_unique<chq_sampler>();
        clone->vocab          = sampler->vocab;
        clone->n_vocab        = sampler->n_vocab;
        clone->stages         = sampler->stages;
        clone->grammar_failed = sampler->grammar_failed;
        clone->has_patterns   = sampler->has_patterns;
        clone->n_searched     = sampler->n_searched;
        clone->chain = llama_sampler_clone(sampler->chain);
        *out = clone.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_sampler_reset(struct chq_sampler * sampler) {
    return guarded({ sampler }, [&] {
        check_sampler(sampler);
        llama_sampler_reset(sampler->chain);
        sampler->grammar_failed = false;
        sampler->n_searched     = 0;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_sampler_accept(struct chq_sampler * sampler, int32_t token, bool with_grammar) {
    return guarded({ sampler }, [&] {
        check_token(sampler, token);
        if (with_grammar) {
            check_allowed(sampler, token);
            accept_token(sampler, token);
            return CHQ_STATUS_OK;
        }
        for (size_t i = 0; i < sampler->stages.size(); ++i) {
            if (sampler->stages[i] != stage_kind::GRAMMAR && sampler->stages[i] != stage_kind::REASONING) {
                llama_sampler_accept(llama_sampler_chain_get(sampler->chain, (int32_t) i), token);
            }
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_sampler_accept_opening(struct chq_sampler * sampler, int32_t token) {
    return guarded({ sampler }, [&] {
        check_token(sampler, token);
        check_allowed(sampler, token);
        for (size_t i = 0; i < sampler->stages.size(); ++i) {
            if (sampler->stages[i] == stage_kind::GRAMMAR) {
                llama_sampler_accept(llama_sampler_chain_get(sampler->chain, (int32_t) i), token);
            }
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_sampler_apply(struct chq_sampler * sampler, const float * logits, int32_t n_vocab, int32_t * token) {
    return guarded({ sampler }, [&] {
        check_sampler(sampler);
        check_pointer(logits, "logits");
        check_pointer(token,  "token");
        if (n_vocab != sampler->n_vocab) {
            fail(CHQ_STATUS_ARGUMENT, "n_vocab = %d, the vocabulary has %d", n_vocab, sampler->n_vocab);
        }
        check_ready(sampler);
        *token = pick_token(sampler, logits, false);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_sampler_seed(const struct chq_sampler * sampler, uint32_t * seed) {
    return guarded([&] {
        check_sampler(sampler);
        check_pointer(seed, "seed");
        const uint32_t value = llama_sampler_get_seed(sampler->chain);
        if (value == LLAMA_DEFAULT_SEED) {
            fail(CHQ_STATUS_STATE, "no stage of the chain is random");
        }
        *seed = value;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_sampler_describe(const struct chq_sampler * sampler, char * text, size_t capacity, size_t * length) {
    return guarded([&] {
        check_sampler(sampler);
        check_pointer(length, "length");
        std::string names;
        for (int32_t i = 0; i < llama_sampler_chain_n(sampler->chain); ++i) {
            names += i > 0 ? "," : "";
            names += llama_sampler_name(llama_sampler_chain_get(sampler->chain, i));
        }
        return give_text(names.data(), names.size(), text, capacity, length);
    });
}
