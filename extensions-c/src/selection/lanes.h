// The functions of arithmetic.h for vectors of VECTOR floats. Each instruction set includes this in a file of its own that is compiled for it;
// nothing in here may become a symbol that another file could end up using.
//
// VECTOR           floats of a vector register; divides LANES
// TILE_A, TILE_B   rows of a tile whose sums fit the registers
// TILE_ROW         the same for one row against several
#pragma once

#include "selection/arithmetic.h"

#include <cstring>

namespace chq::selection {
namespace {

#define INLINE static inline __attribute__((always_inline))

constexpr int PARTS = LANES / VECTOR;

typedef float   vec  __attribute__((vector_size(VECTOR * sizeof(float))));
typedef int32_t ivec __attribute__((vector_size(VECTOR * sizeof(int32_t))));

INLINE void load(vec & v, const float * p)        { memcpy(&v, p, sizeof(v)); }
INLINE void store(float * p, const vec & v)       { memcpy(p, &v, sizeof(v)); }

// The partial sums of one dot product.
struct alignas(64) partial {
    float lane[LANES];
};

// Block of rows whose partial sums are carried from one stretch of columns to the next, so that rows of any length stay in the first cache.
constexpr int BLOCK_A = 12;
constexpr int BLOCK_B = 12;

// sums[i*BLOCK_B + j] += the products of a[i] and b[j] from begin to end, which is a multiple of LANES away; at begin 0 they start from nothing.
template <int NA, int NB>
INLINE void tile(const float * const * a, const float * const * b, int32_t begin, int32_t end, partial * sums) {
    vec sum[NA * NB * PARTS];
    if (begin == 0) {
#pragma GCC unroll 64
        for (int s = 0; s < NA * NB * PARTS; ++s) {
            sum[s] = vec {};
        }
    } else {
#pragma GCC unroll 64
        for (int s = 0; s < NA * NB * PARTS; ++s) {
            load(sum[s], sums[s / PARTS / NB * BLOCK_B + s / PARTS % NB].lane + s % PARTS * VECTOR);
        }
    }
    for (int32_t k = begin; k < end; k += LANES) {
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; ++p) {
            vec x[NA];
#pragma GCC unroll 8
            for (int i = 0; i < NA; ++i) {
                load(x[i], a[i] + k + p * VECTOR);
            }
#pragma GCC unroll 16
            for (int j = 0; j < NB; ++j) {
                vec y;
                load(y, b[j] + k + p * VECTOR);
#pragma GCC unroll 8
                for (int i = 0; i < NA; ++i) {
                    sum[(i * NB + j) * PARTS + p] += x[i] * y;
                }
            }
        }
    }
#pragma GCC unroll 64
    for (int s = 0; s < NA * NB * PARTS; ++s) {
        store(sums[s / PARTS / NB * BLOCK_B + s / PARTS % NB].lane + s % PARTS * VECTOR, sum[s]);
    }
}

// Halves are added up, in vectors that every machine has.
typedef float quad __attribute__((vector_size(4 * sizeof(float))));
static_assert(LANES == 16, "of four quads");

INLINE float total(const partial & s) {
    quad q[4];
    memcpy(q, s.lane, sizeof(q));
    const quad sum = (q[0] + q[2]) + (q[1] + q[3]);
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

static void stretch(const float * const * a, int na, const float * const * b, int nb, int32_t begin, int32_t end, partial * sums) {
    int i = 0;
    for (; na > 1 && i + TILE_A <= na; i += TILE_A) {
        int j = 0;
        for (; j + TILE_B <= nb; j += TILE_B) {
            tile<TILE_A, TILE_B>(a + i, b + j, begin, end, sums + i * BLOCK_B + j);
        }
        for (; j < nb; ++j) {
            tile<TILE_A, 1>(a + i, b + j, begin, end, sums + i * BLOCK_B + j);
        }
    }
    for (; i < na; ++i) {
        int j = 0;
        for (; j + TILE_ROW <= nb; j += TILE_ROW) {
            tile<1, TILE_ROW>(a + i, b + j, begin, end, sums + i * BLOCK_B + j);
        }
        for (; j < nb; ++j) {
            tile<1, 1>(a + i, b + j, begin, end, sums + i * BLOCK_B + j);
        }
    }
}

#if defined(__clang__)
#define SHUFFLE(a, b, w, x, y, z) __builtin_shufflevector(a, b, w, x, y, z)
#else
typedef int32_t places __attribute__((vector_size(4 * sizeof(int32_t))));
#define SHUFFLE(a, b, w, x, y, z) __builtin_shuffle(a, b, places { w, x, y, z })
#endif

// The totals of four at once: the same additions, four in a vector.
INLINE void totals(const partial * s, float * out) {
    quad t[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
        quad q[4];
        memcpy(q, s[i].lane, sizeof(q));
        t[i] = (q[0] + q[2]) + (q[1] + q[3]);
    }
    const quad low01  = SHUFFLE(t[0], t[1], 0, 4, 1, 5);
    const quad low23  = SHUFFLE(t[2], t[3], 0, 4, 1, 5);
    const quad high01 = SHUFFLE(t[0], t[1], 2, 6, 3, 7);
    const quad high23 = SHUFFLE(t[2], t[3], 2, 6, 3, 7);
    const quad even   = SHUFFLE(low01, low23, 0, 1, 4, 5) + SHUFFLE(high01, high23, 0, 1, 4, 5);
    const quad odd    = SHUFFLE(low01, low23, 2, 3, 6, 7) + SHUFFLE(high01, high23, 2, 3, 6, 7);
    const quad sum    = even + odd;
    memcpy(out, &sum, sizeof(sum));
}

static void block_of_dots(const float * const * a, int na, const float * const * b, int nb, int32_t n, float * out, int64_t ld) {
    partial sums[BLOCK_A * BLOCK_B];
    const int32_t whole = n - n % LANES;
    for (int i = 0; i < na && whole == 0; ++i) {
        memset(sums + i * BLOCK_B, 0, nb * sizeof(partial));
    }
    for (int32_t begin = 0; begin < whole; begin += STRETCH) {
        stretch(a, na, b, nb, begin, begin + STRETCH < whole ? begin + STRETCH : whole, sums);
    }
    for (int i = 0; i < na; ++i) {
        partial * s = sums + i * BLOCK_B;
        for (int j = 0; j < nb; ++j) {
            for (int32_t k = whole; k < n; ++k) {
                s[j].lane[k - whole] += a[i][k] * b[j][k];
            }
        }
        int j = 0;
        for (; j + 4 <= nb; j += 4) {
            totals(s + j, out + i * ld + j);
        }
        for (; j < nb; ++j) {
            out[i * ld + j] = total(s[j]);
        }
    }
}

// Halves the longer side until a block is left, which keeps rows in whatever caches there are.
static void dots(const float * const * a, int32_t na, const float * const * b, int32_t nb, int32_t n, float * out, int64_t ld) {
    if (na <= BLOCK_A && nb <= BLOCK_B) {
        block_of_dots(a, na, b, nb, n, out, ld);
    } else if (na >= nb) {
        const int32_t half = (na / 2 + BLOCK_A - 1) / BLOCK_A * BLOCK_A;
        dots(a, half, b, nb, n, out, ld);
        dots(a + half, na - half, b, nb, n, out + half * ld, ld);
    } else {
        const int32_t half = (nb / 2 + BLOCK_B - 1) / BLOCK_B * BLOCK_B;
        dots(a, na, b, half, n, out, ld);
        dots(a, na, b + half, nb - half, n, out + half, ld);
    }
}

INLINE float positive_difference(float x, float floor) {
    const float d = x - floor;
    return d > 0 ? d : 0;
}

static float excess(const float * x, const float * floor, int32_t n) {
    vec sum[PARTS] = {};
    const int32_t whole = n - n % LANES;
    for (int32_t k = 0; k < whole; k += LANES) {
#pragma GCC unroll 4
        for (int p = 0; p < PARTS; ++p) {
            vec v, f;
            load(v, x + k + p * VECTOR);
            load(f, floor + k + p * VECTOR);
            const vec d = v - f;
            sum[p] += d > 0.0f ? d : vec {};
        }
    }
    partial s;
    memcpy(&s, sum, sizeof(s));
    for (int32_t k = whole; k < n; ++k) {
        s.lane[k - whole] += positive_difference(x[k], floor[k]);
    }
    return total(s);
}

// Sums of squares of at most STRETCH elements need no lanes of their own on every machine: they are not compared, only added some room to.
static float encode(const float * x, int32_t n, float factor, int8_t * codes, float * missed) {
    float scaled[STRETCH];
    vec most = {};
    for (int32_t k = 0; k < n; ++k) {
        scaled[k] = x[k] * factor;
    }
    memset(scaled + n, 0, (STRETCH - n) * sizeof(float));
    for (int32_t k = 0; k < STRETCH; k += VECTOR) {
        vec v;
        load(v, scaled + k);
        v = v > 0.0f ? v : -v;
        most = v > most ? v : most;
    }
    float greatest = 0;
    for (int32_t l = 0; l < VECTOR; ++l) {
        greatest = most[l] > greatest ? most[l] : greatest;
    }
    // less than that has no reciprocal that is finite
    const float inverse = greatest > 1e-30f ? 127.0f / greatest : 0.0f;
    const float scale   = greatest * (1.0f / 127.0f);
    vec squares = {};
    for (int32_t k = 0; k < STRETCH; k += VECTOR) {
        vec v;
        load(v, scaled + k);
        const vec shifted = v * inverse + 12582912.0f; // adding 1.5 * 2^23 rounds to an integer
        const vec code    = shifted - 12582912.0f;
        const vec d       = v - code * scale;
        squares += d * d;
        store(scaled + k, code);
    }
    for (int32_t k = 0; k < n; ++k) {
        codes[k] = (int8_t) (int32_t) scaled[k];
    }
    for (int32_t l = 0; l < VECTOR; ++l) {
        *missed += squares[l];
    }
    return scale;
}

static void coarse_dots(const int8_t * rows, const float * scale, int32_t n_rows, const int16_t * query, const float * query_scale,
        int32_t n_stretches, float * out) {
    for (int32_t i = 0; i < n_rows; ++i) {
        float sum = 0;
        for (int32_t s = 0; s < n_stretches; ++s) {
            const int16_t * q = query + s * STRETCH;
            int32_t product = 0;
            for (int32_t k = 0; k < STRETCH; ++k) {
                const int16_t x = rows[k];
                product += x * q[k];
            }
            sum  += scale[s] * query_scale[s] * (float) product;
            rows += STRETCH;
        }
        out[i] = sum;
        scale += n_stretches;
    }
}

static void raise(float * __restrict floor, const float * __restrict x, int32_t n) {
    for (int32_t k = 0; k < n; ++k) {
        floor[k] = x[k] > floor[k] ? x[k] : floor[k];
    }
}

static void add(float * __restrict sum, const float * __restrict x, int32_t n) {
    for (int32_t k = 0; k < n; ++k) {
        sum[k] += x[k];
    }
}

// exp(d) = 2^m * p(r) with m = round(d / ln 2), relative error below 2e-7.
INLINE void exponential(vec & out, const vec & d) {
    const ivec keep = d > -87.0f;
    const vec  low  = keep ? d : vec {} - 87.0f;
    const vec  c    = low < 88.0f ? low : vec {} + 88.0f;
    const vec  t    = c * 1.44269504f + 12582912.0f; // adding 1.5 * 2^23 rounds to an integer, kept in the low bits
    const vec  m    = t - 12582912.0f;
    const vec  r    = (c - m * 0.693359375f) + m * 2.12194440e-4f; // ln 2 in two parts
    vec p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    ivec bits;
    memcpy(&bits, &t, sizeof(bits));
    const ivec exponent = (bits + 127) << 23; // the rest of t is shifted out
    vec power;
    memcpy(&power, &exponent, sizeof(power));
    out = keep ? p * power : vec {};
}

static void exponentials(float * x, const float * shift, float scale, int32_t n) {
    int32_t k = 0;
    for (; k + VECTOR <= n; k += VECTOR) {
        vec v, s;
        load(v, x + k);
        load(s, shift + k);
        exponential(v, v * scale - s);
        store(x + k, v);
    }
    if (k < n) {
        float rest[VECTOR] = {};
        for (int32_t i = k; i < n; ++i) {
            rest[i - k] = x[i] * scale - shift[i];
        }
        vec v;
        load(v, rest);
        exponential(v, v);
        store(rest, v);
        memcpy(x + k, rest, (n - k) * sizeof(float));
    }
}

static float sum_of_exponentials(const float * x, float shift, float scale, int32_t n) {
    vec sum[PARTS] = {};
    int32_t k = 0;
    for (; k + LANES <= n; k += LANES) {
        for (int p = 0; p < PARTS; ++p) {
            vec v;
            load(v, x + k + p * VECTOR);
            exponential(v, v * scale - shift);
            sum[p] += v;
        }
    }
    if (k < n) {
        float rest[LANES];
        for (int l = 0; l < LANES; ++l) {
            rest[l] = k + l < n ? x[k + l] * scale - shift : -1000.0f;
        }
        for (int p = 0; p < PARTS; ++p) {
            vec v;
            load(v, rest + p * VECTOR);
            exponential(v, v);
            sum[p] += v;
        }
    }
    partial s;
    memcpy(&s, sum, sizeof(s));
    return total(s);
}

static void multiply(float * __restrict out, const float * __restrict a, const float * __restrict b, int32_t n) {
    for (int32_t k = 0; k < n; ++k) {
        out[k] = a[k] * b[k];
    }
}

// Two stages of butterflies in one pass over the rows, where two are left.
static void hadamard(float * x, int32_t n_rows) {
    int32_t h = 1;
    for (; 4 * h <= n_rows; h *= 4) {
        for (int32_t i = 0; i < n_rows; i += 4 * h) {
            for (int32_t j = i; j < i + h; ++j) {
                float * row = x + (int64_t) j * LANES;
                const int64_t step = (int64_t) h * LANES;
#pragma GCC unroll 4
                for (int p = 0; p < PARTS; ++p) {
                    float * at = row + p * VECTOR;
                    vec a, b, c, d;
                    load(a, at);
                    load(b, at + step);
                    load(c, at + 2 * step);
                    load(d, at + 3 * step);
                    const vec ab = a + b, a_b = a - b, cd = c + d, c_d = c - d;
                    store(at,            ab  + cd);
                    store(at + step,     a_b + c_d);
                    store(at + 2 * step, ab  - cd);
                    store(at + 3 * step, a_b - c_d);
                }
            }
        }
    }
    if (h < n_rows) {
        for (int32_t k = 0; k < h * LANES; ++k) {
            const float a = x[k];
            const float b = x[k + h * LANES];
            x[k]             = a + b;
            x[k + h * LANES] = a - b;
        }
    }
}

static void fold(const float * x, const float * factor, int32_t n_rows, float * out, int32_t n_out) {
    memset(out, 0, (size_t) n_out * LANES * sizeof(float));
    // Some rows at a time, each twice in a row of memory, where turning it is reading it from another place on.
    constexpr int32_t SOME = 64;
    float twice[SOME][2 * LANES];
    for (int32_t begin = 0; begin < n_rows; begin += SOME) {
        const int32_t n = n_rows - begin < SOME ? n_rows - begin : SOME;
        for (int32_t r = 0; r < n; ++r) {
#pragma GCC unroll 4
            for (int p = 0; p < PARTS; ++p) {
                vec v, f;
                load(v, x + (int64_t) (begin + r) * LANES + p * VECTOR);
                load(f, factor + (int64_t) (begin + r) * LANES + p * VECTOR);
                v *= f;
                store(twice[r] + p * VECTOR, v);
                store(twice[r] + p * VECTOR + LANES, v);
            }
        }
        for (int32_t r = 0; r < n; ++r) {
            const float * from = twice[r] + (begin + r) / n_out % LANES;
            float * to = out + (int64_t) ((begin + r) % n_out) * LANES;
#pragma GCC unroll 4
            for (int p = 0; p < PARTS; ++p) {
                vec sum, v;
                load(sum, to + p * VECTOR);
                load(v, from + p * VECTOR);
                sum += v;
                store(to + p * VECTOR, sum);
            }
        }
    }
}

constexpr arithmetic table(const char * name) {
    return { name, dots, excess, encode, coarse_dots, raise, add, exponentials, sum_of_exponentials, multiply, hadamard, fold };
}

} // namespace
} // namespace chq::selection
