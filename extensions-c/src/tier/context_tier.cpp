#include "tier/context_tier.h"

#include "chasqui_kv.h"
#include "context/context.h"
#include "runtime/runtime.h"

#include <cstring>

namespace chq {

context_tier::~context_tier() {
    if (cache) {
        calls->free(cache);
    }
}

context_tier::making::making(context_tier & tier, const char * folder, uint64_t budget) : tier(tier) {
    tier.calls = kernels_function<const tier::functions *>("chasqui_kernels_file_cache");
    if (!tier.calls) {
        fail(CHQ_STATUS_UNSUPPORTED, "a KV cache on a file needs Chasqui's kernels in llama.cpp's CPU backend");
    }
    const tier::settings wanted = { folder, budget, note_storage_loss };
    tier.cache = tier.calls->create(&wanted);
    if (!tier.cache) {
        fail(CHQ_STATUS_MEMORY, "out of memory");
    }
}

context_tier::making::~making() {
    if (!ended) {
        char nobody[1];
        tier.calls->made(tier.cache, nobody, sizeof(nobody));
    }
}

void context_tier::making::done() {
    char why[512];
    ended = true;
    switch (tier.calls->made(tier.cache, why, sizeof(why))) {
        case tier::DONE:      return;
        case tier::NO_CACHE:  fail(CHQ_STATUS_UNSUPPORTED, "%s", why);
        case tier::NO_FILE:   fail(CHQ_STATUS_STORAGE,     "%s", why);
        case tier::TOO_SMALL: fail(CHQ_STATUS_ARGUMENT,    "%s", why);
    }
}

} // namespace chq

using namespace chq;

chq_status chq_context_create_on_file(
        struct chq_model                  * model,
        const struct llama_context_params * params,
        int32_t                             poll,
        const char                        * folder,
        uint64_t                            budget,
        struct chq_context               ** out) {
    return guarded([&] {
        check_model(model);
        check_pointer(folder, "folder");
        check_pointer(out, "out");
        if (!folder[0]) {
            fail(CHQ_STATUS_ARGUMENT, "folder is empty");
        }
        const kv_file file = { folder, budget };
        *out = make_context(model, plain_params(params), poll, &file).release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_context_kv_file_stats(struct chq_context * context, struct chq_kv_file_stats * out) {
    return guarded({ context }, [&] {
        check_context(context);
        check_pointer(out, "out");
        const tier::counts seen = context->tier.read();
        chq_kv_file_stats stats;
        memset(&stats, 0, sizeof(stats));
        stats.file_bytes     = seen.file_bytes;
        stats.budget_bytes   = seen.budget_bytes;
        stats.resident_bytes = seen.resident_bytes;
        stats.most_resident  = seen.most_resident;
        stats.loaded_bytes   = seen.loaded_bytes;
        stats.evicted_bytes  = seen.evicted_bytes;
        *out = stats;
        return CHQ_STATUS_OK;
    });
}
