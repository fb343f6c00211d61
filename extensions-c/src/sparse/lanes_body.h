// The loops of lanes.h, included by a file for each instruction set. Loops of 16 are written for a compiler that vectorises them.

#include "sparse/lanes.h"

#include "kernels/exponentials.h"
#include "kernels/format.h"

#include <cmath>
#include <cstring>

#if defined(__AVX2__)
#    include <immintrin.h>
#endif

namespace chq::sparse {
namespace {

float sum_of(const float (&x)[16]) {
    float sum = 0;
    for (float v : x) {
        sum += v;
    }
    return sum;
}

void halves(const uint16_t * from, int n, float * to) {
    for (int i = 0; i < n; i += 16) {
#if defined(__AVX512F__)
        _mm512_storeu_ps(to + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) (from + i))));
#elif defined(__AVX2__)
        _mm256_storeu_ps(to + i,     _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) (from + i))));
        _mm256_storeu_ps(to + i + 8, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) (from + i + 8))));
#else
        for (int j = 0; j < 16; j++) {
            to[i + j] = kernels::from_half(from[i + j]);
        }
#endif
    }
}

void dots(const float * q, int heads, int d, const float * key, float * out) {
    for (int h = 0; h < heads; h++) {
        float sums[16] = {};
        for (int i = 0; i < d; i += 16) {
            for (int j = 0; j < 16; j++) {
                sums[j] += q[h * d + i + j] * key[i + j];
            }
        }
        out[h] = sum_of(sums);
    }
}

void encode(const float * keys, int d, uint32_t use, uint8_t * block) {
    // mean absolute deviation times this is the step of four even levels that errs least on normal and heavier tails
    constexpr float STEP = 1.25f;
    uint16_t * const means = (uint16_t *) block;
    uint16_t * const steps = means + d;
    uint8_t  * const codes = (uint8_t *) (steps + d);
    memset(codes, 0, (size_t) d * CHUNK / 4);
    const float n = (float) __builtin_popcount(use);
    for (int c = 0; c < d; c++) {
        float sum = 0;
        for (int i = 0; i < CHUNK; i++) {
            sum += use >> i & 1 ? keys[i * d + c] : 0;
        }
        means[c] = kernels::to_half(n > 0 ? sum / n : 0);
        const float mean = kernels::from_half(means[c]);
        float away = 0;
        for (int i = 0; i < CHUNK; i++) {
            away += use >> i & 1 ? std::fabs(keys[i * d + c] - mean) : 0;
        }
        steps[c] = kernels::to_half(n > 0 ? STEP * away / n : 0);
        const float step    = kernels::from_half(steps[c]);
        const float inverse = step > 0 ? 1 / step : 0;
        const int quad = c / 4;
        for (int i = 0; i < CHUNK; i++) {
            const float x    = (keys[i * d + c] - mean) * inverse + 2;
            const int   code = x >= 3 ? 3 : x >= 2 ? 2 : x >= 1 ? 1 : 0; // also for what is no number
            codes[(quad / 4 * 2 + i / 16) * 64 + i % 16 * 4 + c % 4] |= (uint8_t) (code << (quad % 4 * 2));
        }
    }
}

// sums[g][i] = codes of cell i . weights[g]
template <int G>
void code_sums(const uint8_t * codes, int d, const int8_t * weights, int32_t (*sums)[CHUNK]) {
#if defined(__AVX512VNNI__)
    __m512i s[G][2];
    for (int g = 0; g < G; g++) {
        s[g][0] = s[g][1] = _mm512_setzero_si512();
    }
    const __m512i low = _mm512_set1_epi8(3);
    for (int block = 0; block < d / 16; block++) {
        const __m512i a = _mm512_loadu_si512(codes + block * 128);
        const __m512i b = _mm512_loadu_si512(codes + block * 128 + 64);
        const auto plane = [&](int p, __m512i x, __m512i y) {
            for (int g = 0; g < G; g++) {
                int32_t quad;
                memcpy(&quad, weights + g * d + block * 16 + p * 4, 4);
                const __m512i w = _mm512_set1_epi32(quad);
                s[g][0] = _mm512_dpbusd_epi32(s[g][0], x, w);
                s[g][1] = _mm512_dpbusd_epi32(s[g][1], y, w);
            }
        };
        plane(0, _mm512_and_si512(a, low), _mm512_and_si512(b, low));
        plane(1, _mm512_and_si512(_mm512_srli_epi16(a, 2), low), _mm512_and_si512(_mm512_srli_epi16(b, 2), low));
        plane(2, _mm512_and_si512(_mm512_srli_epi16(a, 4), low), _mm512_and_si512(_mm512_srli_epi16(b, 4), low));
        plane(3, _mm512_and_si512(_mm512_srli_epi16(a, 6), low), _mm512_and_si512(_mm512_srli_epi16(b, 6), low));
    }
    for (int g = 0; g < G; g++) {
        _mm512_storeu_si512(sums[g],      s[g][0]);
        _mm512_storeu_si512(sums[g] + 16, s[g][1]);
    }
#elif defined(__AVX2__)
    for (int quarter = 0; quarter < 4; quarter++) { // 8 cells
        __m256i s[G];
        for (int g = 0; g < G; g++) {
            s[g] = _mm256_setzero_si256();
        }
        const __m256i low = _mm256_set1_epi8(3);
        const __m256i one = _mm256_set1_epi16(1);
        for (int block = 0; block < d / 16; block++) {
            const __m256i a = _mm256_loadu_si256((const __m256i *) (codes + block * 128 + quarter * 32));
            const __m256i planes[4] = {
                _mm256_and_si256(a, low), _mm256_and_si256(_mm256_srli_epi16(a, 2), low),
                _mm256_and_si256(_mm256_srli_epi16(a, 4), low), _mm256_and_si256(_mm256_srli_epi16(a, 6), low),
            };
            for (int g = 0; g < G; g++) {
                __m256i pairs = _mm256_setzero_si256(); // at most 8 * 3 * 127: no overflow
                for (int p = 0; p < 4; p++) {
                    int32_t quad;
                    memcpy(&quad, weights + g * d + block * 16 + p * 4, 4);
                    pairs = _mm256_add_epi16(pairs, _mm256_maddubs_epi16(planes[p], _mm256_set1_epi32(quad)));
                }
                s[g] = _mm256_add_epi32(s[g], _mm256_madd_epi16(pairs, one));
            }
        }
        for (int g = 0; g < G; g++) {
            _mm256_storeu_si256((__m256i *) (sums[g] + quarter * 8), s[g]);
        }
    }
#else
    memset(sums, 0, G * sizeof(*sums));
    for (int block = 0; block < d / 16; block++) {
        for (int half = 0; half < 2; half++) {
            const uint8_t * bytes = codes + block * 128 + half * 64;
            for (int p = 0; p < 4; p++) {
                for (int g = 0; g < G; g++) {
                    const int8_t * w = weights + g * d + block * 16 + p * 4;
                    for (int i = 0; i < 64; i++) {
                        sums[g][half * 16 + i / 4] += (bytes[i] >> (2 * p) & 3) * w[i % 4];
                    }
                }
            }
        }
    }
#endif
}

