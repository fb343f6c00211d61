#include "kernels.h"

#ifdef CHQ_KERNELS_X86
#    include "x86.h"

#    include <cpuid.h>
#endif
#ifdef CHQ_KERNELS_ARM
#    if defined(__APPLE__)
#        include <sys/sysctl.h>
#    elif defined(__linux__)
#        include <sys/auxv.h>
#    endif
#endif

namespace chq::kernels {

extern const kernel_set scalar_kernels;

#ifdef CHQ_KERNELS_X86
extern const kernel_set avx512_kernels;
extern const kernel_set avxvnni_kernels;
extern const kernel_set avx2_kernels;

static bool has_avxvnni() {
    unsigned a = 0;
    unsigned b = 0;
    unsigned c = 0;
    unsigned d = 0;
    return has_avx2() && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1); // the name is unknown to older compilers
}
#endif

#ifdef CHQ_KERNELS_ARM
extern const kernel_set neon_i8mm_kernels;
extern const kernel_set neon_dotprod_kernels;

#    if defined(__APPLE__)
static bool has(const char * feature) {
    int    value = 0;
    size_t size  = sizeof(value);
    return sysctlbyname(feature, &value, &size, nullptr, 0) == 0 && value;
}

static bool has_dotprod() { return has("hw.optional.arm.FEAT_DotProd"); }
static bool has_i8mm()    { return has("hw.optional.arm.FEAT_I8MM"); }
#    elif defined(__linux__)
// bits of the kernel's interface; older headers lack their names
static bool has_dotprod() { return getauxval(AT_HWCAP)  >> 20 & 1; }
static bool has_i8mm()    { return getauxval(AT_HWCAP2) >> 13 & 1; }
#    else
static bool has_dotprod() { return false; }
static bool has_i8mm()    { return false; }
#    endif
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
#ifdef CHQ_KERNELS_ARM
            if (has_dotprod() && has_i8mm()) {
                sets[n++] = &neon_i8mm_kernels;
            }
            if (has_dotprod()) {
                sets[n++] = &neon_dotprod_kernels;
            }
#endif
            sets[n++] = &scalar_kernels;
        }
    } list;
    return list.sets;
}

} // namespace chq::kernels
