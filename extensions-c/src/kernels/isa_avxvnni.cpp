// AVX-VNNI: vpdpbusd on vectors of 256 bits, for CPUs without AVX-512.
#include "isa_256.h"

namespace chq::kernels {
namespace {

struct avxvnni : bits_256 {
    static constexpr bool WIDE        = true;
    static constexpr int  TILES       = 1;
    static constexpr int  SLAB        = 3;
    static constexpr int  ALONE       = 3;
    static constexpr int  SIGNED_BIAS = 128;
    static constexpr bool panel(code_kind) { return true; }

    CHQ_INLINE bytes signed_codes(bytes v)              { return _mm256_xor_si256(v, _mm256_set1_epi8((char) 0x80)); }
    CHQ_INLINE bytes table(bytes v)                     { return _mm256_shuffle_epi8(signed_codes(table_of(IQ4_NL_VALUES)), v); }
    CHQ_INLINE ints  dot(ints s, bytes w, bytes a)      { return _mm256_dpbusd_avx_epi32(s, w, a); }

    CHQ_INLINE real  real_scales(const uint8_t * s)     { return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) s))); }
    CHQ_INLINE void  signed_real_scales(const int8_t (*s)[2], real & a, real & b) {
        const __m256i both = signed_pairs(s); // a0 b0 a1 b1 ...
        a = _mm256_cvtepi32_ps(_mm256_srai_epi32(_mm256_slli_epi32(both, 16), 16));
        b = _mm256_cvtepi32_ps(_mm256_srai_epi32(both, 16));
    }
};

} // namespace

extern const kernel_set avxvnni_kernels;
const kernel_set avxvnni_kernels = kernel_set_of<avxvnni>("AVX-VNNI");

} // namespace chq::kernels
