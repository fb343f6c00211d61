#define VECTOR   16
#define TILE_A   4
#define TILE_B   6
#define TILE_ROW 12
#include "selection/lanes.h"

namespace chq::selection {

extern const arithmetic arithmetic_avx512;
const arithmetic arithmetic_avx512 = table("AVX-512");

} // namespace chq::selection
