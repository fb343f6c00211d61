#include "rows/rows.h"

#include "chasqui_rows.h"
#include "guard/guard.h"

#include <algorithm>
#include <cmath>
#include <cstring>

// The loops work on LANES independent values at a time, so that the compiler vectorises them without being allowed to
// reorder or to ignore NaN. Each kernel exists twice on x86: for any CPU and for AVX2, with the same results to the bit
// (contraction to FMA is off).

#if defined(__x86_64__) && defined(__GNUC__)
#    define HAVE_AVX2_CLONES 1
#endif

namespace chq {

namespace {

constexpr int LANES = 32;
constexpr int BLOCK = 8 * LANES;

#define KERNEL static inline __attribute__((always_inline))

// a > b ? a : b, element by element: a NaN in a never wins.
KERNEL void max_into(float * __restrict m, const float * __restrict x) {
    for (int j = 0; j < LANES; ++j) {
        m[j] = x[j] > m[j] ? x[j] : m[j];
    }
}

KERNEL float lanes_max(const float * m) {
    float best = -INFINITY;
    for (int j = 0; j < LANES; ++j) {
        best = m[j] > best ? m[j] : best;
    }
    return best;
}

KERNEL float block_max(const float * x) {
    float m[LANES];
    for (int j = 0; j < LANES; ++j) {
        m[j] = -INFINITY;
    }
    for (int i = 0; i < BLOCK; i += LANES) {
        max_into(m, x + i);
    }
    return lanes_max(m);
}

KERNEL float span_max(const float * x, int32_t n) {
    float m[LANES];
    for (int j = 0; j < LANES; ++j) {
        m[j] = -INFINITY;
    }
    int32_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        max_into(m, x + i);
    }
    float best = lanes_max(m);
    for (; i < n; ++i) {
        best = x[i] > best ? x[i] : best;
    }
    return best;
}

// One pass finds the best block, then only that block is searched for the index.
KERNEL int32_t argmax_kernel(const float * x, int32_t n, float * value) {
    float   best  = -INFINITY;
    int32_t begin = 0;
    int32_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        const float m = block_max(x + i);
        if (m > best) {
            best  = m;
            begin = i;
        }
    }
    const float m = span_max(x + i, n - i);
    if (m > best) {
        best  = m;
        begin = i;
    }
    *value = best;
    if (best == -INFINITY) {
        return 0;
    }
    int32_t index = begin;
    while (x[index] != best) {
        ++index;
    }
    *value = x[index];
    return index;
}

// Eight floats at a time, spelled out: compilers do not vectorise the bit casts and conversions of this one by themselves.
constexpr int WIDTH = 8;
typedef float   floats  __attribute__((vector_size(WIDTH * sizeof(float))));
typedef int32_t ints    __attribute__((vector_size(WIDTH * sizeof(int32_t))));
typedef float   half    __attribute__((vector_size(WIDTH / 2 * sizeof(float))));
typedef double  doubles __attribute__((vector_size(WIDTH / 2 * sizeof(double))));

// exp(d) for d <= 0, and 0 where that is below the normal numbers or d is NaN.
// exp(d) = 2^n * p(r) with n = round(d / ln 2), relative error below 2e-7.
KERNEL floats exp_of(floats d) {
    const ints   keep = d > -87.0f;
    const floats c    = keep ? d : floats {} - 87.0f;
    const floats t    = c * 1.44269504f + 12582912.0f; // adding 1.5 * 2^23 rounds to an integer, kept in the low bits
    const floats n    = t - 12582912.0f;
    const floats r    = (c - n * 0.693359375f) + n * 2.12194440e-4f; // ln 2 in two parts
    floats p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    const ints exponent = ((ints) t + 127) << 23; // the rest of t is shifted out
    return keep ? p * (floats) exponent : floats {};
}

KERNEL void add(doubles (&sums)[2], floats x) {
    half parts[2];
    memcpy(parts, &x, sizeof(parts));
    sums[0] += __builtin_convertvector(parts[0], doubles);
    sums[1] += __builtin_convertvector(parts[1], doubles);
}

KERNEL double sum_of(const doubles (&sums)[2]) {
    double sum = 0;
    for (int j = 0; j < WIDTH / 2; ++j) {
        sum += sums[0][j] + sums[1][j];
    }
    return sum;
}

// sums += exp(x - max)
KERNEL void add_exp(doubles (&sums)[2], const float * x, float max) {
    floats v;
    memcpy(&v, x, sizeof(v));
    add(sums, exp_of(v - max));
}

KERNEL double logsumexp_kernel(const float * x, int32_t n) {
    const float max = span_max(x, n);
    if (max == -INFINITY || max == INFINITY) {
        return max;
    }
    doubles sums[2] = {};
    int32_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        add_exp(sums, x + i, max);
    }
    if (i < n) {
        float rest[WIDTH];
        for (int j = 0; j < WIDTH; ++j) {
            rest[j] = i + j < n ? x[i + j] : -INFINITY;
        }
        add_exp(sums, rest, max);
    }
    return (double) max + std::log(sum_of(sums));
}

