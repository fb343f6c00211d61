// AVX-512 with VNNI: vpdpbusd adds four products of unsigned codes and signed activations to a sum of 32 bits. Two tiles share each
// broadcast of activations, because a core loads two vectors a cycle and multiplies as many.
#include "tile.h"

#include <immintrin.h>

namespace chq::kernels {
namespace {

struct avx512 {
    using bytes = __m512i;
    using ints  = __m512i;
    using pairs = __m512i;
    using real  = __m512;

    static constexpr bool WIDE        = true;
    static constexpr int  PARTS       = 1;
    static constexpr int  TILES       = 2;
    static constexpr int  SLAB        = 6;
    static constexpr int  ALONE       = 8;
    static constexpr auto BY          = EACH;
    static constexpr int  SIGNED_BIAS = 128;
    static constexpr bool panel(code_kind kind) { return kind == FIVE_BITS || kind == SIX_BITS || kind == SIGNED_BYTE; }

    CHQ_INLINE bytes load(const uint8_t * p)            { return _mm512_load_si512(p); }
    CHQ_INLINE void  store(uint8_t * p, bytes v)        { _mm512_store_si512(p, v); }
    CHQ_INLINE void  prefetch(const uint8_t * p)        { _mm_prefetch((const char *) p, _MM_HINT_T0); }
    CHQ_INLINE void  prefetch_far(const uint8_t * p)    { _mm_prefetch((const char *) p, _MM_HINT_T1); }
    CHQ_INLINE void  prefetch_write(const float * p)    { __builtin_prefetch(p, 1); }
    CHQ_INLINE bytes low_nibbles(bytes v)               { return _mm512_and_si512(v, _mm512_set1_epi8(15)); }
    CHQ_INLINE bytes high_nibbles(bytes v)              { return _mm512_and_si512(_mm512_srli_epi16(v, 4), _mm512_set1_epi8(15)); }
    CHQ_INLINE bytes signed_codes(bytes v)              { return _mm512_xor_si512(v, _mm512_set1_epi8((char) 0x80)); }
    CHQ_INLINE bytes table(bytes v) {
        const __m512i values = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *) IQ4_NL_VALUES));
        return _mm512_shuffle_epi8(signed_codes(values), v);
    }
    CHQ_INLINE bytes shifted(bytes v, int left)         { return left > 0 ? _mm512_slli_epi16(v, left) : left < 0 ? _mm512_srli_epi16(v, -left) : v; }
    // v | (bits & mask)
    CHQ_INLINE bytes merged(bytes v, bytes bits, int mask)   { return _mm512_ternarylogic_epi32(v, bits, _mm512_set1_epi8((char) mask), 0xf8); }
    CHQ_INLINE bytes with_fifth(bytes v, bytes fifth, int i) { return merged(v, shifted(fifth, 4 - i), 16); }
    CHQ_INLINE bytes with_top(bytes v, bytes top, int i)     { return merged(v, shifted(top, 4 - 2*i), 48); }

    CHQ_INLINE bytes quad(const int8_t * q)             { return broadcast(q); }
    CHQ_INLINE ints  start(const int32_t * s)           { return broadcast(s); }
    CHQ_INLINE ints  zero()                             { return _mm512_setzero_si512(); }
    CHQ_INLINE ints  dot(ints s, bytes w, bytes a)      { return _mm512_dpbusd_epi32(s, w, a); }

    CHQ_INLINE real  real_scales(const uint8_t * s)     { return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *) s))); }
    CHQ_INLINE void  signed_real_scales(const int8_t (*s)[2], real & a, real & b) {
        const __m512i both = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *) s)); // a0 b0 a1 b1 ...
        a = _mm512_cvtepi32_ps(_mm512_srai_epi32(_mm512_slli_epi32(both, 16), 16));
        b = _mm512_cvtepi32_ps(_mm512_srai_epi32(both, 16));
    }
    CHQ_INLINE pairs unsigned_pairs(const uint8_t (*p)[2])                      { return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i *) p)); }
    CHQ_INLINE ints  dot_pairs(ints s, pairs p, const int16_t * by)            { return _mm512_dpwssd_epi32(s, p, broadcast(by)); }

    CHQ_INLINE real  to_real(ints s)                    { return _mm512_cvtepi32_ps(s); }
    CHQ_INLINE real  all(float x)                       { return _mm512_set1_ps(x); }
    CHQ_INLINE real  reals(const float * p)             { return _mm512_loadu_ps(p); }
    CHQ_INLINE real  halves(const uint16_t * p)         { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *) p)); }
    CHQ_INLINE real  mul(real a, real b)                { return _mm512_mul_ps(a, b); }
    CHQ_INLINE real  sub(real a, real b)                { return _mm512_sub_ps(a, b); }
    CHQ_INLINE real  fma(real a, real b, real c)        { return _mm512_fmadd_ps(a, b, c); }
    CHQ_INLINE void  put(float * p, real v)             { _mm512_storeu_ps(p, v); }
    CHQ_INLINE void  transpose(real (&rows)[16]) {
        // pairs of rows in turns, then pairs of pairs within 128 bits, then the four parts of 128 bits
        real pairs[16];
        CHQ_UNROLL for (int i = 0; i < 16; i += 2) {
            pairs[i]     = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
            pairs[i + 1] = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
        }
        real fours[16]; // column 4p + c of rows 4k..4k+3 in part p of [4k + c]
        CHQ_UNROLL for (int i = 0; i < 16; i += 4) {
            CHQ_UNROLL for (int c = 0; c < 2; c++) {
                fours[i + 2*c]     = _mm512_shuffle_ps(pairs[i + c], pairs[i + 2 + c], 0x44);
                fours[i + 2*c + 1] = _mm512_shuffle_ps(pairs[i + c], pairs[i + 2 + c], 0xee);
            }
        }
        CHQ_UNROLL for (int c = 0; c < 4; c++) {
            const real a = _mm512_shuffle_f32x4(fours[c],     fours[4 + c],  0x88); // parts 0 and 2 of rows 0..3, of rows 4..7
            const real b = _mm512_shuffle_f32x4(fours[c],     fours[4 + c],  0xdd); // parts 1 and 3
            const real d = _mm512_shuffle_f32x4(fours[8 + c], fours[12 + c], 0x88);
            const real e = _mm512_shuffle_f32x4(fours[8 + c], fours[12 + c], 0xdd);
            rows[c]      = _mm512_shuffle_f32x4(a, d, 0x88);
            rows[4 + c]  = _mm512_shuffle_f32x4(b, e, 0x88);
            rows[8 + c]  = _mm512_shuffle_f32x4(a, d, 0xdd);
            rows[12 + c] = _mm512_shuffle_f32x4(b, e, 0xdd);
        }
    }

