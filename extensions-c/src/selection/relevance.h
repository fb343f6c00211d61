// Rows against the embeddings of a text.
#pragma once

#include "selection/image.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace chq::selection {

class directions;

std::vector<float> mean_row(const directions & rows, int32_t dim);

// Hands out, for one row after the other, its cosines to the text [n_text], both centred. A row or text of zeros has the cosine 0, as has text that
// is not finite.
void centred_cosines(const directions & rows, const image_rows & image, const std::function<void(int32_t row, const float * cosines)> & take);

// Per row the largest of them, or with sharpness > 0 their mean weighted by softmax(sharpness*cosine).
std::vector<float> relevance(const directions & rows, const image_rows & image, float sharpness);
float              relevance(const float * cosines, int32_t n, float sharpness);

} // namespace chq::selection
