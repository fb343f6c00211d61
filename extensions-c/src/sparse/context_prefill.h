// Sparse prefill of one context, as the kernels compute it.
#pragma once

#include "sparse/prefill_policy.h"

namespace chq {

class context_prefill {
public:
    context_prefill() = default;
    ~context_prefill();
    context_prefill(const context_prefill &) = delete;

    // NULL = dense. CHQ_STATUS_UNSUPPORTED if the kernels cannot.
    void set(const sparse::prefill_policy * how);

    sparse::prefill_counts read() const { return state ? calls->read(state) : sparse::prefill_counts(); }

    // A prompt being decoded, in parts that are one pass each.
    class prompt {
    public:
        explicit prompt(context_prefill & prefill) : prefill(prefill) {}
        ~prompt() { prefill.part = prefill.part_sparse = 0; }
        prompt(const prompt &) = delete;

        // Next come n tokens, behind which others are left.
        void next(int32_t n, int32_t left);

    private:
        context_prefill & prefill;
    };

    // Lives as long as a pass.
    class decoding {
    public:
        decoding(context_prefill & prefill, const void * pool, const void * pool_batch);
        ~decoding();
        decoding(const decoding &) = delete;

    private:
        context_prefill & prefill;
        const void      * pools[2];
        bool              begun;
    };

private:
    const sparse::prefill_functions * calls = nullptr;
    sparse::prefill_state           * state = nullptr;
    int32_t last        = 0; // tokens of a prompt that attend to everything
    int32_t part        = 0; // tokens of the next pass that are of a prompt
    int32_t part_sparse = 0; // of these, the first ones that need not
};

} // namespace chq
