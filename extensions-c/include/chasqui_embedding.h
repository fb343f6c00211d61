// Embeddings: one row for a text, and rows that are near another.
#pragma once

#include "chasqui_context.h"

#ifdef __cplusplus
extern "C" {
#endif

// Numbers that the context gives for a text: as long as an embedding, or with LLAMA_POOLING_TYPE_RANK one for each class.
// CHQ_STATUS_UNSUPPORTED unless it was made with embeddings and pools them.
CHQ_API chq_status chq_embedding_size(struct chq_context * context, int32_t * size);

// Longest text of chq_embed, in tokens.
CHQ_API chq_status chq_embedding_room(struct chq_context * context, int32_t * n_tokens);

// Computes n_texts texts in one pass: lengths[i] tokens each, one text after the other in `tokens`. What the context held is forgotten, before and
// after. Together they must fit into n_ubatch, n_texts into n_seq_max.
// n_dims: numbers to keep of each row, from the first on; they are given unit length if normalize says so (a row of zeros stays).
// out: [n_texts, n_dims].
CHQ_API chq_status chq_embed(
        struct chq_context * context,
        const int32_t      * tokens,
        const int32_t      * lengths,
        int32_t              n_texts,
        int32_t              n_dims,
        bool                 normalize,
        float              * out);

// For each query the k rows with the largest dot product, or with the largest cosine: best first, equals by index. A NaN counts as -INFINITY, and the
// cosine with a row of zeros is 0. rows: [n_rows, n_dims], queries: [n_queries, n_dims], index and score: [n_queries, k], 1 <= k <= n_rows. No state,
// safe from any thread.
CHQ_API chq_status chq_rows_nearest(
        const float * rows,
        int32_t       n_rows,
        const float * queries,
        int32_t       n_queries,
        int32_t       n_dims,
        bool          cosine,
        int32_t       k,
        int32_t     * index,
        float       * score);

#ifdef __cplusplus
}
#endif
