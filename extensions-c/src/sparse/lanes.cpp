#include "sparse/lanes.h"

#ifdef CHQ_SPARSE_X86
#    include "kernels/x86.h"
#endif

namespace chq::sparse {

extern const lanes lanes_any;
#ifdef CHQ_SPARSE_X86
extern const lanes lanes_avx2;
extern const lanes lanes_avx512;
#endif

const lanes * const * lane_sets() {
    static const struct list {
        const lanes * sets[4] = {};
        list() {
            int n = 0;
#ifdef CHQ_SPARSE_X86
            if (kernels::has_avx512()) {
                sets[n++] = &lanes_avx512;
            }
            if (kernels::has_avx2()) {
                sets[n++] = &lanes_avx2;
            }
#endif
            sets[n++] = &lanes_any;
        }
    } list;
    return list.sets;
}

} // namespace chq::sparse
