// Sparse attention of one context, as the kernels compute it.
#pragma once

#include "sparse/policy.h"

namespace chq {

class context_sparse {
public:
    context_sparse() = default;
    ~context_sparse();
    context_sparse(const context_sparse &) = delete;

    // NULL = dense. CHQ_STATUS_UNSUPPORTED if the kernels cannot.
    void set(const sparse::policy * how);

    // Keys in the cache changed otherwise than by computing tokens.
    void forget();

    // Whether what is decoded is a part of more tokens, which attend to everything.
    bool in_prompt = false;

    sparse::counts read() const { return state ? calls->read(state) : sparse::counts(); }

    // Lives as long as a decode.
    class decoding {
    public:
        decoding(context_sparse & sparse, const void * pool, const void * pool_batch, bool one_token);
        ~decoding();
        decoding(const decoding &) = delete;

    private:
        context_sparse & sparse;
        const void     * pools[2];
    };

private:
    const sparse::functions * calls = nullptr;
    sparse::state           * state = nullptr;
};

} // namespace chq
