#include "context/context.h"

#include "adapter/lora.h"
#include "chasqui_runtime.h"
#include "kernels/offer.h"
#include "model/xxh64.h"
#include "rpc/servers.h"
#include "runtime/runtime.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>

namespace chq {

constexpr int32_t  MAX_THREADS = 512;     // GGML_MAX_N_THREADS
constexpr uint32_t MAX_CTX     = 1u << 30;
constexpr uint32_t MAX_BATCH   = 1u << 20;

thread_pool::thread_pool(int32_t n_threads, int32_t poll) {
    using new_fn = ggml_threadpool_t (*)(ggml_threadpool_params *);
    auto make = (new_fn) cpu_function("ggml_threadpool_new");
    if (!make) {
        fail(CHQ_STATUS_UNSUPPORTED, "the CPU backend offers no thread pools");
    }
    ggml_threadpool_params params = ggml_threadpool_params_default(n_threads);
    params.poll = (uint32_t) poll;
    pool = make(&params);
    if (!pool) {
        fail(CHQ_STATUS_MEMORY, "%d threads could not be started", n_threads);
    }
}

// The kernels compute attention on the pools of models that they multiply for, and on no others. A pool that is gone is forgotten.
static void set_attention(ggml_threadpool_t pool, int what) {
    if (auto * set = kernels_function<void (*)(const void *, int)>("chasqui_kernels_set_attention")) {
        set(pool, what);
    }
}

thread_pool::~thread_pool() {
    if (pool) {
        set_attention(pool, kernels::ATTENTION_DEFAULT);
        using free_fn = void (*)(ggml_threadpool_t);
        auto release = (free_fn) cpu_function("ggml_threadpool_free");
        release(pool);
    }
}

static int32_t threads_or_default(int32_t n, const char * what) {
    if (n > MAX_THREADS) {
        fail(CHQ_STATUS_ARGUMENT, "%s = %d, at most %d are possible", what, n, MAX_THREADS);
    }
    return n > 0 ? n : std::min(chq_physical_cores(), MAX_THREADS);
}

static bool is_kv_type(int type) {
    switch (type) {
        case GGML_TYPE_F32:
        case GGML_TYPE_F16:
        case GGML_TYPE_BF16:
        case GGML_TYPE_Q8_0:
        case GGML_TYPE_Q5_0:
        case GGML_TYPE_Q5_1:
        case GGML_TYPE_Q4_0:
        case GGML_TYPE_Q4_1:
        case GGML_TYPE_IQ4_NL: return true;
        default:               return false;
    }
}

struct head_sizes {
    int64_t n_head;
    int64_t n_head_kv;
    int64_t k; // length of a key
    int64_t v; // length of a value
};

static head_sizes heads_of(const chq_model * model) {
    const llama_model * m = model->llama;
    head_sizes h;
    h.n_head    = std::max(0, llama_model_n_head(m));
    h.n_head_kv = std::max(0, llama_model_n_head_kv(m));
    const double usual = h.n_head > 0 ? llama_model_n_embd(m) / h.n_head : 0;
    h.k = (int64_t) meta_number(m, model->arch + ".attention.key_length",   usual);
    h.v = (int64_t) meta_number(m, model->arch + ".attention.value_length", usual);
    return h;
}

// Changes params to what llama.cpp would make of them, and refuses what it would abort on.
static void check_params(const chq_model * model, llama_context_params & params, int32_t poll) {
    if (model->vocab_only) {
        fail(CHQ_STATUS_STATE, "the model was loaded with vocab_only");
    }
    if (model->enc_dec) {
        fail(CHQ_STATUS_UNSUPPORTED, "models of architecture %s, with an encoder and a decoder, are not supported", model->arch.c_str());
    }
    if (poll < 0 || poll > 100) {
        fail(CHQ_STATUS_ARGUMENT, "poll = %d is not in 0..100", poll);
    }
    if (params.n_seq_max < 1 || params.n_seq_max > llama_max_parallel_sequences()) {
        fail(CHQ_STATUS_ARGUMENT, "n_seq_max = %u is not in 1..%zu", params.n_seq_max, llama_max_parallel_sequences());
    }
    if (params.n_ctx > MAX_CTX) {
        fail(CHQ_STATUS_ARGUMENT, "n_ctx = %u is more than %u", params.n_ctx, MAX_CTX);
    }
    if (params.n_ctx == 0) {
        params.n_ctx = (uint32_t) llama_model_n_ctx_train(model->llama);
    }
    if (params.n_ctx == 0) {
        fail(CHQ_STATUS_ARGUMENT, "n_ctx is 0 and the model names no length");
    }
    if (params.n_batch < 1) {
        fail(CHQ_STATUS_ARGUMENT, "n_batch = 0");
    }
    check_enum(params.ctx_type,          LLAMA_CONTEXT_TYPE_DEFAULT,           LLAMA_CONTEXT_TYPE_MTP,             "ctx_type");
    check_enum(params.rope_scaling_type, LLAMA_ROPE_SCALING_TYPE_UNSPECIFIED,  LLAMA_ROPE_SCALING_TYPE_MAX_VALUE,  "rope_scaling_type");
    check_enum(params.pooling_type,      LLAMA_POOLING_TYPE_UNSPECIFIED,       LLAMA_POOLING_TYPE_RANK,            "pooling_type");
    check_enum(params.attention_type,    LLAMA_ATTENTION_TYPE_UNSPECIFIED,     LLAMA_ATTENTION_TYPE_NON_CAUSAL,    "attention_type");
    check_enum(params.flash_attn_type,   LLAMA_FLASH_ATTN_TYPE_AUTO,           LLAMA_FLASH_ATTN_TYPE_ENABLED,      "flash_attn_type");

    const bool causal = params.attention_type == LLAMA_ATTENTION_TYPE_UNSPECIFIED ? model->causal : params.attention_type == LLAMA_ATTENTION_TYPE_CAUSAL;
    if (causal) {
        params.n_batch = std::min(params.n_batch, params.n_ctx);
    }
    if (params.n_batch > MAX_BATCH) {
        fail(CHQ_STATUS_ARGUMENT, "n_batch = %u is more than %u", params.n_batch, MAX_BATCH);
    }
    params.n_ubatch = params.n_ubatch == 0 ? params.n_batch : std::min(params.n_ubatch, params.n_batch);
    // the output buffer has a row for each sequence from the start
    if (params.n_outputs_max > params.n_batch) {
        params.n_outputs_max = params.n_batch;
    }
    const uint32_t n_outputs_max = params.n_outputs_max == 0 ? params.n_batch : params.n_outputs_max;
    if (n_outputs_max < params.n_seq_max) {
        fail(CHQ_STATUS_ARGUMENT, "%u sequences need as many rows of output, n_batch and n_outputs_max allow %u", params.n_seq_max, n_outputs_max);
    }
    if (params.embeddings) {
        params.n_outputs_max = params.n_batch; // each token has a row
    }

    check_finite(params.rope_freq_base,   "rope_freq_base");
    check_finite(params.rope_freq_scale,  "rope_freq_scale");
    check_finite(params.yarn_ext_factor,  "yarn_ext_factor");
    check_finite(params.yarn_attn_factor, "yarn_attn_factor");
    check_finite(params.yarn_beta_fast,   "yarn_beta_fast");
    check_finite(params.yarn_beta_slow,   "yarn_beta_slow");
    if (params.rope_freq_base < 0 || params.rope_freq_scale < 0) {
        fail(CHQ_STATUS_ARGUMENT, "rope_freq_base or rope_freq_scale is negative");
    }
    if (params.samplers || params.n_samplers > 0) {
        fail(CHQ_STATUS_UNSUPPORTED, "samplers inside the graph are not supported");
    }

    const head_sizes heads = heads_of(model);
    const struct { const char * name; int type; int64_t n; } caches[] = {
        { "type_k", raw(params.type_k), heads.k },
        { "type_v", raw(params.type_v), heads.v },
    };
    for (const auto & c : caches) {
        if (!is_kv_type(c.type)) {
            fail(CHQ_STATUS_ARGUMENT, "%s = %d is no type of a KV cache", c.name, c.type);
        }
        const ggml_type type = (ggml_type) c.type;
        if (c.n > 0 && c.n % ggml_blck_size(type) != 0) {
            fail(CHQ_STATUS_ARGUMENT, "%s = %s needs heads of a multiple of %lld, these have %lld",
                c.name, ggml_type_name(type), (long long) ggml_blck_size(type), (long long) c.n);
        }
    }
    if (ggml_is_quantized(params.type_v) && params.flash_attn_type == LLAMA_FLASH_ATTN_TYPE_DISABLED) {
        fail(CHQ_STATUS_ARGUMENT, "type_v = %s needs flash attention", ggml_type_name(params.type_v));
    }
    params.n_threads       = threads_or_default(params.n_threads,       "n_threads");
    params.n_threads_batch = threads_or_default(params.n_threads_batch, "n_threads_batch");
}

// A lower bound of what the context allocates: refusing one that would have fitted is worse than failing later.
static void check_fits(const chq_model * model, const llama_context_params & params, const kv_file * file) {
    if (model->no_alloc) {
        return;
    }
    const llama_model * m = model->llama;
    const head_sizes heads = heads_of(model);

    double kv = 0;
    if (!model->recurrent) {
        const double per_token = (double) llama_model_n_layer(m) * heads.n_head_kv * (
            (double) heads.k * ggml_type_size(params.type_k) / ggml_blck_size(params.type_k) +
            (double) heads.v * ggml_type_size(params.type_v) / ggml_blck_size(params.type_v));
        kv = per_token * params.n_ctx;
        if (model->hybrid) {
            kv /= 8; // attention in some layers only
        } else if (llama_model_n_swa(m) > 0 && !params.swa_full) {
            kv /= 6; // the layers with a window keep less
        }
    }
    if (file) {
        kv = std::min(kv, (double) file->budget);
    }
    const double n_ubatch  = std::min(params.n_ubatch, params.n_ctx);
    const double n_rows    = params.n_outputs_max == 0 ? n_ubatch : std::min<double>(n_ubatch, params.n_outputs_max);
    const double logits    = (n_rows + params.n_seq_max) * model->n_vocab * sizeof(float);
    const double mask      = n_ubatch * params.n_ctx * 2.0;
    const double scores    = params.flash_attn_type == LLAMA_FLASH_ATTN_TYPE_DISABLED ? n_ubatch * params.n_ctx * heads.n_head * sizeof(float) : 0;
    const double hidden    = n_ubatch * llama_model_n_embd(m) * sizeof(float) * 3;
    const double needed    = kv + logits + mask + scores + hidden;

    double available = (double) available_memory();
    if (model->offloads) {
        for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
            ggml_backend_dev_t dev = ggml_backend_dev_get(i);
            if (ggml_backend_dev_type(dev) == GGML_BACKEND_DEVICE_TYPE_GPU) {
                size_t free  = 0;
                size_t total = 0;
                ggml_backend_dev_memory(dev, &free, &total);
                available += (double) free;
            }
        }
        for (const auto & server : model->remotes) {
            available += (double) free_memory(*server);
            fail_if_remote_lost();
        }
    }
    if (needed > available) {
        fail(CHQ_STATUS_MEMORY, "a context of %u tokens needs about %.1f GiB (KV cache %.1f GiB), %.1f GiB are available",
            params.n_ctx, needed / (1 << 30), kv / (1 << 30), available / (1 << 30));
    }
}

