#include "chasqui_embedding.h"

#include "context/context.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace chq {

namespace {

void check_pooling(const chq_context * context) {
    check_context(context);
    if (!context->embeddings || llama_pooling_type(context->llama) == LLAMA_POOLING_TYPE_NONE) {
        fail(CHQ_STATUS_UNSUPPORTED, "the context was not made for pooled embeddings");
    }
}

int32_t size_of(const chq_context * context) {
    const llama_model * model = context->model->llama;
    return llama_pooling_type(context->llama) == LLAMA_POOLING_TYPE_RANK ? (int32_t) llama_model_n_cls_out(model) : llama_model_n_embd_out(model);
}

// A model may know its positions from a table as long as the texts that it was trained on.
int32_t longest_text(const chq_context * context) {
    int32_t longest = std::min(context->n_ubatch, context->n_ctx_seq);
    const int32_t n_ctx_train = llama_model_n_ctx_train(context->model->llama);
    return n_ctx_train > 0 ? std::min(longest, n_ctx_train) : longest;
}

void forget_all(chq_context * context) {
    const chq_status status = chq_context_clear(context);
    if (status != CHQ_STATUS_OK) {
        throw failure { status };
    }
}

void scale_to_unit(float * row, int32_t n) {
    double sum = 0;
    for (int32_t i = 0; i < n; ++i) {
        sum += (double) row[i] * row[i];
    }
    const double factor = sum > 0 ? 1 / std::sqrt(sum) : 0;
    for (int32_t i = 0; i < n; ++i) {
        row[i] = (float) (row[i] * factor);
    }
}

int32_t check_texts(const chq_context * context, const int32_t * tokens, const int32_t * lengths, int32_t n_texts) {
    check_pointer(tokens,  "tokens");
    check_pointer(lengths, "lengths");
    if (n_texts < 1 || n_texts > context->n_seq_max) {
        fail(CHQ_STATUS_ARGUMENT, "%d texts are not in 1..%d, the sequences of the context", n_texts, context->n_seq_max);
    }
    const int32_t longest = longest_text(context);
    int64_t total = 0;
    for (int32_t i = 0; i < n_texts; ++i) {
        if (lengths[i] < 1 || lengths[i] > longest) {
            fail(CHQ_STATUS_ARGUMENT, "text %d has %d tokens, which is not in 1..%d", i, lengths[i], longest);
        }
        total += lengths[i];
    }
    if (total > context->n_ubatch || total > (int64_t) llama_n_ctx(context->llama)) {
        fail(CHQ_STATUS_ARGUMENT, "%lld tokens do not fit into one pass of %d", (long long) total, context->n_ubatch);
    }
    check_tokens(context->model, tokens, (int32_t) total);
    return (int32_t) total;
}

} // namespace

} // namespace chq

using namespace chq;

chq_status chq_embedding_size(struct chq_context * context, int32_t * size) {
    return guarded([&] {
        check_pooling(context);
        check_pointer(size, "size");
        *size = size_of(context);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_embedding_room(struct chq_context * context, int32_t * n_tokens) {
    return guarded([&] {
        check_pooling(context);
        check_pointer(n_tokens, "n_tokens");
        *n_tokens = longest_text(context);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_embed(
        struct chq_context * context,
        const int32_t      * tokens,
        const int32_t      * lengths,
        int32_t              n_texts,
        int32_t              n_dims,
        bool                 normalize,
        float              * out) {
    return guarded({ context }, [&] {
        check_pooling(context);
        check_decodable(context);
        check_pointer(out, "out");
        const int32_t n_tokens = check_texts(context, tokens, lengths, n_texts);
        const int32_t size     = size_of(context);
        if (n_dims < 1 || n_dims > size) {
            fail(CHQ_STATUS_ARGUMENT, "%d dimensions are not in 1..%d", n_dims, size);
        }

        std::vector<llama_pos>      pos   (n_tokens);
        std::vector<llama_seq_id>   ids   (n_texts);
        std::vector<llama_seq_id *> seq   (n_tokens);
        std::vector<int32_t>        n_seq (n_tokens, 1);
        std::vector<int8_t>         output(n_tokens, 1);
        int32_t at = 0;
        for (int32_t i = 0; i < n_texts; ++i) {
            ids[i] = i;
            for (int32_t p = 0; p < lengths[i]; ++p, ++at) {
                pos[at] = p;
                seq[at] = &ids[i];
            }
        }
        const llama_batch batch = {
            /*.n_tokens =*/ n_tokens,
            /*.token    =*/ const_cast<int32_t *>(tokens), // read only
            /*.embd     =*/ nullptr,
            /*.pos      =*/ pos.data(),
            /*.n_seq_id =*/ n_seq.data(),
            /*.seq_id   =*/ seq.data(),
            /*.logits   =*/ output.data(),
        };
        forget_all(context);
        const int32_t code = decode_batch(context, batch, n_tokens);
        if (code == 1) {
            fail_full(n_tokens, 0);
        } else if (code != 0) {
            forget_all(context);
            fail_decode(code);
        }
        llama_synchronize(context->llama);
        for (int32_t i = 0; i < n_texts; ++i) {
            const float * row = llama_get_embeddings_seq(context->llama, i);
            if (!row) {
                fail(CHQ_STATUS_COMPUTE, "text %d has no embedding", i);
            }
            std::copy_n(row, n_dims, out + (int64_t) i * n_dims);
            if (normalize) {
                scale_to_unit(out + (int64_t) i * n_dims, n_dims);
            }
        }
        forget_all(context);
        return CHQ_STATUS_OK;
    });
}
