#include "sparse/lanes.h"

namespace chq::sparse {

extern const lanes lanes_any;
#ifdef CHQ_SPARSE_X86
extern const lanes lanes_avx2;
extern const lanes lanes_avx512;

static bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"); }

static bool has_avx512() {
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512vnni");
}
#endif

const lanes * const * lane_sets() {
    static const struct list {
        const lanes * sets[4] = {};
        list() {
            int n = 0;
#ifdef CHQ_SPARSE_X86
            if (has_avx512()) {
                sets[n++] = &lanes_avx512;
            }
            if (has_avx2()) {
                sets[n++] = &lanes_avx2;
            }
#endif
            sets[n++] = &lanes_any;
        }
    } list;
    return list.sets;
}

} // namespace chq::sparse
