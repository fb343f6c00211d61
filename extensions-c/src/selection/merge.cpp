// Merging dropped rows into the nearest kept ones, after ToMe and VisionZip.
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

bool is_finite(const image_rows & image, int32_t i) {
    const float * row = row_of(image, i);
    return std::all_of(row, row + image.stride, [](float x) { return std::isfinite(x); });
}

// Of each row: the place in keep of the row that it joins, -1 if it stays or is lost.
std::vector<int32_t> joins(const image_rows & image, const int32_t * keep, int32_t n_keep) {
    std::vector<const float *> addresses;
    for (int32_t i = 0; i < image.n; ++i) {
        addresses.push_back(row_of(image, i));
    }
    const directions rows(std::move(addresses), image.dim, 0, 0);
    const auto can_join = [&](int32_t i) { return !is_break(image, i) && std::isfinite(rows.squared_norm(i)) && is_finite(image, i); };
    std::vector<int32_t> kept;   // those that take
    std::vector<int32_t> places; // and where they are in keep
    std::vector<bool>    stays(image.n);
    for (int32_t p = 0; p < n_keep; ++p) {
        stays[keep[p]] = true;
        if (can_join(keep[p])) {
            kept.push_back(keep[p]);
            places.push_back(p);
        }
    }
    std::vector<int32_t> to(image.n, -1);
    std::vector<int32_t> dropped;
    for (int32_t i = 0; i < image.n && !kept.empty(); ++i) {
        if (!stays[i] && can_join(i)) {
            dropped.push_back(i);
        }
    }
    constexpr int32_t BLOCK = 96;
    std::vector<float> cosines(BLOCK * kept.size());
    for (size_t begin = 0; begin < dropped.size(); begin += BLOCK) {
        const int32_t n = std::min((int32_t) (dropped.size() - begin), BLOCK);
        rows.cosines(dropped.data() + begin, n, kept.data(), (int32_t) kept.size(), cosines.data());
        for (int32_t k = 0; k < n; ++k) {
            const auto row = cosines.begin() + (ptrdiff_t) (k * kept.size());
            to[dropped[begin + k]] = places[std::max_element(row, row + (ptrdiff_t) kept.size()) - row];
        }
    }
    return to;
}

} // namespace

static void merge(const image_rows & image, const int32_t * keep, int32_t n_keep, float weight, float * out, int64_t out_stride) {
    const std::vector<int32_t> to = joins(image, keep, n_keep);
    std::vector<double>  sums;
    std::vector<std::vector<int32_t>> members(n_keep);
    for (int32_t i = 0; i < image.n; ++i) {
        if (to[i] >= 0) {
            members[to[i]].push_back(i);
        }
    }
    for (int32_t p = 0; p < n_keep; ++p) {
        float * row = out + p * out_stride;
        memcpy(row, row_of(image, keep[p]), (size_t) image.stride * sizeof(float));
        if (members[p].empty()) {
            continue;
        }
        sums.assign((size_t) image.stride, 0);
        for (int32_t i : members[p]) {
            for (int64_t k = 0; k < image.stride; ++k) {
                sums[k] += row_of(image, i)[k];
            }
        }
        const double n = (double) members[p].size();
        for (int64_t k = 0; k < image.stride; ++k) {
            row[k] = (float) ((1 - (double) weight) * row[k] + weight * (sums[k] / n));
        }
    }
}

} // namespace chq::selection

using namespace chq;
using namespace chq::selection;

chq_status chq_merge_rows(
        const float * rows, const struct chq_rows_info * info, const int32_t * keep, int32_t n_keep, float weight, float * out, int64_t out_stride) {
    return guarded([&] {
        const image_rows image = checked_image(rows, info);
        if (n_keep < 0 || n_keep > image.n) {
            fail(CHQ_STATUS_ARGUMENT, "n_keep = %d is not in 0..%d", n_keep, image.n);
        }
        if (!(weight >= 0 && weight <= 0.5f)) {
            fail(CHQ_STATUS_ARGUMENT, "weight = %g is not in 0..0.5", weight);
        }
        if (out_stride < image.stride || out_stride > INT64_MAX / (int64_t) sizeof(float) / std::max(n_keep, 1)) {
            fail(CHQ_STATUS_ARGUMENT, "out_stride = %lld is less than the stride of the rows, or too large", (long long) out_stride);
        }
        if (n_keep > 0) {
            check_pointer(keep, "keep");
            check_pointer(out, "out");
        }
        for (int32_t p = 0; p < n_keep; ++p) {
            if (keep[p] < 0 || keep[p] >= image.n || (p > 0 && keep[p] <= keep[p - 1])) {
                fail(CHQ_STATUS_ARGUMENT, "keep[%d] = %d is no row, or does not ascend", p, keep[p]);
            }
        }
        merge(image, keep, n_keep, weight, out, out_stride);
        return CHQ_STATUS_OK;
    });
}
