#define VECTOR   8
#define TILE_A   3
#define TILE_B   2
#define TILE_ROW 6
#include "selection/lanes.h"

namespace chq::selection {

extern const arithmetic arithmetic_avx2;
const arithmetic arithmetic_avx2 = table("AVX2");

} // namespace chq::selection
