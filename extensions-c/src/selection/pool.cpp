// Pooling of blocks of a video: what is left of HICom's local compression without training.
#include "chasqui_selection.h"

#include "guard/guard.h"
#include "selection/directions.h"
#include "selection/image.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

namespace chq::selection {

namespace {

// Blocks along one axis: equally spaced, overlapping where the length is no multiple of theirs.
struct axis {
    axis(int32_t length, int32_t block) : size(std::min(length, block)), count((length + size - 1) / size), length(length) {}

    int32_t begin(int32_t b) const { return count == 1 ? 0 : (int32_t) ((int64_t) b * (length - size) / (count - 1)); }

    int32_t size;
    int32_t count;
    int32_t length;
};

// Of each row its largest cosine to the text; 0 for one that has no direction.
std::vector<float> largest_cosines(const image_rows & image) {
    std::vector<const float *> addresses;
    for (int32_t i = 0; i < image.n; ++i) {
        addresses.push_back(row_of(image, i));
    }
    for (int32_t t = 0; t < image.n_text; ++t) {
        addresses.push_back(image.text + t * image.text_stride);
    }
    const directions all(std::move(addresses), image.dim, 0, 0);
    std::vector<int32_t> text;
    for (int32_t t = image.n; t < all.size(); ++t) {
        if (std::isfinite(all.squared_norm(t))) {
            text.push_back(t);
        }
    }
    std::vector<float> out(image.n);
    std::vector<float> cosines(text.size());
    for (int32_t i = 0; i < image.n; ++i) {
        if (!text.empty() && std::isfinite(all.squared_norm(i))) {
            all.cosines(i, text.data(), (int32_t) text.size(), cosines.data());
            out[i] = *std::max_element(cosines.begin(), cosines.end());
        }
    }
    return out;
}

// The mean of the rows, weighted by softmax(sharpness*cosine). Rows that are not finite count only where a block has no others.
void pool(const image_rows & image, const std::vector<int32_t> & rows, const std::vector<float> & cosines, float sharpness, float * out) {
    const auto is_finite = [&](int32_t i) {
        return std::all_of(row_of(image, i), row_of(image, i) + image.stride, [](float x) { return std::isfinite(x); });
    };
    std::vector<int32_t> finite;
    std::copy_if(rows.begin(), rows.end(), std::back_inserter(finite), is_finite);
    if (finite.empty()) {
        memcpy(out, row_of(image, rows[0]), (size_t) image.stride * sizeof(float));
        return;
    }
    float most = -INFINITY;
    for (int32_t i : finite) {
        most = std::max(most, cosines[i]);
    }
    std::vector<double> sum((size_t) image.stride);
    double weights = 0;
    for (int32_t i : finite) {
        const double weight = std::exp((double) sharpness * (cosines[i] - most));
        weights += weight;
        for (int64_t k = 0; k < image.stride; ++k) {
            sum[k] += weight * row_of(image, i)[k];
        }
    }
    for (int64_t k = 0; k < image.stride; ++k) {
        out[k] = (float) (sum[k] / weights);
    }
}

} // namespace
} // namespace chq::selection

using namespace chq;
using namespace chq::selection;

chq_status chq_pool_blocks(const float * rows, const struct chq_rows_info * info, int32_t n_frames, int32_t block_frames,
        int32_t block_side, float sharpness, float * out, int64_t out_stride, int32_t * n_out) {
    return guarded([&] {
        const image_rows image = checked_image(rows, info);
        check_pointer(n_out, "n_out");
        const int64_t cells = (int64_t) image.grid_width * image.grid_height;
        if (n_frames < 1 || cells < 1 || cells > INT32_MAX || cells * n_frames != image.n) {
            fail(CHQ_STATUS_ARGUMENT, "%d rows are not %d frames of %d x %d", image.n, n_frames, image.grid_width, image.grid_height);
        }
        if (block_frames < 1 || block_side < 1) {
            fail(CHQ_STATUS_ARGUMENT, "blocks of %d frames and side %d", block_frames, block_side);
        }
        if (!(sharpness >= 0 && sharpness <= 1000)) {
            fail(CHQ_STATUS_ARGUMENT, "sharpness = %g is not in 0..1000", sharpness);
        }
        for (int32_t i = 0; i < image.n; ++i) {
            if (is_break(image, i)) {
                fail(CHQ_STATUS_ARGUMENT, "row %d belongs to the layout: frames must be without such rows", i);
            }
        }
        const axis t(n_frames, block_frames);
        const axis y(image.grid_height, block_side);
        const axis x(image.grid_width, block_side);
        *n_out = t.count * y.count * x.count;
        if (!out) {
            return CHQ_STATUS_OK;
        }
        if (out_stride < image.stride || out_stride > INT64_MAX / (int64_t) sizeof(float) / *n_out) {
            fail(CHQ_STATUS_ARGUMENT, "out_stride = %lld is less than the stride of the rows, or too large", (long long) out_stride);
        }
        const std::vector<float> cosines = image.n_text > 0 ? largest_cosines(image) : std::vector<float>(image.n);
        std::vector<int32_t> block;
        for (int32_t b = 0; b < *n_out; ++b) {
            const int32_t frame = t.begin(b / (y.count * x.count));
            const int32_t top   = y.begin(b / x.count % y.count);
            const int32_t left  = x.begin(b % x.count);
            block.clear();
            for (int32_t f = frame; f < frame + t.size; ++f) {
                for (int32_t r = top; r < top + y.size; ++r) {
                    for (int32_t c = left; c < left + x.size; ++c) {
                        block.push_back((int32_t) ((f * (int64_t) image.grid_height + r) * image.grid_width + c));
                    }
                }
            }
            pool(image, block, cosines, sharpness, out + b * out_stride);
        }
        return CHQ_STATUS_OK;
    });
}
