// An image's rows as the caller describes them, checked.
#pragma once

#include "chasqui_selection.h"

namespace chq::selection {

// Everything but what is particular to one function. name: of the argument.
void check_image(const chq_image_rows * image);
void check_text (const chq_image_rows & image); // there must be one

inline const float * row_of(const chq_image_rows & image, int32_t i) {
    return image.rows + i * image.stride;
}

inline bool is_break(const chq_image_rows & image, int32_t i) {
    return image.marks && (image.marks[i] & CHQ_ROW_BREAK);
}

inline bool is_forced(const chq_image_rows & image, int32_t i) {
    return image.marks && (image.marks[i] & CHQ_ROW_FORCE);
}

} // namespace chq::selection