private:
    CHQ_INLINE __m512i broadcast(const void * four_bytes) {
        int32_t value;
        memcpy(&value, four_bytes, 4);
        return _mm512_set1_epi32(value);
    }
};

} // namespace

template <>
struct rounding<avx512> {
    static void block(const float * x, int count, int8_t * q, float & d) {
        __m512 largest = _mm512_setzero_ps();
        for (int i = 0; i < count; i += 16) {
            largest = _mm512_max_ps(largest, _mm512_abs_ps(_mm512_loadu_ps(x + i)));
        }
        const float magnitude = _mm512_reduce_max_ps(largest);
        d = magnitude / 127;
        const __m512 inverse = _mm512_set1_ps(magnitude > 0 ? 127 / magnitude : 0);
        for (int i = 0; i < count; i += 16) {
            const __m512i rounded = _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_loadu_ps(x + i), inverse));
            _mm_store_si128((__m128i *) (q + i), _mm512_cvtepi32_epi8(rounded));
        }
    }

    static void sums_16(const int8_t * q, int count, int32_t * sums) {
        for (int i = 0; i < count; i += 64) {
            // the sum of each quad, then of the four quads in 128 bits
            const __m512i codes = i + 64 <= count ? _mm512_load_si512(q + i) : _mm512_zextsi256_si512(_mm256_load_si256((const __m256i *) (q + i)));
            __m512i s = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1), codes);
            s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_BADC));
            s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_CDAB));
            _mm_storeu_si128((__m128i *) (sums + i / 16), _mm512_castsi512_si128(_mm512_maskz_compress_epi32(0x1111, s)));
        }
    }
};

extern const kernel_set avx512_kernels;
const kernel_set avx512_kernels = kernel_set_of<avx512>("AVX512-VNNI");

} // namespace chq::kernels
