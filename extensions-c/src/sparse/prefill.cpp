#include "chasqui_kv.h"

#include "context/context.h"
#include "runtime/runtime.h"
#include "sparse/context_prefill.h"

#include <algorithm>

namespace chq {

context_prefill::~context_prefill() {
    if (state) {
        calls->free(state);
    }
}

void context_prefill::set(const sparse::prefill_policy * how) {
    if (!state && how) {
        calls = kernels_function<const sparse::prefill_functions *>("chasqui_kernels_sparse_prefill");
        if (!calls) {
            fail(CHQ_STATUS_UNSUPPORTED, "sparse prefill needs Chasqui's kernels in llama.cpp's CPU backend");
        }
        state = calls->create();
        if (!state) {
            fail(CHQ_STATUS_MEMORY, "out of memory");
        }
    }
    if (state) {
        calls->set(state, how);
    }
    last = how ? how->last : 0;
}

void context_prefill::prompt::next(int32_t n, int32_t left) {
    prefill.part        = n;
    prefill.part_sparse = (int32_t) std::clamp<int64_t>((int64_t) n + left - prefill.last, 0, n);
}

context_prefill::decoding::decoding(context_prefill & prefill, const void * pool, const void * pool_batch)
    : prefill(prefill), pools { pool, pool_batch }, begun(prefill.state && prefill.part > 0) {
    if (begun) {
        prefill.calls->begin(prefill.state, pools, prefill.part, prefill.part_sparse);
    }
}

context_prefill::decoding::~decoding() {
    if (begun) {
        prefill.calls->end(prefill.state, pools);
    }
}

static sparse::prefill_policy checked(const chq_sparse_prefill_params & params) {
    if (!(params.missing >= 0 && params.missing < 1)) {
        fail(CHQ_STATUS_ARGUMENT, "missing = %g is not in [0, 1)", (double) params.missing);
    }
    const auto check_number = [](int32_t value, const char * name) {
        if (value < 0) {
            fail(CHQ_STATUS_ARGUMENT, "%s = %d", name, value);
        }
    };
    check_number(params.sinks,  "sinks");
    check_number(params.window, "window");
    check_number(params.last,   "last");
    sparse::prefill_policy how;
    how.missing = params.missing;
    how.sinks   = params.sinks;
    how.window  = params.window;
    how.last    = params.last;
    how.always  = params.always;
    return how;
}

} // namespace chq

using namespace chq;

struct chq_sparse_prefill_params chq_sparse_prefill_default_params(void) {
    const sparse::prefill_policy how;
    return { how.missing, how.sinks, how.window, how.last, how.always };
}

chq_status chq_context_set_sparse_prefill(struct chq_context * context, const struct chq_sparse_prefill_params * params) {
    return guarded({ context }, [&] {
        check_context(context);
        check_memory(context);
        if (!params) {
            context->prefill.set(nullptr);
            return CHQ_STATUS_OK;
        }
        const sparse::prefill_policy how = checked(*params);
        if (context->kv_offloaded || context->model->offloads) {
            fail(CHQ_STATUS_UNSUPPORTED, "sparse prefill is computed on the CPU, and this context has layers elsewhere");
        }
        if (context->model->recurrent) {
            fail(CHQ_STATUS_UNSUPPORTED, "the model has no KV cache");
        }
        context->prefill.set(&how);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_context_sparse_prefill_stats(struct chq_context * context, struct chq_sparse_prefill_stats * out) {
    return guarded({ context }, [&] {
        check_context(context);
        check_pointer(out, "out");
        const sparse::prefill_counts seen = context->prefill.read();
        chq_sparse_prefill_stats stats;
        memset(&stats, 0, sizeof(stats));
        stats.tokens         = seen.tokens;
        stats.sparse_tokens  = seen.sparse_tokens;
        stats.pairs          = seen.visible > 0 ? seen.chosen / seen.visible : 1;
        stats.missing        = seen.gauged > 0 ? seen.missing / seen.gauged : 0;
        stats.choice_seconds = seen.choice_time;
        stats.saved_seconds  = seen.saved_time;
        *out = stats;
        return CHQ_STATUS_OK;
    });
}
