// Diffusion language models: a text with masked positions goes in as a whole, and each masked position gets a proposal.
//
// Such models (Dream, LLaDA, RND1) attend in both directions and keep no KV cache: a step costs the whole text each time. Which proposals
// are taken, and when, is the caller's.
#pragma once

#include "chasqui_context.h"

#ifdef __cplusplus
extern "C" {
#endif

// Computes the text and proposes a token for each of n_positions positions, in the order given; all arrays after seed are [n_positions].
//
//   tokens       the text; masked positions hold llama_vocab_mask(), n_tokens <= n_ubatch and the context's rows of output
//   temperature  0: the most probable token; else one drawn from softmax(logits / temperature), the same for the same seed, position and logits,
//                whatever other positions are asked for
//   token        the proposal; never the mask
//   probability  of that token, at temperature 1. May be NULL, as those below
//   entropy      of the position's distribution at temperature 1, in nats
//   margin       probability of the best token less that of the second best
//
// Probabilities leave the mask token out. A NaN logit counts as -INFINITY. CHQ_STATUS_UNSUPPORTED if the model is no diffusion model or has no mask.
CHQ_API chq_status chq_denoise(
        struct chq_context * context,
        const int32_t      * tokens,
        int32_t              n_tokens,
        const int32_t      * positions,
        int32_t              n_positions,
        float                temperature,
        uint64_t             seed,
        int32_t            * token,
        float              * probability,
        float              * entropy,
        float              * margin);

#ifdef __cplusplus
}
#endif
