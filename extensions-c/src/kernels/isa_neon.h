// What the sets of 64-bit ARM have in common: vectors of 128 bits, four for the rows of a tile. Codes and activations are signed alike.
// For files that are compiled with the dot products of ARMv8.2.
#pragma once

#include "tile.h"

#include <arm_neon.h>

namespace chq::kernels {
namespace {

struct neon {
    using bytes = int8x16_t;
    using ints  = int32x4_t;
    using pairs = int16x8_t;
    using real  = float32x4_t;

    static constexpr bool WIDE        = true;
    static constexpr int  PARTS       = 4;
    static constexpr int  TILES       = 1;
    static constexpr int  SIGNED_BIAS = 0;
    static constexpr bool panel(code_kind) { return true; }

    CHQ_INLINE bytes load(const uint8_t * p)            { return vreinterpretq_s8_u8(vld1q_u8(p)); }
    CHQ_INLINE void  store(uint8_t * p, bytes v)        { vst1q_u8(p, vreinterpretq_u8_s8(v)); }
    CHQ_INLINE void  prefetch(const uint8_t * p)        { __builtin_prefetch(p); }
    CHQ_INLINE void  prefetch_far(const uint8_t * p)    { __builtin_prefetch(p, 0, 2); }
    CHQ_INLINE void  prefetch_write(const float * p)    { __builtin_prefetch(p, 1); }
    CHQ_INLINE bytes low_nibbles(bytes v)               { return vandq_s8(v, vdupq_n_s8(15)); }
    CHQ_INLINE bytes high_nibbles(bytes v)              { return shifted(v, -4); }
    CHQ_INLINE bytes signed_codes(bytes v)              { return v; }
    CHQ_INLINE bytes table(bytes v)                     { return vqtbl1q_s8(vld1q_s8(IQ4_NL_VALUES), vreinterpretq_u8_s8(v)); }
    // The intrinsics of shifts want literals; a count that unrolling makes constant is enough for operators.
    CHQ_INLINE bytes shifted(bytes v, int left) {
        const uint8x16_t u = vreinterpretq_u8_s8(v);
        return vreinterpretq_s8_u8(left > 0 ? u << left : left < 0 ? u >> -left : u);
    }
    // The bits of `mask` from `bits`, the others from v
    CHQ_INLINE bytes merged(bytes v, bytes bits, int mask)   { return vbslq_s8(vdupq_n_u8((uint8_t) mask), bits, v); }
    CHQ_INLINE bytes with_fifth(bytes v, bytes fifth, int i) { return merged(v, shifted(fifth, 4 - i), 16); }
    CHQ_INLINE bytes with_top(bytes v, bytes top, int i)     { return merged(v, shifted(top, 4 - 2*i), 48); }

    CHQ_INLINE bytes quad(const int8_t * q) {
        int32_t value;
        memcpy(&value, q, 4);
        return vreinterpretq_s8_s32(vdupq_n_s32(value));
    }
    CHQ_INLINE ints  start(const int32_t * s)           { return vdupq_n_s32(*s); }
    CHQ_INLINE ints  zero()                             { return vdupq_n_s32(0); }
    CHQ_INLINE ints  dot(ints s, bytes w, bytes a)      { return vdotq_s32(s, w, a); }

    CHQ_INLINE real  real_scales(const uint8_t * s) {
        uint32_t four;
        memcpy(&four, s, 4);
        return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(vcreate_u8(four)))));
    }
    CHQ_INLINE void  signed_real_scales(const int8_t (*s)[2], real & a, real & b) {
        const int32x4_t both = vreinterpretq_s32_s16(vmovl_s8(vld1_s8(s[0]))); // a0 b0 a1 b1 ...
        a = vcvtq_f32_s32(vshrq_n_s32(vshlq_n_s32(both, 16), 16));
        b = vcvtq_f32_s32(vshrq_n_s32(both, 16));
    }
    CHQ_INLINE pairs unsigned_pairs(const uint8_t (*p)[2])          { return vreinterpretq_s16_u16(vmovl_u8(vld1_u8(p[0]))); }
    CHQ_INLINE ints  dot_pairs(ints s, pairs p, const int16_t * by) {
        int32_t both;
        memcpy(&both, by, 4);
        const int16x8_t b = vreinterpretq_s16_s32(vdupq_n_s32(both));
        return vaddq_s32(s, vpaddq_s32(vmull_s16(vget_low_s16(p), vget_low_s16(b)), vmull_high_s16(p, b)));
    }

    CHQ_INLINE real  to_real(ints s)                    { return vcvtq_f32_s32(s); }
    CHQ_INLINE real  all(float x)                       { return vdupq_n_f32(x); }
    CHQ_INLINE real  reals(const float * p)             { return vld1q_f32(p); }
    CHQ_INLINE real  halves(const uint16_t * p)         { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
    CHQ_INLINE real  mul(real a, real b)                { return vmulq_f32(a, b); }
    CHQ_INLINE real  sub(real a, real b)                { return vsubq_f32(a, b); }
    CHQ_INLINE real  fma(real a, real b, real c)        { return vfmaq_f32(c, a, b); }
    CHQ_INLINE void  put(float * p, real v)             { vst1q_f32(p, v); }
    CHQ_INLINE void  transpose(real (&rows)[4]) {
        const float32x4x2_t low  = vtrnq_f32(rows[0], rows[1]);
        const float32x4x2_t high = vtrnq_f32(rows[2], rows[3]);
        for (int i = 0; i < 2; i++) {
            rows[i]     = vcombine_f32(vget_low_f32(low.val[i]), vget_low_f32(high.val[i]));
            rows[i + 2] = vcombine_f32(vget_high_f32(low.val[i]), vget_high_f32(high.val[i]));
        }
    }
};

} // namespace
} // namespace chq::kernels
