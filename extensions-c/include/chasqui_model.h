// Models: weights, vocabulary, metadata.
//
// A model may be used from many threads at once. It counts its contexts: freeing it while one is open fails.
#pragma once

#include "chasqui_guard.h"
#include "llama.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_model;

// Which weights are packed into the layout of Chasqui's kernels (chq_kernels) instead of llama.cpp's own.
enum chq_kernels_mode {
    CHQ_KERNELS_AUTO = 0, // what the environment's CHASQUI_KERNELS says; without it, the formats that a short trial found faster on this machine
    CHQ_KERNELS_ON   = 1, // all that there are kernels for
    CHQ_KERNELS_OFF  = 2, // none
};

// Loads a GGUF file. params: as llama_model_default_params() gives them, then changed; NULL = the defaults.
// The arrays params points to are read during the call only. kernels: enum chq_kernels_mode, without
// effect where no kernels are loaded.
CHQ_API chq_status chq_model_load(const char * path, const struct llama_model_params * params, int32_t kernels, struct chq_model ** out);

// The same with a cache of packed weights: those that cache_folder has are mapped instead of packed, the others are written there. At most
// cache_bytes stay in it, what was used longest ago goes first; any number of processes may share it. Whatever is wrong with the folder, the
// model loads without, and the log says so. NULL = what the environment's CHASQUI_PACKED_CACHE says, "" = no cache.
CHQ_API chq_status chq_model_load_cached(
        const char                      * path,
        const struct llama_model_params * params,
        int32_t                           kernels,
        const char                      * cache_folder,
        uint64_t                          cache_bytes,
        struct chq_model               ** out);

// Frees the weights. CHQ_STATUS_STATE while contexts are open. NULL is ignored.
CHQ_API chq_status chq_model_free(struct chq_model * model);

// The wrapped model, for callers that use llama.h themselves. NULL for NULL.
CHQ_API struct llama_model * chq_model_llama(const struct chq_model * model);

struct chq_model_info {
    int32_t  n_vocab;
    int32_t  n_ctx_train;
    int32_t  n_embd;
    int32_t  n_embd_inp;     // numbers of a row of chq_decode_embeddings: more than n_embd where layers further up take their own
    int32_t  n_layer;
    int32_t  n_head;
    int32_t  n_head_kv;
    int32_t  n_swa;          // sliding window in tokens, 0 = none
    int32_t  vocab_type;     // enum llama_vocab_type
    int32_t  rope_type;      // enum llama_rope_type
    int32_t  n_pos_per_embd; // positions per token: 4 with M-RoPE, else 1
    uint64_t n_params;
    uint64_t n_bytes;        // of all tensors
    uint64_t n_bytes_packed; // of weights in the layout of Chasqui's kernels

    // special tokens, -1 = the model has none
    int32_t  token_bos;
    int32_t  token_eos;
    int32_t  token_eot;
    int32_t  token_sep;
    int32_t  token_nl;
    int32_t  token_pad;
    int32_t  token_mask;
    int32_t  token_fim_pre;
    int32_t  token_fim_suf;
    int32_t  token_fim_mid;
    int32_t  token_fim_pad;
    int32_t  token_fim_rep;
    int32_t  token_fim_sep;
    int32_t  token_decoder_start;

    bool     add_bos;
    bool     add_eos;
    bool     add_sep;
    bool     has_encoder;
    bool     has_decoder;
    bool     is_recurrent;
    bool     is_hybrid;
    bool     is_diffusion;
    bool     vocab_only;
};

CHQ_API chq_status chq_model_get_info(const struct chq_model * model, struct chq_model_info * out);

// Where weights went.
struct chq_placement {
    char     device[64];
    int32_t  n_layers;   // the last one counts as one more layer, with the output
    uint64_t n_bytes;
};

// The devices that hold weights; *n = how many there are, of which at most capacity are written.
CHQ_API chq_status chq_model_placement(const struct chq_model * model, struct chq_placement * out, int32_t capacity, int32_t * n);

// Text outputs: *length = bytes needed without the terminator, always written; CHQ_STATUS_BUFFER if length + 1 > capacity.

CHQ_API chq_status chq_model_description(const struct chq_model * model, char * text, size_t capacity, size_t * length);

// A metadata value as text. CHQ_STATUS_STATE if the model has no such key.
CHQ_API chq_status chq_model_meta(const struct chq_model * model, const char * key, char * text, size_t capacity, size_t * length);

// The chat template of that name (NULL = the default one). CHQ_STATUS_STATE if the model has none.
CHQ_API chq_status chq_model_chat_template(const struct chq_model * model, const char * name, char * text, size_t capacity, size_t * length);

//
// vocabulary
//

// Text (UTF-8, n_text bytes, may hold NUL and invalid sequences) to tokens. *n_tokens = tokens needed; CHQ_STATUS_BUFFER if that is more
// than capacity. parse_special = false keeps text from becoming a control token. CHQ_STATUS_UNSUPPORTED if more than a million characters
// without white space (or of white space) meet a vocabulary whose pre-tokenizer recurses.
CHQ_API chq_status chq_tokenize(
        const struct chq_model * model,
        const char             * text,
        size_t                   n_text,
        bool                     add_special,
        bool                     parse_special,
        int32_t                * tokens,
        int32_t                  capacity,
        int32_t                * n_tokens);

// Tokens to text (not terminated). *length = bytes needed; CHQ_STATUS_BUFFER if that is more than capacity.
CHQ_API chq_status chq_detokenize(
        const struct chq_model * model,
        const int32_t          * tokens,
        int32_t                  n_tokens,
        bool                     remove_special,
        bool                     unparse_special,
        char                   * text,
        size_t                   capacity,
        size_t                 * length);

// The bytes of one token (not terminated; may be part of a character). special = false renders control tokens as nothing.
CHQ_API chq_status chq_token_piece(const struct chq_model * model, int32_t token, bool special, char * bytes, size_t capacity, size_t * length);

struct chq_token_info {
    float   score;
    int32_t attributes;   // bits of enum llama_token_attr
    bool    is_end;       // ends a generation
    bool    is_control;
};

CHQ_API chq_status chq_token_get_info(const struct chq_model * model, int32_t token, struct chq_token_info * out);

// Whether the tokens of the one mean the same in the other; one of the two may have up to 1024 more, for padding.
CHQ_API chq_status chq_same_vocabulary(const struct chq_model * a, const struct chq_model * b, bool * same);

//
// embeddings of tokens
//

struct chq_token_rows;

// Opens the token embeddings of a model file, [n_vocab, n_embd] numbers. Safe from any thread.
CHQ_API chq_status chq_token_rows_open(const char * path, struct chq_token_rows ** out);
CHQ_API chq_status chq_token_rows_free(struct chq_token_rows * rows); // NULL is ignored

// Rows of tokens, [n_tokens, n_embd]; capacity in floats.
CHQ_API chq_status chq_token_rows_get(struct chq_token_rows * rows, const int32_t * tokens, int32_t n_tokens, float * out, int64_t capacity);

// The mean row of the vocabulary, of a sample where it is large: [n_embd].
CHQ_API chq_status chq_token_rows_mean(struct chq_token_rows * rows, float * out, int64_t capacity);

#ifdef __cplusplus
}
#endif
