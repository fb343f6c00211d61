// What AVX2 and AVX-VNNI have in common: vectors of 256 bits, two for the rows of a tile. For files that are compiled with AVX2, FMA and F16C.
#pragma once

#include "tile.h"

#include <immintrin.h>

namespace chq::kernels {
namespace {

struct bits_256 {
    using bytes = __m256i;
    using ints  = __m256i;
    using pairs = __m256i;
    using real  = __m256;

    static constexpr int  PARTS = 2;
    static constexpr auto BY    = EACH;

    CHQ_INLINE bytes load(const uint8_t * p)            { return _mm256_load_si256((const __m256i *) p); }
    CHQ_INLINE void  store(uint8_t * p, bytes v)        { _mm256_store_si256((__m256i *) p, v); }
    CHQ_INLINE void  prefetch(const uint8_t * p)        { _mm_prefetch((const char *) p, _MM_HINT_T0); }
    CHQ_INLINE void  prefetch_far(const uint8_t * p)    { _mm_prefetch((const char *) p, _MM_HINT_T1); }
    CHQ_INLINE void  prefetch_write(const float * p)    { __builtin_prefetch(p, 1); }
    CHQ_INLINE bytes low_nibbles(bytes v)               { return _mm256_and_si256(v, _mm256_set1_epi8(15)); }
    CHQ_INLINE bytes high_nibbles(bytes v)              { return _mm256_and_si256(_mm256_srli_epi16(v, 4), _mm256_set1_epi8(15)); }
    CHQ_INLINE bytes shifted(bytes v, int left)         { return left >= 0 ? _mm256_slli_epi16(v, left) : _mm256_srli_epi16(v, -left); }
    CHQ_INLINE bytes with_fifth(bytes v, bytes fifth, int i) { return _mm256_or_si256(v, _mm256_and_si256(shifted(fifth, 4 - i), _mm256_set1_epi8(16))); }
    CHQ_INLINE bytes with_top(bytes v, bytes top, int i)     { return _mm256_or_si256(v, _mm256_and_si256(shifted(top, 4 - 2*i), _mm256_set1_epi8(48))); }
    CHQ_INLINE bytes table_of(const int8_t * values)    { return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *) values)); }

    CHQ_INLINE __m256i broadcast(const void * four_bytes) {
        int32_t value;
        memcpy(&value, four_bytes, 4);
        return _mm256_set1_epi32(value);
    }
    CHQ_INLINE bytes quad(const int8_t * q)             { return broadcast(q); }
    CHQ_INLINE ints  start(const int32_t * s)           { return broadcast(s); }
    CHQ_INLINE ints  zero()                             { return _mm256_setzero_si256(); }

    CHQ_INLINE pairs unsigned_pairs(const uint8_t (*p)[2])          { return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *) p)); }
    CHQ_INLINE pairs signed_pairs(const int8_t (*p)[2])             { return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) p)); }
    CHQ_INLINE ints  dot_pairs(ints s, pairs p, const int16_t * by) { return _mm256_add_epi32(s, _mm256_madd_epi16(p, broadcast(by))); }

    CHQ_INLINE real  to_real(ints s)                    { return _mm256_cvtepi32_ps(s); }
    CHQ_INLINE real  all(float x)                       { return _mm256_set1_ps(x); }
    CHQ_INLINE real  reals(const float * p)             { return _mm256_loadu_ps(p); }
    CHQ_INLINE real  halves(const uint16_t * p)         { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) p)); }
    CHQ_INLINE real  mul(real a, real b)                { return _mm256_mul_ps(a, b); }
    CHQ_INLINE real  sub(real a, real b)                { return _mm256_sub_ps(a, b); }
    CHQ_INLINE real  fma(real a, real b, real c)        { return _mm256_fmadd_ps(a, b, c); }
    CHQ_INLINE void  put(float * p, real v)             { _mm256_storeu_ps(p, v); }
    CHQ_INLINE void  transpose(real (&rows)[8]) {
        // pairs of rows in turns, then pairs of pairs within 128 bits, then the halves
        real pairs[8];
        CHQ_UNROLL for (int i = 0; i < 8; i += 2) {
            pairs[i]     = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
            pairs[i + 1] = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
        }
        real fours[8]; // column c (and c + 4 in the upper half) of rows 0..3 in [c], of rows 4..7 in [4 + c]
        CHQ_UNROLL for (int i = 0; i < 8; i += 4) {
            CHQ_UNROLL for (int c = 0; c < 2; c++) {
                fours[i + 2*c]     = _mm256_shuffle_ps(pairs[i + c], pairs[i + 2 + c], 0x44);
                fours[i + 2*c + 1] = _mm256_shuffle_ps(pairs[i + c], pairs[i + 2 + c], 0xee);
            }
        }
        CHQ_UNROLL for (int c = 0; c < 4; c++) {
            rows[c]     = _mm256_permute2f128_ps(fours[c], fours[4 + c], 0x20);
            rows[c + 4] = _mm256_permute2f128_ps(fours[c], fours[4 + c], 0x31);
        }
    }
};

} // namespace
} // namespace chq::kernels
