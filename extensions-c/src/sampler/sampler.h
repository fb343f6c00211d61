#pragma once

#include "chasqui_sampler.h"
#include "guard/guard.h"
#include "model/model.h"
#include "tree/rejection.h"

#include <memory>
#include <vector>

namespace chq {

enum class stage_kind : uint8_t { FILTER, GREEDY, DIST, OTHER_PICK, GRAMMAR, REASONING };

} // namespace chq

struct chq_sampler : chq::handle {
    chq_sampler() : handle(chq::KIND_SAMPLER) {}

    llama_sampler       * chain = nullptr;
    const llama_vocab   * vocab = nullptr; // NULL if the model has none
    int32_t               n_vocab = 0;
    std::vector<chq::stage_kind> stages;   // as in the chain

    // A grammar that refused a token has no state to go on from until it is reset.
    bool grammar_failed = false;

    // Lazy grammars search all of the output for their patterns, with a matcher that recurses for each character.
    bool   has_patterns = false;
    size_t n_searched   = 0;

    std::vector<llama_token_data> candidates; // made at the first need: a chain may wait long for its turn, and some never need them
};

namespace chq {

inline void check_sampler(const chq_sampler * sampler) {
    check_handle(sampler, KIND_SAMPLER, "sampler");
}

// Fails with CHQ_STATUS_STATE unless the chain ends with a stage that picks.
void check_ready(const chq_sampler * sampler);

// The same, and with CHQ_STATUS_ARGUMENT unless it picks from a vocabulary of n_vocab, a context's.
void check_picks_for(const chq_sampler * sampler, int32_t n_vocab);

// Runs the chain on n_vocab logits. accept = also tell the chain, as llama_sampler_sample does. candidates: room to work in, the chain's own or one that
// many chains use in turn, so that it stays in the processor's cache.
int32_t pick_token(chq_sampler * sampler, const float * logits, bool accept, std::vector<llama_token_data> & candidates);

inline int32_t pick_token(chq_sampler * sampler, const float * logits, bool accept) {
    return pick_token(sampler, logits, accept, sampler->candidates);
}

// The probabilities of all tokens that the chain leaves, in the order of tokens; with a chain that ends greedily, of its pick alone. The random numbers of
// the chain go on as if it had picked.
void law_of(chq_sampler * sampler, const float * logits, law & out);

// Whether the last stage picks by nothing but these probabilities: the others change by what they pick.
bool picks_by_law(const chq_sampler * sampler);

// Tells the chain of a token that was picked otherwise.
void accept_picked(chq_sampler * sampler, int32_t token);

// Takes over the stage. A NULL stage is a lack of memory.
void add_stage(chq_sampler * sampler, llama_sampler * stage, stage_kind kind);

// Before a stage is made: the chain must be usable and must not have its last stage yet.
void check_open(const chq_sampler * sampler);

} // namespace chq