// llama.cpp's own default is 4 threads, whatever the machine.
static llama_context_params default_params() {
    llama_context_params params = llama_context_default_params();
    params.n_threads       = 0;
    params.n_threads_batch = 0;
    return params;
}

llama_context_params plain_params(const llama_context_params * params) {
    llama_context_params p = params ? *params : default_params();
    p.cb_eval           = nullptr;
    p.cb_eval_user_data = nullptr;
    return p;
}

static bool on_compute_poll(void * context) {
    const auto * c = (const chq_context *) context;
    return is_cancelled(c) || c->tier.lost();
}

static void attach_pools(chq_context * context, int32_t n_threads, int32_t n_threads_batch) {
    context->retired_pools.reserve(context->retired_pools.size() + 2);
    thread_pool pool(n_threads, context->poll);
    thread_pool pool_batch;
    if (n_threads != n_threads_batch) {
        pool_batch = thread_pool(n_threads_batch, context->poll);
    }
    const int attention = context->model->n_bytes_packed == 0 ? kernels::ATTENTION_OFF
        : context->model->kernels == CHQ_KERNELS_ON           ? kernels::ATTENTION_ALWAYS
                                                              : kernels::ATTENTION_ON;
    for (ggml_threadpool_t one : { pool.get(), pool_batch.get() }) {
        if (one) {
            set_attention(one, attention);
        }
    }
    llama_attach_threadpool(context->llama, pool.get(), pool_batch.get() ? pool_batch.get() : pool.get());
    llama_set_n_threads(context->llama, n_threads, n_threads_batch);
    context->n_threads       = n_threads;
    context->n_threads_batch = n_threads_batch;
    context->crowd           = crowd(n_threads);
    context->pool      .swap(pool);
    context->pool_batch.swap(pool_batch);
    context->retired_pools.push_back(std::move(pool));
    context->retired_pools.push_back(std::move(pool_batch));
}

