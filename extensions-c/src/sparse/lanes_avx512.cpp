#include "sparse/lanes_body.h"

namespace chq::sparse {

extern const lanes lanes_avx512;
const lanes lanes_avx512 = lanes_named("avx512");

} // namespace chq::sparse
