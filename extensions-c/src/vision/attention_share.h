#pragma once

#include "ggml-backend.h"

#include <cstdint>
#include <vector>

namespace chq {

// Listens to the encoder's graph and keeps queries and keys of the last layer in which every patch can attend to every other.
// flash attention leaves no attention matrix, so the shares are computed from these again.
class attention_share {
public:
    void begin(); // before an encode

    // For ggml_backend_sched_eval_callback.
    static bool on_node(ggml_tensor * tensor, bool ask, void * self);

    // Mean over heads and queries of the attention that each of n_rows rows gets; patches that one row was merged of are next to each other in
    // windows of side x side of a grid of the given width, or in sequence where it is 0. False if the graph had nothing to go by.
    bool shares(int32_t n_rows, int32_t width, float * out) const;

private:
    struct layer {
        int                index   = -1;
        int64_t            d_head  = 0;
        int64_t            n_head  = 0;
        int64_t            n_patch = 0;
        std::vector<float> q;
        std::vector<float> k;
    };

    void keep(const ggml_tensor * tensor, int index, bool query);

    layer last;    // complete
    layer current; // one of the two may be missing
};

} // namespace chq