static uint64_t settings_of(const chq_model * model, const llama_context_params & params) {
    const float train_base  = (float) meta_number(model->llama, model->arch + ".rope.freq_base", 10000);
    const float train_scale = llama_model_rope_freq_scale_train(model->llama);
    const struct {
        int32_t  rope_scaling;
        int32_t  attention;
        uint32_t yarn_orig_ctx;
        int32_t  flash; // without it values are stored transposed
        float    floats[6];
    } settings = {
        raw(params.rope_scaling_type), raw(params.attention_type), params.yarn_orig_ctx, params.flash_attn_type != LLAMA_FLASH_ATTN_TYPE_DISABLED,
        {
            params.rope_freq_base  == 0 ? train_base  : params.rope_freq_base,
            params.rope_freq_scale == 0 ? train_scale : params.rope_freq_scale,
            params.yarn_ext_factor, params.yarn_attn_factor, params.yarn_beta_fast, params.yarn_beta_slow,
        },
    };
    return xxh64((const uint8_t *) &settings, sizeof(settings), 0);
}

static void read_constants(chq_context * context, const llama_context_params & params, int32_t n_branches, int32_t n_own) {
    llama_context * l = context->llama;
    context->memory        = llama_get_memory(l);
    context->n_vocab       = context->model->n_vocab;
    context->n_ctx_seq     = (int32_t) llama_n_ctx_seq(l);
    context->n_batch       = (int32_t) llama_n_batch(l);
    context->n_ubatch      = (int32_t) llama_n_ubatch(l);
    context->n_seq_max     = (int32_t) llama_n_seq_max(l) - n_own;
    context->n_outputs_max = params.n_outputs_max == 0 ? context->n_batch : std::min((int32_t) params.n_outputs_max, context->n_batch);
    context->kv_unified    = params.kv_unified;
    context->causal        = params.attention_type == LLAMA_ATTENTION_TYPE_UNSPECIFIED ? context->model->causal : params.attention_type == LLAMA_ATTENTION_TYPE_CAUSAL;
    context->embeddings    = params.embeddings;
    context->swa_full      = params.swa_full;
    // llama.cpp rotates quantised keys back before it shifts them, also those that it has not rotated
    const bool unrotated = ggml_is_quantized(params.type_k) && heads_of(context->model).k % 64 != 0;
    context->can_shift     = context->memory && llama_memory_can_shift(context->memory) && !unrotated;
    context->type_k        = params.type_k;
    context->type_v        = params.type_v;
    context->settings      = settings_of(context->model, params);
    context->kv_offloaded  = context->model->offloads && params.offload_kqv;

    context->batch_pos   .resize(context->n_batch);
    context->batch_n_seq .assign(context->n_batch, 1);
    context->batch_seq   .assign(context->n_batch, &context->batch_seq_id);
    context->batch_output.resize(context->n_batch);
    context->branches.first = context->n_seq_max;
    context->branches.spare = context->n_seq_max + n_branches;
    context->branches.end.assign((size_t) n_branches, 0);
    context->n_holes     .assign(context->n_seq_max, 0);
    context->spans       .assign(context->n_seq_max, {});
    context->held        .resize(context->n_seq_max);
    context->cell_group  .resize(context->n_seq_max);
    for (int32_t & group : context->cell_group) {
        group = context->next_group++;
    }
}