struct measure {
    double  total;   // log(sum(exp(x)))
    double  entropy;
    double  mass;    // of the token and those before it in the order of the row
    int32_t rank;    // of the token in that order, from 1
};

struct measure_sums {
    doubles all[2];
    doubles weighted[2]; // by the distance from the maximum
    doubles mass[2];
    ints    before;      // minus the elements before the token
};

// Eight elements; NaN counts as -INFINITY.
KERNEL void add_measures(measure_sums & sums, const float * x, int32_t at, float max, float mine, int32_t token) {
    floats v;
    memcpy(&v, x, sizeof(v));
    const ints index = ints { 0, 1, 2, 3, 4, 5, 6, 7 } + at;
    v = v == v ? v : floats {} - INFINITY;
    const floats d      = v - max;
    const floats e      = exp_of(d);
    const ints   before = (v > mine) | ((v == mine) & (index < token));
    add(sums.all, e);
    add(sums.weighted, e > 0.0f ? e * d : floats {});
    add(sums.mass, (before | (index == token)) ? e : floats {});
    sums.before += before;
}

KERNEL measure measure_kernel(const float * x, int32_t n, int32_t token) {
    const float  max  = span_max(x, n);
    const float  mine = x[token] == x[token] ? x[token] : -INFINITY;
    measure_sums sums = {};
    int32_t i = 0;
    for (; i + WIDTH <= n; i += WIDTH) {
        add_measures(sums, x + i, i, max, mine, token);
    }
    if (i < n) {
        float rest[WIDTH];
        for (int j = 0; j < WIDTH; ++j) {
            rest[j] = i + j < n ? x[i + j] : -INFINITY; // never before the token: a larger index
        }
        add_measures(sums, rest, i, max, mine, token);
    }
    int32_t rank = 1;
    for (int j = 0; j < WIDTH; ++j) {
        rank -= sums.before[j];
    }
    if (std::isinf(max)) {
        return { max, 0, max > 0 ? 1.0 : 0.0, rank }; // all the probability in infinite logits, or none at all
    }
    const double all = sum_of(sums.all);
    return { max + std::log(all), std::log(all) - sum_of(sums.weighted) / all, std::min(1.0, sum_of(sums.mass) / all), rank };
}

struct candidate {
    float   value;
    int32_t index;
};

// Order of the result: larger first, of equals the smaller index.
struct better {
    bool operator()(const candidate & a, const candidate & b) const {
        return a.value > b.value || (a.value == b.value && a.index < b.index);
    }
};

// heap[0] is the worst of the k kept. Later equals never replace an earlier one, so a plain > decides.
KERNEL void consider(candidate * heap, int32_t k, float x, int32_t index) {
    if (x > heap[0].value) {
        std::pop_heap(heap, heap + k, better());
        heap[k - 1] = { x, index };
        std::push_heap(heap, heap + k, better());
    }
}

KERNEL void top_k_kernel(const float * x, int32_t n, int32_t k, candidate * heap) {
    for (int32_t i = 0; i < k; ++i) {
        heap[i] = { x[i] == x[i] ? x[i] : -INFINITY, i };
    }
    std::make_heap(heap, heap + k, better());
    int32_t i = k;
    for (; i + LANES <= n; i += LANES) {
        const float worst = heap[0].value;
        int any = 0;
        for (int j = 0; j < LANES; ++j) {
            any |= x[i + j] > worst;
        }
        if (any) {
            for (int j = 0; j < LANES; ++j) {
                consider(heap, k, x[i + j], i + j);
            }
        }
    }
    for (; i < n; ++i) {
        consider(heap, k, x[i], i);
    }
    std::sort_heap(heap, heap + k, better());
}

int32_t argmax_any   (const float * x, int32_t n, float * value)                { return argmax_kernel(x, n, value); }
double  logsumexp_any(const float * x, int32_t n)                               { return logsumexp_kernel(x, n); }
measure measure_any  (const float * x, int32_t n, int32_t token)                { return measure_kernel(x, n, token); }
void    top_k_any    (const float * x, int32_t n, int32_t k, candidate * heap)  { top_k_kernel(x, n, k, heap); }

#ifdef HAVE_AVX2_CLONES
#define AVX2 __attribute__((target("avx2")))
AVX2 int32_t argmax_avx2   (const float * x, int32_t n, float * value)               { return argmax_kernel(x, n, value); }
AVX2 double  logsumexp_avx2(const float * x, int32_t n)                              { return logsumexp_kernel(x, n); }
AVX2 measure measure_avx2  (const float * x, int32_t n, int32_t token)               { return measure_kernel(x, n, token); }
AVX2 void    top_k_avx2    (const float * x, int32_t n, int32_t k, candidate * heap) { top_k_kernel(x, n, k, heap); }

const bool has_avx2 = __builtin_cpu_supports("avx2");
#define DISPATCH(name, ...) (has_avx2 ? name##_avx2(__VA_ARGS__) : name##_any(__VA_ARGS__))
#else
#define DISPATCH(name, ...) name##_any(__VA_ARGS__)
#endif

