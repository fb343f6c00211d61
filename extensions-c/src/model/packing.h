// What Chasqui's kernels pack while the calling thread loads a model, and what they measure meanwhile.
#pragma once

#include "ggml.h"

#include <cstdint>
#include <set>
#include <thread>

namespace chq {

// Sets the kernels' mode and cache for the calling thread; before and after, they are the environment's.
class packing {
public:
    packing(int32_t kernels, const char * cache_folder, uint64_t cache_bytes);
    ~packing();
    packing(const packing &) = delete;
    packing & operator=(const packing &) = delete;

    uint64_t bytes() const;
};

// Has the kernels try the formats of a model on another thread: reading the vocabulary keeps only one busy. Who needs a result earlier waits
// for it. Measured once in a process.
class early_trials {
public:
    early_trials(int32_t kernels, const std::set<ggml_type> & types);
    ~early_trials();
    early_trials(const early_trials &) = delete;
    early_trials & operator=(const early_trials &) = delete;

private:
    std::thread thread_;
};

} // namespace chq
