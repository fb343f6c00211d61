#include "sparse/lanes.h"

namespace chq::sparse {

extern const lanes lanes_any;
#ifdef CHQ_SPARSE_X86
extern const lanes lanes_avx2;
extern const lanes lanes_avx512;
#endif

const lanes & best_lanes() {
#ifdef CHQ_SPARSE_X86
    static const lanes & best = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
                    __builtin_cpu_supports("avx512vnni") ? lanes_avx512
            : __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") ? lanes_avx2 : lanes_any;
    return best;
#else
    return lanes_any;
#endif
}

} // namespace chq::sparse