// A KV cache that stays here has its attention here. Without the kernels llama.cpp decides, and copies the cache to the device for each token.
static void keep_attention_here(const chq_model * model, llama_context_params & params) {
    const auto leave = kernels_function<void (*)(ggml_backend_dev_t)>("chasqui_kernels_leave_attention_to_host");
    if (!leave || !model->offloads || params.offload_kqv || params.flash_attn_type == LLAMA_FLASH_ATTN_TYPE_DISABLED) {
        return;
    }
    for (size_t i = 0; i < ggml_backend_dev_count(); ++i) {
        const ggml_backend_dev_t device = ggml_backend_dev_get(i);
        const auto type = ggml_backend_dev_type(device);
        if (type == GGML_BACKEND_DEVICE_TYPE_GPU || type == GGML_BACKEND_DEVICE_TYPE_IGPU) {
            leave(device);
        }
    }
    for (const auto & server : model->remotes) {
        for (ggml_backend_dev_t device : devices_of(*server)) {
            leave(device);
        }
    }
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED; // llama.cpp would find it on another device than the weights and go without
}

static void check_file(const chq_model * model, const llama_context_params & params) {
    if (model->no_alloc) {
        fail(CHQ_STATUS_STATE, "the model was loaded with no_alloc");
    }
    if (model->offloads) {
        fail(CHQ_STATUS_UNSUPPORTED, "a KV cache on a file is the CPU's, and this model has layers elsewhere");
    }
    if (params.flash_attn_type == LLAMA_FLASH_ATTN_TYPE_DISABLED) {
        fail(CHQ_STATUS_UNSUPPORTED, "a KV cache on a file needs flash attention");
    }
}

