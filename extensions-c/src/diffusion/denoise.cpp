#include "chasqui_diffusion.h"

#include "context/context.h"
#include "diffusion/proposal.h"

#include <cmath>

using namespace chq;

static int32_t check_mask(const chq_context * context) {
    const chq_model * model = context->model;
    if (!llama_model_is_diffusion(model->llama)) {
        fail(CHQ_STATUS_UNSUPPORTED, "models of architecture %s do not fill masks: this is no diffusion model", model->arch.c_str());
    }
    const int32_t mask = llama_vocab_mask(check_vocab(model));
    if (mask < 0 || mask >= model->n_vocab) {
        fail(CHQ_STATUS_UNSUPPORTED, "the vocabulary has no mask token");
    }
    return mask;
}

// Some models propose for position i in the row of position i - 1, as models that go from left to right do. llama.cpp takes that for granted where
// a file does not say otherwise.
static bool proposes_for_next(const chq_model * model) {
    return meta_text(model->llama, "diffusion.shift_logits") != "false";
}

chq_status chq_denoise(
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
        float              * margin) {
    return guarded({ context }, [&] {
        check_context(context);
        const int32_t mask = check_mask(context);
        if (context->top_k > 0) {
            fail(CHQ_STATUS_STATE, "the context leaves the best tokens instead of logits");
        }
        check_finite(temperature, "temperature");
        if (temperature < 0) {
            fail(CHQ_STATUS_ARGUMENT, "temperature = %g", temperature);
        }
        if (n_positions < 1 || n_positions > n_tokens) {
            fail(CHQ_STATUS_ARGUMENT, "n_positions = %d is not in 1..%d", n_positions, n_tokens);
        }
        check_pointer(positions, "positions");
        check_pointer(token,     "token");
        for (int32_t i = 0; i < n_positions; ++i) {
            if (positions[i] < 0 || positions[i] >= n_tokens) {
                fail(CHQ_STATUS_ARGUMENT, "positions[%d] = %d is not in 0..%d", i, positions[i], n_tokens - 1);
            }
        }
        decode_tokens(context, 0, tokens, n_tokens, CHQ_OUTPUT_ALL, nullptr);
        const float * rows = logits_of(context);
        if (!rows) {
            fail(CHQ_STATUS_COMPUTE, "the model gave no logits");
        }
        const int32_t shift = proposes_for_next(context->model) ? 1 : 0;
        for (int32_t i = 0; i < n_positions; ++i) {
            const int64_t row = positions[i] > shift ? positions[i] - shift : 0;
            const proposal p = propose(rows + row * context->n_vocab, context->n_vocab, mask, temperature, uniform_of(seed, positions[i]));
            token[i] = p.token;
            if (probability) {
                probability[i] = p.probability;
            }
            if (entropy) {
                entropy[i] = p.entropy;
            }
            if (margin) {
                margin[i] = p.margin;
            }
        }
        return CHQ_STATUS_OK;
    });
}
