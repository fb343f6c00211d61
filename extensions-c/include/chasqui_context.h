// Contexts: the KV cache and the compute buffers of one model.
//
// A context is used by one thread at a time; only chq_context_cancel may be called while another thread is inside.
// Each context owns one ggml thread pool, so that decoding starts no threads.
#pragma once

#include "chasqui_guard.h"
#include "chasqui_model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_context;
struct chq_sampler;

// params: as llama_context_default_params() gives them, then changed; NULL = the defaults, with all physical cores.
// Callbacks in params are replaced; samplers in params are refused (CHQ_STATUS_UNSUPPORTED).
// n_threads <= 0 means chq_physical_cores(). Refuses a context that would not fit into memory (CHQ_STATUS_MEMORY).
// poll: 0 (workers sleep between graphs) .. 100 (they spin); ggml's own default is 50.
CHQ_API chq_status chq_context_create(struct chq_model * model, const struct llama_context_params * params, int32_t poll, struct chq_context ** out);

// NULL is ignored. A poisoned context (CHQ_STATUS_ABORTED) gives up its memory instead of running native code again.
CHQ_API chq_status chq_context_free(struct chq_context * context);

// The wrapped context, for callers that use llama.h themselves. NULL for NULL.
CHQ_API struct llama_context * chq_context_llama(const struct chq_context * context);

struct chq_context_info {
    uint32_t n_ctx;            // cells in all
    uint32_t n_ctx_seq;        // cells for one sequence
    uint32_t n_batch;
    uint32_t n_ubatch;
    uint32_t n_seq_max;
    int32_t  n_threads;        // decode
    int32_t  n_threads_batch;  // prefill
    bool     kv_unified;
    bool     can_shift;
    bool     causal;
    bool     embeddings;
    bool     poisoned;
    uint64_t state_bytes;      // size of the whole state, as llama_state_get_size
};

CHQ_API chq_status chq_context_get_info(struct chq_context * context, struct chq_context_info * out);

CHQ_API chq_status chq_context_set_threads(struct chq_context * context, int32_t n_threads, int32_t n_threads_batch);

// Stops the decode that is running in another thread, between two nodes of its graph, and every later one until reset.
// The only function that is safe while another thread uses the context. NULL is ignored.
CHQ_API void chq_context_cancel(struct chq_context * context);
CHQ_API void chq_context_cancel_reset(struct chq_context * context);

//
// decode
//

enum chq_output {
    CHQ_OUTPUT_NONE = 0,
    CHQ_OUTPUT_LAST = 1, // of the last token
    CHQ_OUTPUT_ALL  = 2, // of every token; n_tokens <= n_batch
};

// Appends n_tokens to a sequence, in steps of n_ubatch, with a GPU of n_batch. The cells left are checked first: CHQ_STATUS_CONTEXT_FULL leaves
// everything as it was. *n_done (may be NULL) = tokens of this call that are in the KV cache, written after each step for whoever watches; after
// CHQ_STATUS_CANCELLED and CHQ_STATUS_COMPUTE it may be less than n_tokens, and the sequence is usable from there.
CHQ_API chq_status chq_decode(
        struct chq_context * context,
        int32_t              seq_id,
        const int32_t      * tokens,
        int32_t              n_tokens,
        int32_t              output,   // enum chq_output: which tokens leave a row of logits
        int32_t            * n_done);

// Decodes a batch of the caller's (several sequences, trees, embeddings). Everything in it is checked; n_tokens <= n_batch.
CHQ_API chq_status chq_decode_batch(struct chq_context * context, const struct llama_batch * batch);

// Where a row of embeddings is, relative to the position at which its part of the sequence begins.
struct chq_position {
    int32_t t;
    int32_t y;
    int32_t x;
};

