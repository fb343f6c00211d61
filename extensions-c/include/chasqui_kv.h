// Two answers to long texts: attention to a part of them, and KV caches that are larger than the memory for them.
//
// Sparse attention: while tokens are generated one by one, each attends to a part of what the KV cache holds.
//
// Always to the first tokens (sinks) and the last ones (the window); of the others to those that the token's queries want most, as far as an
// estimate tells. The answer is another one than without, by how much depends on the text and on the share of tokens. Nothing leaves the
// cache: prompts are computed with full attention unless sparse prefill is asked for, and sparse attention can begin and end at any token.
#pragma once

#include "chasqui_context.h"

#ifdef __cplusplus
extern "C" {
#endif

// By what cells are chosen.
enum chq_sparse_selector {
    CHQ_SPARSE_SKETCH = 0, // tokens, by a sketch of every key in two bits a channel
    CHQ_SPARSE_EXACT  = 1, // tokens, by their keys: what the sketch could be at best; slow
    CHQ_SPARSE_BOX    = 2, // chunks of 32, by the bounds of their keys (Quest)
    CHQ_SPARSE_LEOAM  = 3, // chunks of growing fineness, by the bounds of their keys (LeoAM)
    CHQ_SPARSE_HISA   = 4, // tokens by their keys, within the chunks of the best mean keys (HISA)
    CHQ_SPARSE_FASA   = 5, // tokens, by the channels that matter most to each head (FASA)
    CHQ_SPARSE_RANDOM = 6, // chunks of 32 at random: a control
    CHQ_SPARSE_WINDOW = 7, // the latest tokens: a control
    CHQ_SPARSE_CHUNKS = 8, // chunks of 32, by their keys: what choosing whole chunks could be at best; slow
};

struct chq_sparse_params {
    enum chq_sparse_selector selector;
    float    share;        // of the visible tokens that are chosen beside sinks and window, (0, 1]
    float    max_share;    // >= share: as many as leave out no more than `missing`, between both
    float    missing;      // share of the attention that may be left out, by the estimate, [0, 1); 0 = always max_share
    int32_t  sinks;        // >= 0
    int32_t  window;       // >= 1
    int32_t  dense_layers; // first layers with full attention
    int32_t  refresh;      // steps that a choice is used for, 1..64
    int32_t  layers;       // layers that share a choice, >= 1
    bool     always;       // also where full attention is measured to be faster
    uint64_t seed;         // of CHQ_SPARSE_RANDOM
};

CHQ_API struct chq_sparse_params chq_sparse_default_params(void);

// From now on tokens that are decoded one at a time attend sparsely; NULL = to everything, from the next token on. Where there are no more tokens than
// would be chosen they do as well. CHQ_STATUS_UNSUPPORTED where Chasqui's kernels have no seat in the CPU backend, or the KV cache is not on the CPU.
CHQ_API chq_status chq_context_set_sparse(struct chq_context * context, const struct chq_sparse_params * params);

struct chq_sparse_stats {
    int64_t steps;          // tokens decoded one at a time
    int64_t sparse_steps;   // of these, those that attended sparsely in some layer
    double  cells;          // share of the visible cells that they attended to in these layers, mean; 1 if there were none
    double  missing;        // share of the attention that was left out, as the selector estimates it, mean; negative if it does not
    double  dense_seconds;  // attention of the steps that measured both ways
    double  sparse_seconds;
    int64_t sketch_bytes;   // that are kept of keys
};

// Since the last chq_context_set_sparse.
CHQ_API chq_status chq_context_sparse_stats(struct chq_context * context, struct chq_sparse_stats * out);

// Sparse prefill: of a long prompt each block of 64 tokens attends, in each head, to a part of the 64-key tiles before it. Always to the first ones and to the last
// ones; of the others to those in which four of the block's own queries find most of their attention, and to no more than leave out a given share of it. The last
// tokens of each chq_decode attend to everything. The answer is another one than without, and so is what the KV cache holds.

struct chq_sparse_prefill_params {
    float   missing; // share of the attention that may be left out, by the estimate, [0, 1); 0 = none
    int32_t sinks;   // first keys that are always attended to, >= 0; whole tiles
    int32_t window;  // keys before a block that are, >= 0
    int32_t last;    // tokens at the end of a prompt with full attention, >= 0
    bool    always;  // also where choosing is measured to cost more than it saves
};

CHQ_API struct chq_sparse_prefill_params chq_sparse_prefill_default_params(void);

// From now on chq_decode of several tokens without CHQ_OUTPUT_ALL is sparse; NULL = dense again. What is not an fp16 cache with keys of a text one after another, is dense
// as it was. CHQ_STATUS_UNSUPPORTED as for chq_context_set_sparse.
CHQ_API chq_status chq_context_set_sparse_prefill(struct chq_context * context, const struct chq_sparse_prefill_params * params);

struct chq_sparse_prefill_stats {
    int64_t tokens;         // of prompts
    int64_t sparse_tokens;  // of these, those that attended sparsely in some layer
    double  pairs;          // of queries and tiles before them, the share that was computed in these layers; 1 if there were none
    double  missing;        // share of the attention that was left out there, by the estimate, mean
    double  choice_seconds; // that choosing took, on one thread
    double  saved_seconds;  // that the rest would have taken, on the same thread, at the speed of what was computed
};

// Since the last chq_context_set_sparse_prefill.
CHQ_API chq_status chq_context_sparse_prefill_stats(struct chq_context * context, struct chq_sparse_prefill_stats * out);

//
// A KV cache on a file: no more than `budget` bytes of it are in memory. What a step needs is brought in before, and other parts leave for it. Everything works as with
// a cache in memory and gives the same; full attention reads all of the cache for each step, layer by layer. Sparse attention chooses whole pages where the
// cache is larger than its budget, and is on in each step; CHQ_SPARSE_EXACT, _HISA and _FASA, which read all keys, are refused then.
//

// chq_context_create with such a cache. folder: where the file is made, on a disk; it has no name there, takes its whole room at once, and ends with
// the context. budget: at least what the keys and values of one layer take, else CHQ_STATUS_ARGUMENT. CHQ_STATUS_STORAGE: no such file can be made, the message says
// why and how large it would be. CHQ_STATUS_UNSUPPORTED: as chq_context_set_sparse, or without flash attention.
// When the file cannot be read or written later, the call that needed it fails with CHQ_STATUS_STORAGE. What it was about to compute is not in the cache, what was there
// still is; in the rare case that this cannot be, as of a shift, all sequences are empty.
CHQ_API chq_status chq_context_create_on_file(
        struct chq_model                  * model,
        const struct llama_context_params * params,
        int32_t                             poll,
        const char                        * folder,
        uint64_t                            budget,
        struct chq_context               ** out);

struct chq_kv_file_stats {
    uint64_t file_bytes;     // of keys and values; 0 = the context has no such cache
    uint64_t budget_bytes;
    uint64_t resident_bytes; // in memory now, by the system's count
    uint64_t most_resident;  // at once so far
    uint64_t loaded_bytes;   // brought in again that had left
    uint64_t evicted_bytes;  // that left
};

CHQ_API chq_status chq_context_kv_file_stats(struct chq_context * context, struct chq_kv_file_stats * out);

#ifdef __cplusplus
}
#endif
