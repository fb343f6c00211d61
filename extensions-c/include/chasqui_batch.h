// Steps of many sequences: one pass of the model in which each of them goes on by a token or by a part of its prompt.
//
// This is what continuous batching is made of. Who goes on, and by how much, is the caller's choice at every step; what goes wrong with one
// sequence alone (its sampler, its length) is its own result and leaves the others as they would be without it.
#pragma once

#include "chasqui_context.h"
#include "chasqui_sampler.h"
#include "chasqui_speculation.h"

#ifdef __cplusplus
extern "C" {
#endif

// Most tokens that a slot can get of a step.
#define CHQ_BATCH_PICKS (CHQ_DRAFT_MAX + 1)

// What one sequence does in a step.
struct chq_batch_slot {
    struct chq_sampler     * sampler;     // picks what follows the slot's last token, and accepts it; NULL = nothing is picked
    struct chq_speculation * speculation; // of the same context, with the sequence's text: may guess what follows the slot's token, which is the text's last one and the
                                          // only one of the slot; NULL = nothing is guessed
    int32_t                  seq_id;      // in one slot of a step only
    int32_t                  n_tokens;    // how many it appends to the sequence, at least 1
    int32_t                  n_most;      // tokens that may be picked with a speculation, at least 1
    bool                     special;     // whether control tokens are rendered
    bool                     go_on;       // whether more may be picked after a token that ends a generation
};

struct chq_batch_result {
    int32_t status;   // enum chq_status
    int32_t n_done;   // tokens that joined the sequence: the slot's and the guessed ones that came true
    int32_t n_text;   // bytes of text written for it
    int32_t n_picked; // by the sampler: one, and one more for each guessed token that came true
};

// Appends tokens to the sequences of the slots in one llama_decode, then lets the samplers pick, in the order of the slots. tokens: those of the
// first slot, of the second, and so on; n_tokens of them, at most n_batch. Slots with a sampler: at most n_outputs_max.
//
// n_spare: most cells of the KV cache that guessed tokens may take for the time of the step. Speculations share what a pass may grow by: tokens are guessed where they
// give most tokens a second, by what passes of so many rows cost, and not at all beside more rows than that is known for. What is picked is what would be picked without.
//
// results: [n_slots]. picked: [n_slots, CHQ_BATCH_PICKS]; n_piece is the whole length of a piece. text: [n_slots, capacity], for each slot the pieces that were picked,
// one after the other but for those that no longer fit as a whole, or the sentence about its failure.
//
// A slot fails alone: with CHQ_STATUS_ARGUMENT (its sequence, tokens, sampler or speculation cannot be), CHQ_STATUS_STATE (the sequence does not hold what the
// speculation's text says), CHQ_STATUS_CONTEXT_FULL (the sequence would be longer than n_ctx_seq) or the status of its sampler, before the pass without it (n_done = 0),
// or with that of its sampler after the pass (n_done = n_tokens). An abort of ggml while it samples poisons its sampler alone.
//
// The call fails where the pass does. CHQ_STATUS_CONTEXT_FULL: the cells of the KV cache do not suffice for all, nothing is changed.
// CHQ_STATUS_CANCELLED, CHQ_STATUS_COMPUTE, CHQ_STATUS_MEMORY: n_done of the results says what joined each sequence, nothing was picked. Otherwise nothing is
// changed, but CHQ_STATUS_ABORTED poisons the context.
CHQ_API chq_status chq_batch_step(
        struct chq_context          * context,
        const struct chq_batch_slot * slots,
        int32_t                       n_slots,
        const int32_t               * tokens,
        int32_t                       n_tokens,
        int32_t                       n_spare,
        struct chq_batch_result     * results,
        struct chq_sampled          * picked,
        char                        * text,
        int32_t                       capacity);

#ifdef __cplusplus
}
#endif
