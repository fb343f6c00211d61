#include "sparse/lanes_body.h"

namespace chq::sparse {

extern const lanes lanes_any;
const lanes lanes_any = lanes_named("any");

} // namespace chq::sparse
