#include "sparse/lanes_body.h"

namespace chq::sparse {

extern const lanes lanes_avx2;
const lanes lanes_avx2 = lanes_named("avx2");

} // namespace chq::sparse
