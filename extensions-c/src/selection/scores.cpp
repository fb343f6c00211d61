// The C ABI of importance, and of the ranking of an image's parts.
#include "chasqui_selection.h"

#include "guard/guard.h"
#include "selection/directions.h"
#include "selection/image.h"
#include "selection/importance.h"
#include "selection/relevance.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace chq::selection {

// The rows that can be compared, and which ones they are.
struct comparable_rows {
    explicit comparable_rows(const image_rows & image) : rows(addresses(image, numbers), image.dim, 0, 0) {
        std::vector<int32_t> finite;
        for (int32_t i = 0; i < rows.size(); ++i) {
            if (std::isfinite(rows.squared_norm(i))) {
                finite.push_back(i);
            }
        }
        rows.keep_only(finite);
        for (int32_t & i : finite) {
            i = numbers[i];
        }
        numbers = finite;
    }

    static std::vector<const float *> addresses(const image_rows & image, std::vector<int32_t> & numbers) {
        std::vector<const float *> out;
        for (int32_t i = 0; i < image.n; ++i) {
            if (!is_break(image, i)) {
                numbers.push_back(i);
                out.push_back(row_of(image, i));
            }
        }
        return out;
    }

    std::vector<int32_t> numbers;
    directions           rows;
};

static void rank_parts(const image_rows & image, const int32_t * begin, int32_t n_parts, float * out) {
    const comparable_rows all(image);
    std::vector<float> best((size_t) n_parts * image.n_text, -INFINITY);
    int32_t part = 0;
    centred_cosines(all.rows, image, [&](int32_t i, const float * cosines) {
        while (all.numbers[i] >= begin[part + 1]) {
            ++part;
        }
        float * to = best.data() + (size_t) part * image.n_text;
        for (int32_t t = 0; t < image.n_text; ++t) {
            to[t] = std::max(to[t], cosines[t]);
        }
    });
    for (int32_t p = 0; p < n_parts; ++p) {
        double sum = 0;
        for (int32_t t = 0; t < image.n_text; ++t) {
            sum += best[(size_t) p * image.n_text + t];
        }
        out[p] = (float) (sum / image.n_text);
    }
}

} // namespace chq::selection

using namespace chq;
using namespace chq::selection;

chq_status chq_importance_of(const float * rows, const struct chq_rows_info * info, int32_t importance, float sharpness, float * out) {
    return guarded([&] {
        const image_rows image = checked_image(rows, info);
        if (importance < CHQ_IMPORTANCE_NORM || importance > CHQ_IMPORTANCE_TEXT) {
            fail(CHQ_STATUS_ARGUMENT, "importance = %d is none that can be computed", importance);
        }
        if (!(sharpness >= 0 && sharpness <= 1000)) {
            fail(CHQ_STATUS_ARGUMENT, "sharpness = %g is not in 0..1000", sharpness);
        }
        if (importance == CHQ_IMPORTANCE_TEXT) {
            check_text(image);
        }
        if (image.n > 0) {
            check_pointer(out, "out");
        }
        const comparable_rows all(image);
        const std::vector<float> scores = importance_of(all.rows, image, importance, sharpness);
        for (int32_t i = 0; i < image.n; ++i) {
            out[i] = is_break(image, i) ? 0.0f : std::numeric_limits<float>::quiet_NaN();
        }
        for (size_t i = 0; i < scores.size(); ++i) {
            out[all.numbers[i]] = scores[i];
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_rank_parts(const float * rows, const struct chq_rows_info * info, const int32_t * begin, int32_t n_parts, float * out) {
    return guarded([&] {
        const image_rows image = checked_image(rows, info);
        check_text(image);
        if (n_parts < 1) {
            fail(CHQ_STATUS_ARGUMENT, "n_parts = %d is less than 1", n_parts);
        }
        check_pointer(begin, "begin");
        check_pointer(out, "out");
        if (begin[0] != 0 || begin[n_parts] != image.n || !std::is_sorted(begin, begin + n_parts + 1)) {
            fail(CHQ_STATUS_ARGUMENT, "begin does not ascend from 0 to n = %d", image.n);
        }
        rank_parts(image, begin, n_parts, out);
        return CHQ_STATUS_OK;
    });
}
