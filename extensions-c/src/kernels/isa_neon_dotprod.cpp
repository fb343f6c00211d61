// NEON with the dot products of ARMv8.2: sdot adds four products of bytes to a sum of 32 bits.
#include "isa_neon.h"

namespace chq::kernels {
namespace {

struct neon_dotprod : neon {
    static constexpr auto BY    = LANE;
    static constexpr int  SLAB  = 4;
    static constexpr int  ALONE = 4;

    CHQ_INLINE bytes quads(const int8_t * q)            { return vld1q_s8(q); }
    CHQ_INLINE ints  dot_lane(ints s, bytes w, bytes a, int lane) {
        switch (lane) { // the intrinsics want literals
            case 0:  return vdotq_laneq_s32(s, w, a, 0);
            case 1:  return vdotq_laneq_s32(s, w, a, 1);
            case 2:  return vdotq_laneq_s32(s, w, a, 2);
            default: return vdotq_laneq_s32(s, w, a, 3);
        }
    }
};

} // namespace

extern const kernel_set neon_dotprod_kernels;
const kernel_set neon_dotprod_kernels = kernel_set_of<neon_dotprod>("NEON-DOTPROD");

} // namespace chq::kernels
