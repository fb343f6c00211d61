// Steps of many sequences: one pass of the model in which each of them goes on by a token or by a part of its prompt.
//
// This is what continuous batching is made of. Who goes on, and by how much, is the caller's choice at every step; what goes wrong with one
// sequence alone (its sampler, its length) is its own result and leaves the others as they would be without it.
#pragma once

#include "chasqui_context.h"
#include "chasqui_sampler.h"

#ifdef __cplusplus
extern "C" {
#endif

// What one sequence does in a step.
struct chq_batch_slot {
    struct chq_sampler * sampler;  // picks what follows the slot's last token, and accepts it; NULL = nothing is picked
    int32_t              seq_id;   // in one slot of a step only
    int32_t              n_tokens; // how many it appends to the sequence, at least 1
    bool                 special;  // whether control tokens are rendered
};

struct chq_batch_result {
    int32_t            status;  // enum chq_status
    int32_t            n_done;  // tokens of the slot that joined the sequence
    int32_t            n_text;  // bytes of text written for it
    struct chq_sampled sampled; // what the sampler picked; n_piece is the whole length of its piece
};

// Appends tokens to the sequences of the slots in one llama_decode, then lets the samplers pick, in the order of the slots. tokens: those of the
// first slot, of the second, and so on; n_tokens of them, at most n_batch. Slots with a sampler: at most n_outputs_max.
//
// results: [n_slots]. text: [n_slots, capacity], for each slot the piece that was picked, or the sentence about its failure.
//
// A slot fails alone: with CHQ_STATUS_ARGUMENT (its sequence, tokens or sampler cannot be), CHQ_STATUS_CONTEXT_FULL (the sequence would be longer than
// n_ctx_seq) or the status of its sampler, before the pass without it (n_done = 0), or with that of its sampler after the pass (n_done = n_tokens).
// An abort of ggml while it samples poisons its sampler alone.
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
        struct chq_batch_result     * results,
        char                        * text,
        int32_t                       capacity);

#ifdef __cplusplus
}
#endif
