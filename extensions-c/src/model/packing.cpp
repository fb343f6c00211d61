#include "model/packing.h"

#include "chasqui_model.h"
#include "chasqui_runtime.h"
#include "runtime/runtime.h"

#include <system_error>

namespace chq {

static void reset() {
    if (auto * reset_mode = kernels_function<void (*)()>("chasqui_kernels_reset")) {
        reset_mode();
    }
}

packing::packing(int32_t kernels, const char * cache_folder, uint64_t cache_bytes) {
    reset();
    auto * set_cache = kernels_function<void (*)(const char *, uint64_t)>("chasqui_kernels_set_cache");
    if (set_cache && cache_folder) {
        set_cache(cache_folder, cache_bytes);
    }
    auto * set_mode = kernels_function<void (*)(int)>("chasqui_kernels_set_mode");
    if (set_mode && kernels != CHQ_KERNELS_AUTO) {
        set_mode(kernels);
    }
}

packing::~packing() { reset(); }

uint64_t packing::bytes() const {
    auto * bytes_packed = kernels_function<size_t (*)()>("chasqui_kernels_bytes_packed");
    return bytes_packed ? bytes_packed() : 0;
}

early_trials::early_trials(int32_t kernels, const std::set<ggml_type> & types) {
    auto * run = kernels_function<void (*)(int)>("chasqui_kernels_try");
    if (!run || kernels != CHQ_KERNELS_AUTO || chq_physical_cores() < 2) {
        return;
    }
    try {
        thread_ = std::thread([run, types] {
            try {
                for (ggml_type type : types) {
                    run(type);
                }
            } catch (...) {
                // whoever needs the result tries again
            }
        });
    } catch (const std::system_error &) {
        // no thread to be had: the trials come when they are needed
    }
}

early_trials::~early_trials() {
    if (thread_.joinable()) {
        thread_.join();
    }
}

} // namespace chq
