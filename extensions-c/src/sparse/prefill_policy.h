// What libchasqui and the kernels agree on about sparse prefill, as policy.h does for tokens one at a time.
#pragma once

#include <cstdint>

namespace chq::sparse {

// As chq_sparse_prefill_params, checked.
struct prefill_policy {
    float   missing = 0.05f;
    int32_t sinks   = 64;
    int32_t window  = 128;
    int32_t last    = 256;
    bool    always  = false; // also where it costs more than it saves
};

// As chq_sparse_prefill_stats, over everything since the policy was set.
struct prefill_counts {
    int64_t tokens        = 0; // of prompts, with sparse prefill asked for
    int64_t sparse_tokens = 0; // of these, with sparse attention in some layer
    double  chosen        = 0; // tiles of keys that their blocks attended to, over heads and layers
    double  visible       = 0; // that dense attention would have
    double  gauged        = 0; // blocks
    double  missing       = 0; // sum of their estimates
    double  choice_time   = 0; // seconds of one thread
    double  saved_time    = 0;
};

struct prefill_state;

// What "chasqui_kernels_sparse_prefill" gives. A state is used by one thread at a time, the one that decodes.
struct prefill_functions {
    prefill_state * (*create)(); // NULL without memory
    void (*free)(prefill_state *);
    void (*set)(prefill_state *, const prefill_policy *); // NULL = dense
    void (*begin)(prefill_state *, const void * const * pools, int32_t tokens, int32_t sparse_tokens); // as functions::begin; the first ones may attend sparsely
    void (*end)(prefill_state *, const void * const * pools);
    prefill_counts (*read)(const prefill_state *);
};

} // namespace chq::sparse