void check_rows(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, const void * out, const char * out_name) {
    if (n_rows < 0) {
        fail(CHQ_STATUS_ARGUMENT, "n_rows = %d is negative", n_rows);
    }
    if (n_cols < 1) {
        fail(CHQ_STATUS_ARGUMENT, "n_cols = %d is less than 1", n_cols);
    }
    if (stride < n_cols) {
        fail(CHQ_STATUS_ARGUMENT, "stride = %lld is less than n_cols = %d", (long long) stride, n_cols);
    }
    if (n_rows > 0) {
        check_pointer(logits, "logits");
        check_pointer(out, out_name);
        if (stride > INT64_MAX / (int64_t) sizeof(float) / n_rows) {
            fail(CHQ_STATUS_ARGUMENT, "%d rows of stride %lld exceed the address space", n_rows, (long long) stride);
        }
    }
}

void check_tokens(const int32_t * tokens, int32_t n_rows, int32_t n_cols) {
    if (n_rows > 0) {
        check_pointer(tokens, "tokens");
    }
    for (int32_t r = 0; r < n_rows; ++r) {
        if (tokens[r] < 0 || tokens[r] >= n_cols) {
            fail(CHQ_STATUS_ARGUMENT, "tokens[%d] = %d is not in 0..%d", r, tokens[r], n_cols - 1);
        }
    }
}

// The natural log of the probability of a logit among those of this logsumexp.
float log_probability(float x, double total) {
    if (!(x > -INFINITY)) {
        return -INFINITY; // also NaN
    }
    // with an infinite logit all the probability is there
    return std::isinf(total) ? (x == INFINITY ? 0.0f : -INFINITY) : (float) (x - total);
}

} // namespace

int32_t row_argmax(const float * x, int32_t n, float * best) {
    return DISPATCH(argmax, x, n, best);
}

void row_top_k(const float * x, int32_t n, int32_t k, int32_t * index, float * value) {
    candidate heap[1024];
    DISPATCH(top_k, x, n, k, heap);
    for (int32_t i = 0; i < k; ++i) {
        index[i] = heap[i].index;
        if (value) {
            value[i] = heap[i].value;
        }
    }
}

} // namespace chq

using namespace chq;

chq_status chq_rows_argmax(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, int32_t * index, float * value) {
    return guarded([&] {
        check_rows(logits, n_rows, n_cols, stride, index, "index");
        for (int32_t r = 0; r < n_rows; ++r) {
            float best;
            index[r] = DISPATCH(argmax, logits + r * stride, n_cols, &best);
            if (value) {
                value[r] = best;
            }
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_rows_top_k(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, int32_t k, int32_t * index, float * value) {
    return guarded([&] {
        check_rows(logits, n_rows, n_cols, stride, index, "index");
        if (k < 1 || k > std::min(n_cols, 1024)) {
            fail(CHQ_STATUS_ARGUMENT, "k = %d is not in 1..%d", k, std::min(n_cols, 1024));
        }
        for (int32_t r = 0; r < n_rows; ++r) {
            row_top_k(logits + r * stride, n_cols, k, index + (int64_t) r * k, value ? value + (int64_t) r * k : nullptr);
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_rows_logsumexp(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, float * out) {
    return guarded([&] {
        check_rows(logits, n_rows, n_cols, stride, out, "out");
        for (int32_t r = 0; r < n_rows; ++r) {
            out[r] = (float) DISPATCH(logsumexp, logits + r * stride, n_cols);
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_rows_logprob(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, const int32_t * tokens, float * out) {
    return guarded([&] {
        check_rows(logits, n_rows, n_cols, stride, out, "out");
        check_tokens(tokens, n_rows, n_cols);
        for (int32_t r = 0; r < n_rows; ++r) {
            const float * row = logits + r * stride;
            const float   x   = row[tokens[r]];
            out[r] = log_probability(x, x > -INFINITY ? DISPATCH(logsumexp, row, n_cols) : 0);
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_rows_measure(const float * logits, int32_t n_rows, int32_t n_cols, int64_t stride, const int32_t * tokens,
                            float * logprob, float * logsumexp, float * entropy, float * mass, int32_t * rank) {
    return guarded([&] {
        check_rows(logits, n_rows, n_cols, stride, logprob, "logprob");
        if (n_rows > 0) {
            check_pointer(logsumexp, "logsumexp");
            check_pointer(entropy, "entropy");
            check_pointer(mass, "mass");
            check_pointer(rank, "rank");
        }
        check_tokens(tokens, n_rows, n_cols);
        for (int32_t r = 0; r < n_rows; ++r) {
            const float * row = logits + r * stride;
            const measure m   = DISPATCH(measure, row, n_cols, tokens[r]);
            logprob[r]   = log_probability(row[tokens[r]], m.total);
            logsumexp[r] = (float) m.total;
            entropy[r]   = (float) m.entropy;
            mass[r]      = (float) m.mass;
            rank[r]      = m.rank;
        }
        return CHQ_STATUS_OK;
    });
}
