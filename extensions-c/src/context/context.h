#pragma once

#include "chasqui_adapter.h"
#include "chasqui_context.h"
#include "context/branches.h"
#include "context/crowd.h"
#include "guard/guard.h"
#include "kernels/reduction.h"
#include "model/model.h"
#include "sparse/context_prefill.h"
#include "sparse/context_sparse.h"
#include "speculation/pass_cost.h"
#include "tier/context_tier.h"

#include <atomic>
#include <memory>
#include <vector>

namespace chq {

// One ggml thread pool, made and freed through the CPU backend's registry so that it works where backends are loaded at run time.
class thread_pool {
public:
    thread_pool() = default;
    thread_pool(int32_t n_threads, int32_t poll);
    thread_pool(thread_pool && other) noexcept : pool(other.pool) { other.pool = nullptr; }
    thread_pool & operator=(thread_pool && other) noexcept { swap(other); return *this; }
    ~thread_pool();

    ggml_threadpool_t get() const { return pool; }
    void swap(thread_pool & other) noexcept { std::swap(pool, other.pool); }
    void abandon() { pool = nullptr; }

private:
    ggml_threadpool_t pool = nullptr;
};

// A part of a sequence that came as embeddings: an image may take fewer positions than cells, or more.
struct embedded_span {
    int32_t begin;       // position of the first row
    int32_t n_positions;
    int32_t n_cells;
};

// An adapter that the context computes with.
struct used_lora {
    chq_lora * lora;
    float      scale;
};

// A tree that was computed and not yet committed.
struct tree_in_flight {
    struct node {
        int32_t parent   = -1;
        int32_t depth    = 0;
        int32_t id       = 0;     // of a sequence that it belongs to
        bool    on_trunk = false; // whether it also belongs to the sequence that the tree grew on
    };
    bool              pending    = false;
    int32_t           seq_id     = 0;
    int32_t           base       = 0; // position of the root
    int32_t           n_branches = 0;
    std::vector<node> nodes;
    std::vector<uint8_t> cells; // those of a path on their way to other places
};

} // namespace chq

struct chq_context : chq::handle {
    chq_context() : handle(chq::KIND_CONTEXT) {}

    chq_model     * model  = nullptr;
    llama_context * llama  = nullptr;
    llama_memory_t  memory = nullptr; // NULL for models that only encode

    // Generation and prefill have a pool each when their numbers of threads differ: a pool wakes all of its threads for each graph.
    chq::thread_pool pool;
    chq::thread_pool pool_batch;
    // ggml pauses the pool it used last when it is given another one: replaced pools live until it has.
    std::vector<chq::thread_pool> retired_pools;
    int32_t          poll = 50;

    // What the caller asked for; llama.cpp may be told less for a while.
    int32_t    n_threads       = 0;
    int32_t    n_threads_batch = 0;
    chq::crowd crowd;

    chq::pass_cost pass_cost; // of the speculative steps here

    chq::context_sparse  sparse;
    chq::context_prefill prefill;
    chq::context_tier    tier; // freed after the cache

    chq::branches       branches;
    const char        * no_branches = nullptr; // why there are none
    chq::tree_in_flight flight;

    std::atomic<bool>         cancelled { false };
    const std::atomic<bool> * cancelled_with = nullptr; // of the context that this one drafts for

    // constants, read once
    int32_t n_vocab       = 0;
    int32_t n_ctx_seq     = 0;
    int32_t n_batch       = 0;
    int32_t n_ubatch      = 0;
    int32_t n_seq_max     = 0;
    int32_t n_outputs_max = 0;
    bool    kv_unified    = false;
    bool    causal        = true;
    bool    embeddings    = false;
    bool    swa_full      = true;
    bool    can_shift     = false;
    ggml_type type_k      = GGML_TYPE_F16;
    ggml_type type_v      = GGML_TYPE_F16;
    uint64_t  settings    = 0;  // of rotation and attention: saved states must agree in them

    // see adapter/lora.h
    std::vector<chq::used_lora> loras;
    uint64_t control_vector = 0; // its hash, 0 = none
    uint64_t adapters       = 0; // what goes into the settings of saved states

    // chq_decode's batch of n_batch tokens; the arrays never move
    std::vector<llama_pos>      batch_pos;
    std::vector<int32_t>        batch_n_seq;
    std::vector<llama_seq_id *> batch_seq;
    std::vector<int8_t>         batch_output;
    llama_seq_id                batch_seq_id = 0;

    // rows of the last decode; data is asked for when somebody wants it
    int32_t       n_rows    = 0;
    const float * rows_data = nullptr;
    std::vector<float> restored_row; // which a saved state brought

    std::vector<llama_token_data> candidates; // for the chains that pick in one step, in turn

