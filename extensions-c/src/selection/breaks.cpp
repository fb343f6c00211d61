// Rows that belong to the layout of an image rather than to what it shows, as Pixtral's [IMG_BREAK] or image_newline of others: told by their places,
// or by being identical to the bit.
#include "chasqui_selection.h"

#include "guard/guard.h"
#include "model/xxh64.h"
#include "selection/image.h"

#include <cstring>
#include <unordered_map>
#include <vector>

namespace chq::selection {

static bool identical(const image_rows & image, int32_t a, int32_t b) {
    return memcmp(row_of(image, a), row_of(image, b), (size_t) image.stride * sizeof(float)) == 0;
}

// One row after each row of the grid, but maybe the last.
static std::vector<int32_t> ends_of_grid_rows(const image_rows & image) {
    const int64_t width  = image.grid_width;
    const int64_t height = image.grid_height;
    std::vector<int32_t> ends;
    if (width < 1 || height < 2 || (image.n != (width + 1) * height && image.n != (width + 1) * height - 1)) {
        return ends;
    }
    for (int64_t end = width; end < image.n; end += width + 1) {
        ends.push_back((int32_t) end);
        if (!identical(image, ends[0], (int32_t) end)) {
            return {};
        }
    }
    return ends;
}

static std::vector<int32_t> repeated_rows(const image_rows & image) {
    std::unordered_map<uint64_t, std::vector<int32_t>> by_hash;
    std::vector<int32_t> same(image.n); // how many rows are identical to one
    for (int32_t i = 0; i < image.n; ++i) {
        std::vector<int32_t> & others = by_hash[xxh64((const uint8_t *) row_of(image, i), (size_t) image.stride * sizeof(float), 0)];
        int32_t first = i;
        for (int32_t other : others) {
            if (identical(image, other, i)) {
                first = other;
                break;
            }
        }
        if (first == i) {
            others.push_back(i);
        }
        same[i] = first;
    }
    std::vector<int32_t> count(image.n);
    for (int32_t first : same) {
        ++count[first];
    }
    std::vector<int32_t> repeated;
    for (int32_t i = 0; i < image.n; ++i) {
        if (count[same[i]] > 1) {
            repeated.push_back(i);
        }
    }
    // So many are what the image shows: a blank page.
    if (2 * repeated.size() >= (size_t) image.n) {
        repeated.clear();
    }
    return repeated;
}

static std::vector<int32_t> beyond_the_grid(const image_rows & image, int32_t row_stride) {
    std::vector<int32_t> rows;
    for (int32_t i = 0; i < image.n; ++i) {
        if (i % row_stride >= image.grid_width) {
            rows.push_back(i);
        }
    }
    return rows;
}

} // namespace chq::selection

using namespace chq;
using namespace chq::selection;

chq_status chq_mark_breaks(const float * rows, const struct chq_rows_info * info, int32_t row_stride, uint8_t * marks) {
    return guarded([&] {
        const image_rows image = checked_image(rows, info);
        if (image.n > 0) {
            check_pointer(marks, "marks");
        }
        std::vector<int32_t> breaks;
        if (row_stride > 0) {
            if (image.grid_width < 1 || row_stride < image.grid_width) {
                fail(CHQ_STATUS_ARGUMENT, "row_stride = %d for a grid that is %d wide", row_stride, image.grid_width);
            }
            breaks = beyond_the_grid(image, row_stride);
        } else if (row_stride < 0) {
            fail(CHQ_STATUS_ARGUMENT, "row_stride = %d is negative", row_stride);
        } else if (breaks = ends_of_grid_rows(image); breaks.empty()) {
            breaks = repeated_rows(image);
        }
        for (int32_t i : breaks) {
            marks[i] |= CHQ_ROW_BREAK;
        }
        return CHQ_STATUS_OK;
    });
}
