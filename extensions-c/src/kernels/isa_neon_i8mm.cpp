// NEON with the matrix products of bytes (i8mm): smmla multiplies two rows of weights by two rows of activations, 8 columns of each, which
// is twice what an sdot does. A single row of activations takes sdot.
#include "isa_neon.h"

namespace chq::kernels {
namespace {

struct neon_i8mm : neon {
    using square = int32x4_t; // a row of activations by two rows of weights, the next row of activations by them

    static constexpr auto BY    = PAIR;
    static constexpr int  SLAB  = 4;
    static constexpr int  ALONE = 4;

    CHQ_INLINE void   interleave(bytes & low, bytes & high) {
        const int32x4_t a = vreinterpretq_s32_s8(low);
        const int32x4_t b = vreinterpretq_s32_s8(high);
        low  = vreinterpretq_s8_s32(vzip1q_s32(a, b));
        high = vreinterpretq_s8_s32(vzip2q_s32(a, b));
    }
    CHQ_INLINE bytes  quads_of_two(const int8_t * q, const int8_t * next) {
        const int32x4_t a = vreinterpretq_s32_s8(vcombine_s8(vld1_s8(q),    vdup_n_s8(0)));
        const int32x4_t b = vreinterpretq_s32_s8(vcombine_s8(vld1_s8(next), vdup_n_s8(0)));
        return vreinterpretq_s8_s32(vzip1q_s32(a, b));
    }
    CHQ_INLINE void   to_squares(ints row, ints next_row, square & a, square & b) {
        a = vreinterpretq_s32_s64(vzip1q_s64(vreinterpretq_s64_s32(row), vreinterpretq_s64_s32(next_row)));
        b = vreinterpretq_s32_s64(vzip2q_s64(vreinterpretq_s64_s32(row), vreinterpretq_s64_s32(next_row)));
    }
    // Its own inverse.
    CHQ_INLINE void   from_squares(square a, square b, ints & row, ints & next_row) { to_squares(a, b, row, next_row); }
    CHQ_INLINE square dot_square(square s, bytes w, bytes a)                        { return vmmlaq_s32(s, a, w); }
};

} // namespace

extern const kernel_set neon_i8mm_kernels;
const kernel_set neon_i8mm_kernels = kernel_set_of<neon_i8mm>("NEON-I8MM");

} // namespace chq::kernels