std::unique_ptr<chq_context> make_context(chq_model * model, llama_context_params params, int32_t poll, const kv_file * file) {
    check_params(model, params, poll);
    check_fits(model, params, file);
    if (file) {
        check_file(model, params);
    }

    auto context = std::make_unique<chq_context>();
    context->model = model;
    context->poll  = poll;
    params.n_outputs_max_per_seq = 0; // as many as there may be: chq_context_set_top_k has samplers inside the graph
    params.abort_callback      = on_compute_poll;
    params.abort_callback_data = context.get();
    const int32_t n_branches = branches_for(model, params, &context->no_branches);
    const int32_t n_own = n_branches > 0 ? n_branches + 1 : 0;
    params.n_seq_max += (uint32_t) n_own;
    params.kv_unified = params.kv_unified || n_branches > 0;

    keep_attention_here(model, params);
    forget_captured_errors();
    std::optional<context_tier::making> making;
    if (file) {
        making.emplace(context->tier, file->folder, file->budget);
    }
    try {
        const auto lock = model->loras_gate.share();
        context->llama = llama_init_from_model(model->llama, params);
    } catch (const ggml_aborted &) {
        // the half-built context is gone, the model was only read
        report_abort({});
        fail(CHQ_STATUS_UNSUPPORTED, "no context can be made of this model: %s", last_error());
    }
    std::unique_ptr<llama_context, void (*)(llama_context *)> owner(context->llama, llama_free);
    fail_if_remote_lost();
    if (!context->llama) {
        const char * reason = captured_errors();
        const bool memory = strstr(reason, "alloc") != nullptr;
        fail(memory ? CHQ_STATUS_MEMORY : CHQ_STATUS_UNSUPPORTED, "no context could be made: %s", reason[0] ? reason : "llama.cpp gave no reason");
    }
    if (making) {
        making->done();
    }
    read_constants(context.get(), params, n_branches, n_own);
    attach_pools(context.get(), params.n_threads, params.n_threads_batch);
    owner.release();
    model->n_contexts.fetch_add(1);
    return context;
}

void check_sequence(const chq_context * context, int32_t seq_id) {
    if (seq_id < 0 || seq_id >= context->n_seq_max) {
        fail(CHQ_STATUS_ARGUMENT, "sequence %d is not in 0..%d", seq_id, context->n_seq_max - 1);
    }
}

