#include "chasqui_kv.h"

#include "context/context.h"
#include "runtime/runtime.h"
#include "sparse/context_sparse.h"

#include <cmath>

namespace chq {

static const sparse::functions * sparse_functions() {
    return kernels_function<const sparse::functions *>("chasqui_kernels_sparse");
}

context_sparse::~context_sparse() {
    if (state) {
        calls->free(state);
    }
}

void context_sparse::set(const sparse::policy * how) {
    if (!state && how) {
        calls = sparse_functions();
        if (!calls) {
            fail(CHQ_STATUS_UNSUPPORTED, "sparse attention needs Chasqui's kernels in llama.cpp's CPU backend");
        }
        state = calls->create();
        if (!state) {
            fail(CHQ_STATUS_MEMORY, "out of memory");
        }
    }
    if (state) {
        calls->set(state, how);
    }
}

void context_sparse::forget() {
    if (state) {
        calls->forget(state);
    }
}

context_sparse::decoding::decoding(context_sparse & sparse, const void * pool, const void * pool_batch, bool one_token)
    : sparse(sparse), pools { pool, pool_batch } {
    if (sparse.state) {
        sparse.calls->begin(sparse.state, pools, one_token && !sparse.in_prompt);
    }
}

context_sparse::decoding::~decoding() {
    if (sparse.state) {
        sparse.calls->end(sparse.state, pools);
    }
}

static void check_share(float value, float least, float most, const char * name) {
    if (!(value >= least && value <= most)) {
        fail(CHQ_STATUS_ARGUMENT, "%s = %g is not in %g..%g", name, (double) value, (double) least, (double) most);
    }
}

static void check_number(int32_t value, int32_t least, int32_t most, const char * name) {
    if (value < least || value > most) {
        fail(CHQ_STATUS_ARGUMENT, "%s = %d is not in %d..%d", name, value, least, most);
    }
}

static sparse::policy checked(const chq_context * context, const chq_sparse_params & params) {
    constexpr int32_t MANY = INT32_MAX;
    check_enum(params.selector, CHQ_SPARSE_SKETCH, CHQ_SPARSE_CHUNKS, "selector");
    check_share(params.share,     0, 1, "share");
    check_share(params.max_share, params.share, 1, "max_share");
    check_share(params.missing,   0, 1, "missing");
    check_number(params.sinks,        0,             MANY, "sinks");
    check_number(params.window,       1,             MANY, "window");
    check_number(params.dense_layers, 0,             MANY, "dense_layers");
    check_number(params.refresh,      1,             64,   "refresh");
    check_number(params.layers,       1,             MANY, "layers");
    sparse::policy how;
    how.by           = (sparse::selector) raw(params.selector);
    how.share        = params.share;
    how.most         = params.max_share;
    how.missing      = params.missing;
    how.sinks        = params.sinks;
    how.window       = params.window;
    how.dense_layers = params.dense_layers;
    how.refresh      = params.refresh;
    how.layers       = params.layers;
    how.always       = params.always;
    how.seed         = params.seed;
    how.split_halves = context->model->llama && llama_model_rope_type(context->model->llama) != LLAMA_ROPE_TYPE_NORM;
    return how;
}

} // namespace chq

using namespace chq;

struct chq_sparse_params chq_sparse_default_params(void) {
    const sparse::policy how;
    return {
        CHQ_SPARSE_SKETCH, how.share, how.most, how.missing, how.sinks, how.window, how.dense_layers, how.refresh, how.layers, how.always, how.seed,
    };
}

chq_status chq_context_set_sparse(struct chq_context * context, const struct chq_sparse_params * params) {
    return guarded({ context }, [&] {
        check_context(context);
        check_memory(context);
        if (!params) {
            context->sparse.set(nullptr);
            return CHQ_STATUS_OK;
        }
        const sparse::policy how = checked(context, *params);
        if (context->kv_offloaded) {
            fail(CHQ_STATUS_UNSUPPORTED, "sparse attention is computed on the CPU, and this context has its KV cache elsewhere; offload_kqv = false keeps it here");
        }
        if (context->model->recurrent) {
            fail(CHQ_STATUS_UNSUPPORTED, "the model has no KV cache");
        }
        const tier::counts file = context->tier.read();
        if (file.file_bytes > file.budget_bytes && (how.by == sparse::EXACT || how.by == sparse::HISA || how.by == sparse::FASA || how.by == sparse::CHUNKS)) {
            fail(CHQ_STATUS_UNSUPPORTED, "this selector reads all keys, and most of them are in the file behind the KV cache");
        }
        context->sparse.set(&how);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_context_sparse_stats(struct chq_context * context, struct chq_sparse_stats * out) {
    return guarded({ context }, [&] {
        check_context(context);
        check_pointer(out, "out");
        const sparse::counts seen = context->sparse.read();
        chq_sparse_stats stats;
        memset(&stats, 0, sizeof(stats));
        stats.steps          = seen.steps;
        stats.sparse_steps   = seen.sparse_steps;
        stats.cells          = seen.visible > 0 ? seen.cells / seen.visible : 1;
        stats.missing        = seen.gauged > 0 ? seen.missing / (double) seen.gauged : -1;
        stats.dense_seconds  = seen.dense_time;
        stats.sparse_seconds = seen.sparse_time;
        stats.sketch_bytes   = seen.sketch_bytes;
        *out = stats;
        return CHQ_STATUS_OK;
    });
}
