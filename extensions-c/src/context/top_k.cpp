// Decodes that leave the best tokens of each row instead of its logits.
//
// Two halves. The kernels reduce the model's last product while they compute it, when a request stands for the thread pool they run on
// (kernels/reduction.h). And llama.cpp is kept from copying the logits that nobody wrote: it does not when every sequence has a sampler inside
// the graph, and ours adds nothing to the graph and leaves nothing.
#include "context/context.h"

#include "runtime/runtime.h"

#include <algorithm>

static_assert(CHQ_TOP_K_MAX == chq::kernels::REDUCTION_MOST, "");

namespace chq {

static const char * no_logits_name(const llama_sampler *) { return "no-logits"; }
static void         no_logits_apply(llama_sampler *, llama_token_data_array *) {}
static bool         no_logits_init(llama_sampler *, ggml_backend_buffer_type_t, uint32_t) { return true; }
static void         no_logits_graph(llama_sampler *, ggml_context *, ggml_cgraph *, llama_sampler_data * data) { *data = {}; }

static llama_sampler_i no_logits_interface() {
    llama_sampler_i i = {};
    i.name          = no_logits_name;
    i.apply         = no_logits_apply;
    i.backend_init  = no_logits_init;
    i.backend_apply = no_logits_graph;
    return i;
}

static kernels::set_reduction reduce_function() {
    return kernels_function<kernels::set_reduction>("chasqui_kernels_reduce");
}

static void end_reductions(chq_context * context) {
    context->top_k = 0;
    for (int32_t seq_id = 0; seq_id < context->n_seq_max; ++seq_id) {
        llama_set_sampler(context->llama, seq_id, nullptr);
    }
    context->no_logits.clear();
    context->top_tokens = {};
    context->top_logits = {};
    forget_rows(context);
}

// The request stands only while a decode runs.
struct standing_request {
    kernels::set_reduction set;
    const void           * pools[2];

    standing_request(kernels::set_reduction set, chq_context * context) : set(set), pools { context->pool.get(), context->pool_batch.get() } {
        for (const void * pool : pools) {
            if (pool) {
                set(pool, &context->reduction);
            }
        }
    }
    ~standing_request() {
        for (const void * pool : pools) {
            if (pool) {
                set(pool, nullptr);
            }
        }
    }
    standing_request(const standing_request &) = delete;
};

int32_t decode_batch(chq_context * context, const llama_batch & batch, int32_t n_outputs) {
    if (context->top_k == 0) {
        return decode_in_crowd(context, batch);
    }
    const size_t needed = (size_t) n_outputs * (size_t) context->top_k;
    if (context->top_tokens.size() < needed) {
        context->top_tokens.resize(needed);
        context->top_logits.resize(needed);
    }
    context->reduction = { context->top_k, n_outputs, 0, context->top_tokens.data(), context->top_logits.data() };
    const standing_request request(reduce_function(), context);
    const int32_t code = decode_in_crowd(context, batch);
    if (code == 0) {
        llama_synchronize(context->llama);
    }
    return code;
}

// One token through the model, to see whether the kernels meet its last product.
static bool meets_last_product(chq_context * context) {
    int32_t token = 0;
    decode_tokens(context, 0, &token, 1, CHQ_OUTPUT_LAST, nullptr);
    const bool met = context->reduction.rows == 1;
    llama_memory_clear(context->memory, false);
    forget_rows(context);
    return met;
}

} // namespace chq

using namespace chq;

chq_status chq_context_set_top_k(struct chq_context * context, int32_t k) {
    return guarded({ context }, [&] {
        check_context(context);
        if (k < 0 || k > CHQ_TOP_K_MAX || k > context->n_vocab) {
            fail(CHQ_STATUS_ARGUMENT, "k = %d is not in 0..%d", k, std::min<int32_t>(CHQ_TOP_K_MAX, context->n_vocab));
        }
        check_memory(context);
        if (context->embeddings || !context->causal) {
            fail(CHQ_STATUS_UNSUPPORTED, "the context gives embeddings");
        }
        for (int32_t seq_id = 0; seq_id < context->n_seq_max; ++seq_id) {
            if (llama_memory_seq_pos_max(context->memory, seq_id) >= 0) {
                fail(CHQ_STATUS_STATE, "sequence %d is not empty", seq_id);
            }
        }
        if (!reduce_function() && k > 0) {
            fail(CHQ_STATUS_UNSUPPORTED, "Chasqui's kernels are not loaded");
        }
        end_reductions(context);
        if (k == 0) {
            return CHQ_STATUS_OK;
        }
        static llama_sampler_i interface = no_logits_interface();
        for (int32_t seq_id = 0; seq_id < context->n_seq_max; ++seq_id) {
            // a chain each: llama.cpp initialises one only once
            context->no_logits.emplace_back(llama_sampler_chain_init(llama_sampler_chain_default_params()), llama_sampler_free);
            llama_sampler * chain = context->no_logits.back().get();
            llama_sampler_chain_add(chain, llama_sampler_init(&interface, nullptr));
            if (!llama_set_sampler(context->llama, seq_id, chain)) {
                end_reductions(context);
                fail(CHQ_STATUS_UNSUPPORTED, "llama.cpp takes no sampler into this model's graph");
            }
        }
        context->top_k = k;
        bool met = false;
        try {
            met = meets_last_product(context);
        } catch (...) {
            end_reductions(context);
            throw;
        }
        if (!met) {
            end_reductions(context);
            fail(CHQ_STATUS_UNSUPPORTED, "the kernels do not compute this model's last product, or something follows it");
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_top_k(struct chq_context * context, const int32_t ** tokens, const float ** logits, int32_t * n_rows, int32_t * k) {
    return guarded({ context }, [&] {
        check_context(context);
        check_pointer(tokens, "tokens");
        check_pointer(logits, "logits");
        check_pointer(n_rows, "n_rows");
        check_pointer(k,      "k");
        if (context->top_k == 0 || context->n_rows == 0) {
            fail(CHQ_STATUS_STATE, context->top_k == 0 ? "chq_context_set_top_k has not been called" : "the last decode left no rows");
        }
        if (context->reduction.rows != context->n_rows) {
            fail(CHQ_STATUS_COMPUTE, "%d of %d rows were reduced", context->reduction.rows, context->n_rows);
        }
        *tokens = context->top_tokens.data();
        *logits = context->top_logits.data();
        *n_rows = context->n_rows;
        *k      = context->top_k;
        return CHQ_STATUS_OK;
    });
}
