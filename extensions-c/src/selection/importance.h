// How important rows are by themselves.
#pragma once

#include "selection/image.h"

#include <cstdint>
#include <vector>

namespace chq::selection {

class directions;

// Unscaled, of all the rows, which are finite. text_sharpness as in chq_importance_of. Nothing for CHQ_IMPORTANCE_GIVEN and NONE.
std::vector<float> importance_of(const directions & rows, const image_rows & image, int32_t importance, float text_sharpness);

// To 0..1, all 0 if all are the same.
void scale_importance(std::vector<float> & w, chq_importance_scale scale);

} // namespace chq::selection
