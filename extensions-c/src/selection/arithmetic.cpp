#include "selection/arithmetic.h"

namespace chq::selection {

extern const arithmetic arithmetic_any;
#ifdef CHQ_SELECTION_X86
extern const arithmetic arithmetic_avx2;
extern const arithmetic arithmetic_avx512;
#endif

const arithmetic * const * arithmetics() {
    struct list {
        const arithmetic * all[4] = {};

        list() {
            int n = 0;
#ifdef CHQ_SELECTION_X86
            __builtin_cpu_init();
            if (__builtin_cpu_supports("avx512f")) {
                all[n++] = &arithmetic_avx512;
            }
            if (__builtin_cpu_supports("avx2")) {
                all[n++] = &arithmetic_avx2;
            }
#endif
            all[n++] = &arithmetic_any;
        }
    };
    static const list present;
    return present.all;
}

const arithmetic & fastest() {
    return *arithmetics()[0];
}

} // namespace chq::selection
