// Arithmetic over rows of floats with the same results to the bit on every machine: a sum is LANES partial sums, one for each LANES-th element, that
// are added up in one order; multiplications stay apart from additions. How many rows a call takes changes nothing.
#pragma once

#include <cstdint>

namespace chq::selection {

constexpr int LANES   = 16;
constexpr int STRETCH = 256;

struct arithmetic {
    const char * name;

    // out[i*ld + j] = the dot product of a[i] and b[j], which have n floats each.
    void (*dots)(const float * const * a, int32_t na, const float * const * b, int32_t nb, int32_t n, float * out, int64_t ld);

    // The sum of max(0, x - floor). It cannot grow when elements of floor do, rounding included.
    float (*excess)(const float * x, const float * floor, int32_t n);

    // Codes of at most 127 whose multiples by the result are near x*factor; adds the squares of what they miss to missed. n <= STRETCH
    float (*encode)(const float * x, int32_t n, float factor, int8_t * codes, float * missed);

    // out[i] = the sum over stretches s of scale[i, s]*query_scale[s]*(the integer dot product of STRETCH elements of row i and query)
    void (*coarse_dots)(const int8_t * rows, const float * scale, int32_t n_rows, const int16_t * query, const float * query_scale,
        int32_t n_stretches, float * out);

    // floor = max(floor, x)
    void (*raise)(float * floor, const float * x, int32_t n);

    // sum += x
    void (*add)(float * sum, const float * x, int32_t n);

    // x = exp(x*scale - shift), 0 where that is less than the normal numbers.
    void (*exponentials)(float * x, const float * shift, float scale, int32_t n);

    // The sum of exp(x*scale - shift).
    float (*sum_of_exponentials)(const float * x, float shift, float scale, int32_t n);

    // out = a*b
    void (*multiply)(float * out, const float * a, const float * b, int32_t n);

    // Each column of x [n_rows, LANES] becomes its Hadamard transform, not normalised. n_rows is a power of two.
    void (*hadamard)(float * x, int32_t n_rows);

    // Adds the rows of x*factor [n_rows, LANES] up to n_out rows: row r to row r % n_out, turned by r / n_out lanes.
    void (*fold)(const float * x, const float * factor, int32_t n_rows, float * out, int32_t n_out);
};

// What this processor computes fastest with.
const arithmetic & fastest();

// All that this processor can compute with, the fastest first, NULL after the last.
const arithmetic * const * arithmetics();

inline float dot(const float * a, const float * b, int32_t n) {
    float out;
    fastest().dots(&a, 1, &b, 1, n, &out, 1);
    return out;
}

} // namespace chq::selection