// Appends rows of embeddings [n_rows, n_embd_inp of the model], e.g. of an image, as one part of the sequence: it can be removed and shifted as a whole only.
// positions: NULL = one after the other, n_positions = n_rows then; else one for each row, for models with several positions per token (n_pos_per_embd). What
// follows the part continues n_positions after its begin, so each t, y and x is below that.
// causal = false: the rows attend to each other, in one graph: n_rows <= n_ubatch.
// output: CHQ_OUTPUT_NONE or CHQ_OUTPUT_LAST. After a failure nothing of the part is left; where the memory cannot forget a part, nothing of the sequence.
CHQ_API chq_status chq_decode_embeddings(
        struct chq_context        * context,
        int32_t                     seq_id,
        const float               * rows,
        const struct chq_position * positions,
        int32_t                     n_rows,
        int32_t                     n_positions,
        bool                        causal,
        int32_t                     output);

// Rows of logits that the last decode left, in the order of its tokens: *data is [*n_rows, n_vocab], valid until the next decode.
CHQ_API chq_status chq_logits(struct chq_context * context, const float ** data, int32_t * n_rows);

// Most tokens of chq_context_set_top_k.
#define CHQ_TOP_K_MAX 64

// From now on decodes leave the k best tokens of each row instead of its logits (chq_top_k; chq_logits and chq_sample fail): the kernels pick
// them while they multiply, so that rows times n_vocab floats are neither written nor read. k = 0: logits again. Every sequence must be empty.
// CHQ_STATUS_UNSUPPORTED where the kernels do not compute the model's last product, or where something follows it.
CHQ_API chq_status chq_context_set_top_k(struct chq_context * context, int32_t k);

// What the last decode left: *tokens and *logits are [*n_rows, *k], best first, equals by token; valid until the next decode.
CHQ_API chq_status chq_top_k(struct chq_context * context, const int32_t ** tokens, const float ** logits, int32_t * n_rows, int32_t * k);

// Number of cells that a sequence can still take in the best case.
CHQ_API chq_status chq_context_room(struct chq_context * context, int32_t seq_id, int32_t * n_cells);

//
// one token, one call
//

struct chq_sampled {
    int32_t token;     // the token sampled (and accepted by the sampler)
    int32_t n_piece;   // bytes written to piece; a longer piece is reported by its full length, see chq_token_piece
    bool    is_end;    // an end-of-generation token
};

// Samples from row `row` of the last logits (-1 = the last row), accepts the token and renders its bytes. special = render control tokens.
// piece may be NULL with capacity 0.
CHQ_API chq_status chq_sample(
        struct chq_context * context,
        struct chq_sampler * sampler,
        int32_t              row,
        bool                 special,
        struct chq_sampled * out,
        char               * piece,
        int32_t              capacity);

// chq_decode of one token with its logits, then chq_sample.
CHQ_API chq_status chq_step(
        struct chq_context * context,
        int32_t              seq_id,
        int32_t              token,
        struct chq_sampler * sampler,
        bool                 special,
        struct chq_sampled * out,
        char               * piece,
        int32_t              capacity);

//
// sequences; positions are half-open [p0, p1), p1 < 0 = to the end
//

// Positions of a sequence: [*first, *last], both -1 if it is empty.
CHQ_API chq_status chq_seq_range(struct chq_context * context, int32_t seq_id, int32_t * first, int32_t * last);

// Removes [p0, p1). CHQ_STATUS_UNSUPPORTED, with nothing changed, where the memory cannot forget a part (recurrent models, a window already slid).
CHQ_API chq_status chq_seq_remove(struct chq_context * context, int32_t seq_id, int32_t p0, int32_t p1);

// Makes dst a copy of [0, end) of src (dst is emptied first); cells are shared where the cache is unified.
CHQ_API chq_status chq_seq_copy(struct chq_context * context, int32_t src, int32_t dst);

// Adds delta to the positions in [p0, p1) (context shift). CHQ_STATUS_UNSUPPORTED where the cache cannot, and while the
// sequence shares cells with another one.
CHQ_API chq_status chq_seq_shift(struct chq_context * context, int32_t seq_id, int32_t p0, int32_t p1, int32_t delta);

// Empties every sequence.
CHQ_API chq_status chq_context_clear(struct chq_context * context);

#ifdef __cplusplus
}
#endif