llama_memory_t check_memory(const chq_context * context) {
    if (!context->memory) {
        fail(CHQ_STATUS_UNSUPPORTED, "the context keeps no sequences: the model only encodes");
    }
    return context->memory;
}

const float * logits_of(chq_context * context) {
    if (context->n_rows == 0 || context->top_k > 0) {
        return nullptr;
    }
    if (!context->rows_data) {
        context->rows_data = llama_get_logits(context->llama);
    }
    return context->rows_data;
}

void forget_rows(chq_context * context) {
    context->n_rows    = 0;
    context->rows_data = nullptr;
}

void check_settled(const chq_context * context) {
    if (context->flight.pending) {
        fail(CHQ_STATUS_STATE, "a tree waits for chq_tree_commit");
    }
}

void prepare_change(chq_context * context) {
    check_settled(context);
    context->tier.begin();
    forget_branches(context);
}

} // namespace chq

using namespace chq;

chq_status chq_context_create(struct chq_model * model, const struct llama_context_params * params, int32_t poll, struct chq_context ** out) {
    return guarded([&] {
        check_model(model);
        check_pointer(out, "out");
        *out = make_context(model, plain_params(params), poll).release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_context_free(struct chq_context * context) {
    return guarded([&] {
        if (!context) {
            return CHQ_STATUS_OK;
        }
        if (context->kind != KIND_CONTEXT) {
            check_context(context);
        }
        chq_model * model = context->model;
        context->kind = KIND_FREED;
        release_loras(context);
        if (context->poisoned) {
            // ggml's worker threads may still wait inside a graph: they keep what they can reach, the weights included
            model->pinned.store(true);
            context->pool.abandon();
            context->pool_batch.abandon();
            for (thread_pool & pool : context->retired_pools) {
                pool.abandon();
            }
            model->n_contexts.fetch_sub(1);
            return CHQ_STATUS_OK;
        }
        llama_free(context->llama);
        delete context;
        model->n_contexts.fetch_sub(1);
        return CHQ_STATUS_OK;
    });
}

struct llama_context * chq_context_llama(const struct chq_context * context) {
    return context && context->kind == KIND_CONTEXT ? context->llama : nullptr;
}

chq_status chq_context_get_info(struct chq_context * context, struct chq_context_info * out) {
    return guarded({ context }, [&] {
        check_pointer(context, "context");
        check_pointer(out, "out");
        struct chq_context_info info;
        memset(&info, 0, sizeof(info));
        if (context->kind == KIND_CONTEXT && context->poisoned) {
            info.poisoned = true;
            *out = info;
            return CHQ_STATUS_OK;
        }
        check_context(context);
        info.n_ctx           = llama_n_ctx(context->llama);
        info.n_ctx_seq       = (uint32_t) context->n_ctx_seq;
        info.n_batch         = (uint32_t) context->n_batch;
        info.n_ubatch        = (uint32_t) context->n_ubatch;
        info.n_seq_max       = (uint32_t) context->n_seq_max;
        info.n_threads       = context->n_threads;
        info.n_threads_batch = context->n_threads_batch;
        info.kv_unified      = context->kv_unified;
        info.can_shift       = context->can_shift && context->model->n_pos_per_embd == 1;
        info.causal          = context->causal;
        info.embeddings      = context->embeddings;
        info.state_bytes     = context->model->no_alloc ? 0 : llama_state_get_size(context->llama);
        *out = info;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_context_set_threads(struct chq_context * context, int32_t n_threads, int32_t n_threads_batch) {
    return guarded({ context }, [&] {
        check_context(context);
        n_threads       = threads_or_default(n_threads,       "n_threads");
        n_threads_batch = threads_or_default(n_threads_batch, "n_threads_batch");
        if (n_threads != context->n_threads || n_threads_batch != context->n_threads_batch) {
            llama_synchronize(context->llama);
            attach_pools(context, n_threads, n_threads_batch);
        }
        return CHQ_STATUS_OK;
    });
}

void chq_context_cancel(struct chq_context * context) {
    if (context) {
        context->cancelled.store(true, std::memory_order_relaxed);
    }
}

void chq_context_cancel_reset(struct chq_context * context) {
    if (context) {
        context->cancelled.store(false, std::memory_order_relaxed);
    }
}
