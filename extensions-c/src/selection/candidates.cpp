#include "selection/candidates.h"

#include "selection/importance.h"
#include "selection/picks.h"

#include <algorithm>
#include <cmath>

namespace chq::selection {

static std::vector<int32_t> rows_to_compare(const image_rows & image) {
    std::vector<int32_t> rows;
    for (int32_t i = 0; i < image.n; ++i) {
        if (!is_break(image, i)) {
            rows.push_back(i);
        }
    }
    return rows;
}

static std::vector<const float *> addresses(const image_rows & image, const std::vector<int32_t> & rows) {
    std::vector<const float *> out;
    for (int32_t i : rows) {
        out.push_back(row_of(image, i));
    }
    return out;
}

candidates::candidates(const image_rows & image, const chq_selection_params & params) :
        rows_(rows_to_compare(image)), directions_(addresses(image, rows_), image.dim, params.projection, params.seed) {
    const bool given = params.importance == CHQ_IMPORTANCE_GIVEN;
    std::vector<int32_t> rows;
    for (int32_t i = 0; i < size(); ++i) {
        if (std::isfinite(directions_.squared_norm(i)) && (!given || std::isfinite(image.importance[rows_[i]]))) {
            cells_.push_back(i);
            rows.push_back(rows_[i]);
        } else {
            incomparable.push_back(rows_[i]);
        }
    }
    directions_.keep_only(cells_);
    rows_ = rows;
    if (given) {
        for (int32_t row : rows_) {
            importance_.push_back(image.importance[row]);
        }
    } else {
        importance_ = importance_of(directions_, image, params.importance, params.text_sharpness);
    }
    scale_importance(importance_, params.scale);
    importance_.resize(size());
    weighted = std::any_of(importance_.begin(), importance_.end(), [](float w) { return w > 0; });
}

int32_t candidates::most_important(const picks & chosen) const {
    int32_t best = -1;
    for (int32_t i = 0; i < size(); ++i) {
        if (chosen.fits(row(i)) && (best < 0 || importance_[i] > importance_[best])) {
            best = i;
        }
    }
    return best;
}

void candidates::take_the_rest(picks & chosen) const {
    for (int32_t row : incomparable) {
        if (chosen.room() > 0 && !chosen.taken(row) && chosen.fits(row)) {
            chosen.take(row);
        }
    }
}

} // namespace chq::selection
