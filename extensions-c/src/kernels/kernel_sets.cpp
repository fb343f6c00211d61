#include "kernels.h"

#ifdef CHQ_KERNELS_X86
#    include <cpuid.h>
#endif

namespace chq::kernels {

extern const kernel_set scalar_kernels;

#ifdef CHQ_KERNELS_X86
extern const kernel_set avx512_kernels;
extern const kernel_set avxvnni_kernels;
extern const kernel_set avx2_kernels;

static bool has_avx2() {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}

static bool has_avx512() {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512vnni");
}

static bool has_avxvnni() {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1); // the name is unknown to older compilers
}
#endif

const kernel_set * const * kernel_sets() {
    static const struct list {
        const kernel_set * sets[8] = {};
        list() {
            int n = 0;
#ifdef CHQ_KERNELS_X86
            if (has_avx512()) {
                sets[n++] = &avx512_kernels;
            }
            if (has_avxvnni()) {
                sets[n++] = &avxvnni_kernels;
            }
            if (has_avx2()) {
                sets[n++] = &avx2_kernels;
            }
#endif
            sets[n++] = &scalar_kernels;
        }
    } list;
    return list.sets;
}

} // namespace chq::kernels
