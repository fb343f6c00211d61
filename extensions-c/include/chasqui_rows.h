// Reductions over many rows of logits in one call. No state, safe from any thread.
//
// logits: n_rows rows of n_cols floats, row i at logits + i*stride (stride >= n_cols, in floats).
// A NaN never wins: it counts as -INFINITY.
#pragma once

#include "chasqui_guard.h"

#ifdef __cplusplus
extern "C" {
#endif

// Per row the index of the largest value (the first of equals) and, if value != NULL, that value.
CHQ_API chq_status chq_rows_argmax(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, int32_t * index, float * value);

// Per row the k largest, best first, equals by index: index and value are [n_rows, k]. 1 <= k <= min(n_cols, 1024). value may be NULL.
CHQ_API chq_status chq_rows_top_k(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, int32_t k, int32_t * index, float * value);

// Per row log(sum(exp(x))), computed around the maximum, accumulated in double.
CHQ_API chq_status chq_rows_logsumexp(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, float * out);

// Per row the natural log of the probability of tokens[row].
CHQ_API chq_status chq_rows_logprob(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, const int32_t * tokens, float * out);

// What a model made of tokens[row], per row, in one pass over the row: the natural log of its probability, log(sum(exp(x))), the entropy of the
// distribution (nats), the token's rank (1 = the largest logit, of equals the smaller index first) and the probability of all tokens up to that
// rank, itself included. With an infinite logit, or none that is finite, the entropy is 0 and the mass 1 or 0.
CHQ_API chq_status chq_rows_measure(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, const int32_t * tokens,
                                    float * logprob, float * logsumexp, float * entropy, float * mass, int32_t * rank);

#ifdef __cplusplus
}
#endif
