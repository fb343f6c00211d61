#include "selection/image.h"

#include "guard/guard.h"

namespace chq::selection {

static void check_span(int64_t n, int64_t stride, const char * what) {
    if (n > 0 && stride > INT64_MAX / (int64_t) sizeof(float) / n) {
        fail(CHQ_STATUS_ARGUMENT, "%lld %s of stride %lld exceed the address space", (long long) n, what, (long long) stride);
    }
}

void check_image(const chq_image_rows * image) {
    check_pointer(image, "image");
    if (image->n < 0) {
        fail(CHQ_STATUS_ARGUMENT, "n = %d is negative", image->n);
    }
    if (image->dim < 1) {
        fail(CHQ_STATUS_ARGUMENT, "dim = %d is less than 1", image->dim);
    }
    if (image->stride < image->dim) {
        fail(CHQ_STATUS_ARGUMENT, "stride = %lld is less than dim = %d", (long long) image->stride, image->dim);
    }
    if (image->n > 0) {
        check_pointer(image->rows, "rows");
    }
    check_span(image->n, image->stride, "rows");
    if (image->grid_width < 0 || image->grid_height < 0) {
        fail(CHQ_STATUS_ARGUMENT, "a grid of %d x %d", image->grid_width, image->grid_height);
    }
    if (image->n_text < 0) {
        fail(CHQ_STATUS_ARGUMENT, "n_text = %d is negative", image->n_text);
    }
    if (image->n_text > 0) {
        check_pointer(image->text, "text");
        if (image->text_stride < image->dim) {
            fail(CHQ_STATUS_ARGUMENT, "text_stride = %lld is less than dim = %d", (long long) image->text_stride, image->dim);
        }
        check_span(image->n_text, image->text_stride, "rows of text");
    }
}

void check_text(const chq_image_rows & image) {
    if (image.n_text < 1) {
        fail(CHQ_STATUS_ARGUMENT, "there is no text to compare with");
    }
}

} // namespace chq::selection
