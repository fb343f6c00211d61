#include "context/branches.h"

#include "context/context.h"

#include <algorithm>

namespace chq {

int32_t branches_for(const chq_model * model, const llama_context_params & params, const char ** reason) {
    *reason = nullptr;
    const int64_t n_seq_max = params.n_seq_max;
    const int64_t others    = n_seq_max + 1; // and the spare id
    if (model->recurrent || model->hybrid) {
        *reason = "the model's state cannot branch";
    } else if (llama_model_n_swa(model->llama) > 0 && !params.swa_full) {
        *reason = "the sliding window may have left what a wrong guess needs again";
    } else if (!params.kv_unified && n_seq_max > 1) {
        *reason = "the KV cache is not unified";
    } else if (params.embeddings || model->enc_dec || !model->causal || params.attention_type == LLAMA_ATTENTION_TYPE_NON_CAUSAL) {
        *reason = "the context does not generate";
    } else if (model->n_pos_per_embd != 1) {
        *reason = "the model's positions have more than one dimension";
    }
    if (*reason) {
        return 0;
    }
    const int64_t n_outputs = params.n_outputs_max == 0 ? params.n_batch : params.n_outputs_max;
    const int64_t room = std::min<int64_t>({ branches::MOST, n_outputs - others, params.n_ubatch - others, (int64_t) llama_max_parallel_sequences() - others });
    if (room < 1) {
        *reason = others >= (int64_t) llama_max_parallel_sequences() ? "every sequence id is the caller's" : "the context keeps the logits of too few tokens";
        return 0;
    }
    return (int32_t) room;
}

int32_t grow_branch(chq_context * context, int32_t b, int32_t seq_id) {
    branches & all = context->branches;
    if (all.trunk != seq_id) {
        forget_branches(context);
        all.trunk = seq_id;
    }
    const int32_t id  = all.first + b;
    const int32_t end = next_position(context, seq_id);
    const auto grow = [&] {
        if (all.end[b] < end) {
            llama_memory_seq_cp(context->memory, seq_id, id, all.end[b], -1);
            all.end[b] = end;
        }
    };
    grow();
    if (llama_memory_seq_pos_min(context->memory, id) != llama_memory_seq_pos_min(context->memory, seq_id)) {
        // cells that a sliding window had left behind were taken from the sequence
        cut_branch(context, b, 0);
        grow();
    }
    return id;
}

void cut_branch(chq_context * context, int32_t b, int32_t position) {
    branches & all = context->branches;
    llama_memory_seq_rm(context->memory, all.first + b, position, -1);
    all.end[b] = std::min(all.end[b], position);
}

void forget_branches(chq_context * context) {
    branches & all = context->branches;
    all.trunk = -1;
    for (int32_t b = 0; b < all.count(); ++b) {
        if (all.end[b] > 0) {
            cut_branch(context, b, 0);
        }
    }
}

} // namespace chq
