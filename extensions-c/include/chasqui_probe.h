// What a prompt looks at in one layer of the model, without computing the layers above it; and a shorter prompt made of that.
#pragma once

#include "chasqui_context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_attention_probe;

// Computes a prompt up to the attention of one layer, to see what it looks at there. Layer 0 needs no attention before it and costs next to
// nothing; layer k costs about k layers' share of the prompt. CHQ_STATUS_UNSUPPORTED for models whose layers do not rotate queries and keys.
// n_ctx: tokens and rows of the longest prompt. The model must outlive it. One thread at a time uses it.
CHQ_API chq_status chq_attention_probe_create(struct chq_model * model, int32_t layer, int32_t n_ctx, int32_t n_threads, struct chq_attention_probe ** out);
CHQ_API chq_status chq_attention_probe_free(struct chq_attention_probe * probe); // NULL is ignored

// Starts a new prompt.
CHQ_API chq_status chq_attention_probe_reset(struct chq_attention_probe * probe);

// Goes back to the first n_tokens of a prompt without rows, none of which ask; also after a failure, if they were there before.
CHQ_API chq_status chq_attention_probe_rewind(struct chq_attention_probe * probe, int32_t n_tokens);

// Appends tokens; asks: whether it is their attention that counts. After a failure nothing more can be appended until a reset or rewind.
CHQ_API chq_status chq_attention_probe_tokens(struct chq_attention_probe * probe, const int32_t * tokens, int32_t n_tokens, bool asks);

// Appends rows as chq_decode_embeddings does.
CHQ_API chq_status chq_attention_probe_rows(
        struct chq_attention_probe * probe,
        const float                * rows,
        const struct chq_position  * positions,
        int32_t                      n_rows,
        int32_t                      n_positions,
        bool                         causal);

// The mean over heads and asking tokens of the attention that each row of the prompt gets, in order; *n_rows of them. CHQ_STATUS_STATE if no token asked.
CHQ_API chq_status chq_attention_probe_scores(struct chq_attention_probe * probe, float * scores, int32_t capacity, int32_t * n_rows);

// By what a token of the prompt is scored.
enum chq_prompt_score {
    CHQ_PROMPT_PRODUCT = 0, // the products of query and key, as GemFilter does
    CHQ_PROMPT_SHARE   = 1, // the shares of the attention that they give
};

// The mean over heads and asking tokens of what each token and row of the prompt scores, in order; *n of them. CHQ_STATUS_STATE if no token asked.
CHQ_API chq_status chq_attention_probe_prompt_scores(
        struct chq_attention_probe * probe,
        enum chq_prompt_score        score,
        float                      * scores,
        int32_t                      capacity,
        int32_t                    * n);

// Stops what another thread computes; it ends with CHQ_STATUS_CANCELLED, and so does every later call until the reset. Any thread may call it.
CHQ_API void chq_attention_probe_cancel      (struct chq_attention_probe * probe);
CHQ_API void chq_attention_probe_cancel_reset(struct chq_attention_probe * probe);

// Which tokens of a prompt to keep: the first, the last, and of the others those with the largest scores, `keep` in all or all there are.
// Of equals the earlier one; a NaN is less than everything.
// pooling: an odd number of neighbouring tokens whose mean is a token's score, 1 = its own; beyond both ends there are zeros.
// kept: [min(keep, n)], ascending. CHQ_STATUS_ARGUMENT where first and last are more than keep, and the prompt is longer than keep.
CHQ_API chq_status chq_prompt_select(
        const float * scores,
        int32_t       n,
        int32_t       keep,
        int32_t       first,
        int32_t       last,
        int32_t       pooling,
        int32_t     * kept);

#ifdef __cplusplus
}
#endif
