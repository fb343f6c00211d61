// AVX2 with FMA and F16C. There is no dot product of bytes: vpmaddubsw multiplies unsigned codes by signed activations and adds pairs in
// 16 bits; codes of few bits leave room to add several such results before vpmaddwd widens them, by which a scale is multiplied for free.
#include "isa_256.h"

#ifdef __GNUC__
#    define CHQ_PIN(v) __asm__("" : "+x"(v))
#else
#    define CHQ_PIN(v)
#endif

namespace chq::kernels {
namespace {

struct avx2 : bits_256 {
    using part  = __m256i; // 16 x int16, two for each row
    using total = __m256i; // 8 x int32
    using scale = __m256i; // 16 x int16, each scale twice

    static constexpr bool WIDE        = false;
    static constexpr int  TILES       = 1;
    static constexpr int  SLAB        = 4;
    static constexpr int  ALONE       = 4;
    static constexpr int  SIGNED_BIAS = 0;
    static constexpr bool panel(code_kind) { return true; }

    // 127 * 2 products of the largest code must fit into 16 bits this many times
    static constexpr int chain(code_kind kind) { return kind == NIBBLE ? 8 : kind == FIVE_BITS ? 4 : kind == SIX_BITS ? 2 : 1; }

    CHQ_INLINE bytes signed_codes(bytes v)              { return v; }
    CHQ_INLINE bytes table(bytes v)                     { return _mm256_shuffle_epi8(table_of(IQ4_NL_VALUES), v); }

    template <bool SIGNED>
    CHQ_INLINE part first(bytes w, bytes a) {
        return SIGNED ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(a, w)) : _mm256_maddubs_epi16(w, a);
    }
    // The sum is pinned in its register: a compiler that is free to regroup the additions computes all products first and spills them.
    template <bool SIGNED>
    CHQ_INLINE part next(part p, bytes w, bytes a) {
        p = _mm256_add_epi16(p, first<SIGNED>(w, a));
        CHQ_PIN(p);
        return p;
    }
    CHQ_INLINE total flush(total t, part p, scale s)    { return _mm256_add_epi32(t, _mm256_madd_epi16(p, s)); }

    CHQ_INLINE scale one()                              { return _mm256_set1_epi16(1); }
    CHQ_INLINE scale scales(const uint8_t * s) {
        const __m256i v = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) s));
        return _mm256_or_si256(v, _mm256_slli_epi32(v, 16));
    }
    CHQ_INLINE void signed_scales(const int8_t (*s)[2], scale & a, scale & b) {
        const __m256i v = signed_pairs(s); // a0 b0 a1 b1 ...
        a = _mm256_or_si256(_mm256_and_si256(v, _mm256_set1_epi32(0xffff)), _mm256_slli_epi32(v, 16));
        b = _mm256_or_si256(_mm256_srli_epi32(v, 16), _mm256_and_si256(v, _mm256_set1_epi32((int) 0xffff0000)));
    }
};

} // namespace

extern const kernel_set avx2_kernels;
const kernel_set avx2_kernels = kernel_set_of<avx2>("AVX2");

} // namespace chq::kernels