template <int G>
void scan_some(const uint8_t * blocks, int64_t n, const float * q, int d, float * const * scores) {
    alignas(64) float  mean[WIDEST];
    alignas(64) float  step[WIDEST];
    alignas(64) float  product[WIDEST];
    alignas(64) int8_t weights[G * WIDEST];
    int32_t sums[G][CHUNK];
    float   base[G];
    float   unit[G];
    for (int64_t chunk = 0; chunk < n; chunk++) {
        const uint8_t * block = blocks + (size_t) chunk * block_bytes(d);
        halves((const uint16_t *) block, d, mean);
        halves((const uint16_t *) block + d, d, step);
        for (int g = 0; g < G; g++) {
            const float * x = q + g * d;
            float lows[16] = {};
            float tops[16] = {};
            for (int i = 0; i < d; i += 16) {
                for (int j = 0; j < 16; j++) {
                    const float p = x[i + j] * step[i + j];
                    product[i + j] = p;
                    lows[j] += x[i + j] * mean[i + j] - 1.5f * p;
                    const float size = std::fabs(p);
                    tops[j] = tops[j] > size ? tops[j] : size;
                }
            }
            float top = 0;
            for (float t : tops) {
                top = t > top ? t : top;
            }
            base[g] = sum_of(lows);
            unit[g] = top / 127;
            const float inverse = top > 0 ? 127 / top : 0;
            for (int i = 0; i < d; i += 16) {
#if defined(__AVX512F__)
                _mm_storeu_si128((__m128i *) (weights + g * d + i),
                    _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(product + i), _mm512_set1_ps(inverse)))));
#else
                for (int j = 0; j < 16; j++) {
                    weights[g * d + i + j] = (int8_t) std::lrintf(product[i + j] * inverse);
                }
#endif
            }
        }
        code_sums<G>(block + 4 * d, d, weights, sums);
        for (int g = 0; g < G; g++) {
            float * to = scores[g] + chunk * CHUNK;
            for (int i = 0; i < CHUNK; i++) {
                to[i] = base[g] + unit[g] * (float) sums[g][i];
            }
        }
    }
}

void scan(const uint8_t * blocks, int64_t n, const float * q, int heads, int d, float * const * scores) {
    for (int h = 0; h < heads;) {
        const float * at = q + h * d;
        switch (heads - h) {
            case 1:  scan_some<1>(blocks, n, at, d, scores + h); h += 1; break;
            case 2:  scan_some<2>(blocks, n, at, d, scores + h); h += 2; break;
            case 3:  scan_some<3>(blocks, n, at, d, scores + h); h += 3; break;
            case 5:
            case 6:  scan_some<3>(blocks, n, at, d, scores + h); h += 3; break;
            default: scan_some<4>(blocks, n, at, d, scores + h); h += 4; break;
        }
    }
}

float largest(const float * x, int64_t n) {
    float tops[16];
    for (float & t : tops) {
        t = -INFINITY;
    }
    for (int64_t i = 0; i < n; i += 16) {
        for (int j = 0; j < 16; j++) {
            tops[j] = x[i + j] > tops[j] ? x[i + j] : tops[j];
        }
    }
    float top = -INFINITY;
    for (float t : tops) {
        top = t > top ? t : top;
    }
    return top;
}

float exponentials(float * x, int64_t n, float most) {
    float sums[16] = {};
    kernels::exponentials(x, n, most, sums);
    return sum_of(sums);
}

void add(const float * x, float by, int64_t n, float * to) {
    for (int64_t i = 0; i < n; i++) {
        to[i] += by * x[i];
    }
}

constexpr lanes lanes_named(const char * name) {
    return { name, halves, dots, encode, scan, largest, exponentials, add };
}

} // namespace
} // namespace chq::sparse
