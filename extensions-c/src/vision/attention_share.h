#pragma once

#include "ggml-backend.h"

#include <cstdint>
#include <string>
#include <vector>

namespace chq {

// Where the patches of an encoder are in its graph, as far as attention is concerned. Some encoders put them into windows and sort them back behind the last layer,
// or make a row of patches in a way of their own: only those that were looked into are listened to.
struct attention_layout {
    bool known       = false;
    bool class_token = false; // behind the patches, and the first patch makes no row
};

attention_layout attention_layout_of(const std::string & projector, bool class_token);

// Listens to the encoder's graph and keeps queries and keys of the last layer.
// flash attention leaves no attention matrix, so the shares are computed from these again.
class attention_share {
public:
    void begin(); // before an encode

    // For ggml_backend_sched_eval_callback.
    static bool on_node(ggml_tensor * tensor, bool ask, void * self);

    // Mean over heads of the attention that each of n_rows rows gets, from the class token or, where there is none, on average from all patches. Patches that one row was
    // merged of are next to each other in windows of side x side of a grid of the given width, or in sequence where it is 0. False if the graph had nothing to go by.
    bool shares(attention_layout layout, int32_t n_rows, int32_t width, float * out) const;

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
