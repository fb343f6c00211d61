// What libchasqui and the kernels agree on about sparse attention. libchasqui decides when it is on, for which contexts, and hears of changes of
// the KV cache; the kernels choose cells and attend to them in the middle of the CPU backend's graph (sparse_attention.h).
#pragma once

#include <cstdint>

namespace chq::sparse {

// The numbers of enum chq_sparse_selector.
enum selector {
    SKETCH  = 0,
    EXACT   = 1,
    BOX     = 2,
    LEOAM   = 3,
    HISA    = 4,
    FASA    = 5,
    RANDOM  = 6,
    WINDOW  = 7,
    CHUNKS  = 8,
    SELECTORS
};

// As chq_sparse_params, checked.
struct policy {
    selector by           = SKETCH;
    float    share        = 0.1f;
    float    most         = 0.1f;
    float    missing      = 0;
    int32_t  sinks        = 64;
    int32_t  window       = 256;
    int32_t  dense_layers = 0;
    int32_t  refresh      = 1;
    int32_t  layers       = 1;
    bool     always       = false; // also where it costs more than it saves
    bool     split_halves = false; // a head's rotated pairs are (i, i + d/2), not (2i, 2i + 1)
    uint64_t seed         = 1;
};

// As chq_sparse_stats, over all steps since the policy was set.
struct counts {
    int64_t steps        = 0; // of one token, with sparse attention asked for
    int64_t sparse_steps = 0; // of these, with sparse attention in some layer
    double  cells        = 0; // that their layers attended to
    double  visible      = 0; // that dense attention would have
    int64_t gauged       = 0; // choices whose missing mass was estimated
    double  missing      = 0; // sum of the estimates
    double  dense_time   = 0; // seconds of attention in steps that measured both
    double  sparse_time  = 0;
    int64_t sketch_bytes = 0;
};

struct state;

// What "chasqui_kernels_sparse" gives. A state is used by one thread at a time, the one that decodes.
struct functions {
    state * (*create)(); // NULL without memory
    void    (*free)(state *);
    void    (*set)(state *, const policy *); // NULL = dense. What is known of keys stays.
    void    (*forget)(state *);              // keys in the cache changed otherwise than by computing tokens
    void    (*begin)(state *, const void * const * pools, bool one_token); // before a decode on these two pools, of which the second may be NULL
    void    (*end)(state *, const void * const * pools);
    counts  (*read)(const state *);
};

} // namespace chq::sparse
