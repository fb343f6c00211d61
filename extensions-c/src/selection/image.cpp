#include "selection/image.h"

#include "guard/guard.h"

namespace chq::selection {

static void check_span(int64_t n, int64_t stride, const char * what) {
    if (n > 0 && stride > INT64_MAX / (int64_t) sizeof(float) / n) {
        fail(CHQ_STATUS_ARGUMENT, "%lld %s of stride %lld exceed the address space", (long long) n, what, (long long) stride);
    }
}

image_rows checked_image(const float * rows, const chq_rows_info * info) {
    check_pointer(info, "info");
    if (info->n < 0) {
        fail(CHQ_STATUS_ARGUMENT, "n = %d is negative", info->n);
    }
    if (info->dim < 1) {
        fail(CHQ_STATUS_ARGUMENT, "dim = %d is less than 1", info->dim);
    }
    if (info->stride < info->dim) {
        fail(CHQ_STATUS_ARGUMENT, "stride = %lld is less than dim = %d", (long long) info->stride, info->dim);
    }
    if (info->n > 0) {
        check_pointer(rows, "rows");
    }
    check_span(info->n, info->stride, "rows");
    if (info->grid_width < 0 || info->grid_height < 0) {
        fail(CHQ_STATUS_ARGUMENT, "a grid of %d x %d", info->grid_width, info->grid_height);
    }
    if (info->n_text < 0) {
        fail(CHQ_STATUS_ARGUMENT, "n_text = %d is negative", info->n_text);
    }
    if (info->n_text > 0) {
        check_pointer(info->text, "text");
        if (info->text_stride < info->dim) {
            fail(CHQ_STATUS_ARGUMENT, "text_stride = %lld is less than dim = %d", (long long) info->text_stride, info->dim);
        }
        check_span(info->n_text, info->text_stride, "rows of text");
    }
    image_rows image;
    static_cast<chq_rows_info &>(image) = *info;
    image.rows = rows;
    return image;
}

void check_text(const image_rows & image) {
    if (image.n_text < 1) {
        fail(CHQ_STATUS_ARGUMENT, "there is no text to compare with");
    }
}

} // namespace chq::selection