    // chq_context_set_top_k: what the kernels fill in instead of logits
    int32_t                     top_k = 0;
    chq::kernels::reduction     reduction = {};
    std::vector<int32_t>        top_tokens;
    std::vector<float>          top_logits;
    std::vector<std::unique_ptr<llama_sampler, void (*)(llama_sampler *)>> no_logits; // one for each sequence

    // Positions forgotten in the middle of a sequence: cells that its range of positions does not account for.
    std::vector<int32_t> n_holes;

    // Of each sequence, in order. See embeddings.cpp.
    std::vector<std::vector<chq::embedded_span>> spans;
    // chq_seq_hold: what stays on the host of the state in each slot, and how many cells it takes
    struct held_state {
        std::vector<uint8_t> host;
        int32_t              n_cells = 0;
    };
    std::vector<held_state> held;
    bool                    kv_offloaded = false;

    // Sequences with the same number may share cells, whose positions can then not be changed for one of them alone.
    std::vector<int32_t> cell_group;
    int32_t              next_group = 0;

    // Shifts and copies between streams are carried out by the next decode; until then the cache's data is the old one.
    bool needs_update = false;
};

namespace chq {

inline bool is_cancelled(const chq_context * context) {
    return context->cancelled.load(std::memory_order_relaxed) || (context->cancelled_with && context->cancelled_with->load(std::memory_order_relaxed));
}

inline void check_context(const chq_context * context) {
    check_handle(context, KIND_CONTEXT, "context");
}

// Where a KV cache is that is not in memory.
struct kv_file {
    const char * folder;
    uint64_t     budget; // bytes in memory
};

// A context that chq_context_free takes back. params may have a callback for its graphs; the callback must live as long.
std::unique_ptr<chq_context> make_context(chq_model * model, llama_context_params params, int32_t poll, const kv_file * file = nullptr);

// A caller's params without what is not for callers; NULL = the defaults.
llama_context_params plain_params(const llama_context_params * params);

// Empties every sequence.
void clear_context(chq_context * context);

void check_sequence(const chq_context * context, int32_t seq_id);

// CHQ_STATUS_UNSUPPORTED for contexts without a KV cache.
llama_memory_t check_memory(const chq_context * context);

// The logits of the last decode, NULL if there are none.
const float * logits_of(chq_context * context);

void forget_rows(chq_context * context);

// CHQ_STATUS_STATE while a tree waits for its commit.
void check_settled(const chq_context * context);

// Before anything but appending happens to a sequence: CHQ_STATUS_STATE while a tree waits for its commit; branches are forgotten.
void prepare_change(chq_context * context);

// Carries out what needs_update announces.
void update_memory(chq_context * context);

// Keeps cell_group right.
void share_cells  (chq_context * context, int32_t a, int32_t b);
void unshare_cells(chq_context * context, int32_t seq_id);
bool shares_cells (const chq_context * context, int32_t seq_id);

// Where the next token of a sequence goes.
int32_t next_position(const chq_context * context, int32_t seq_id);

// How many more cells than positions its embedded spans take.
int32_t span_surplus(const chq_context * context, int32_t seq_id);

// CHQ_STATUS_UNSUPPORTED if [p0, p1) is part of a span only; p1 < 0 = to the end.
void check_span_cut(const chq_context * context, int32_t seq_id, int32_t p0, int32_t p1);

// Forgets the spans in [p0, p1).
void drop_spans(chq_context * context, int32_t seq_id, int32_t p0, int32_t p1);

// llama_decode, with the kernels' reduction of the outputs where chq_context_set_top_k asks for it. n_outputs: rows that the batch asks for.
int32_t decode_batch(chq_context * context, const llama_batch & batch, int32_t n_outputs);

// llama_decode with as many threads as pay (crowd.h).
int32_t decode_in_crowd(chq_context * context, const llama_batch & batch);

// Whether a decode can begin; what the caller passes in is checked apart.
void check_decodable(const chq_context * context);

[[noreturn]] void fail_full(int32_t needed, int32_t available);

// What a code of llama_decode other than 0 and 1 means.
[[noreturn]] void fail_decode(int32_t code);

// Has the chain pick from a row of logits, accept its pick and render it. candidates: see pick_token.
void pick_row(chq_context * context, chq_sampler * sampler, const float * row, bool special, chq_sampled * out, char * piece, int32_t capacity,
    std::vector<llama_token_data> & candidates);

// See chq_context_room.
int32_t room_of(const chq_context * context, int32_t seq_id);

// chq_decode after its handle checks. Throws or returns what chq_decode returns.
chq_status decode_tokens(chq_context * context, int32_t seq_id, const int32_t * tokens, int32_t n_tokens, int32_t output, int32_t * n_done);

} // namespace chq
