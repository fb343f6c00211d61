// What every processor of its kind has: SSE2 or NEON.
#define VECTOR 4
#if defined(__aarch64__)
#    define TILE_A   3
#    define TILE_B   2
#    define TILE_ROW 6
#else
#    define TILE_A   1
#    define TILE_B   3
#    define TILE_ROW 3
#endif
#include "selection/lanes.h"

namespace chq::selection {

extern const arithmetic arithmetic_any;
const arithmetic arithmetic_any = table("128 bits");

} // namespace chq::selection
