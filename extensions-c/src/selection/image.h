// An image's rows as the caller describes them, checked.
#pragma once

#include "chasqui_selection.h"

namespace chq::selection {

struct image_rows : chq_rows_info {
    const float * rows;
};

// Everything is checked but what is particular to one function.
image_rows checked_image(const float * rows, const chq_rows_info * info);

// There must be a text.
void check_text(const image_rows & image);

inline const float * row_of(const image_rows & image, int32_t i) {
    return image.rows + i * image.stride;
}

inline bool is_break(const image_rows & image, int32_t i) {
    return image.marks && (image.marks[i] & CHQ_ROW_BREAK);
}

inline bool is_forced(const image_rows & image, int32_t i) {
    return image.marks && (image.marks[i] & CHQ_ROW_FORCE);
}

} // namespace chq::selection
