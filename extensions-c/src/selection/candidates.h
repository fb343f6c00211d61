// What is chosen from: the rows of an image that can be compared.
#pragma once

#include "selection/directions.h"
#include "selection/image.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace chq::selection {

class picks;

class candidates {
public:
    candidates(const image_rows & image, const chq_selection_params & params);

    int32_t size() const { return (int32_t) rows_.size(); }

    int32_t row(int32_t i) const { return rows_[i]; } // its number in the image

    const directions & to() const { return directions_; }

    // Which cell of the grid it is.
    int32_t cell(int32_t i) const { return cells_[i]; }

    // Scaled to 0..1; all 0 if every candidate is as important as the others.
    float importance(int32_t i) const { return importance_[i]; }

    // The same as a factor: never 0, all 1 if every candidate is as important as the others.
    float weight(int32_t i) const { return weighted ? std::max(importance_[i], 1e-6f) : 1.0f; }

    // Of the candidates for which there is room the most important, the first of equals; -1 if there is none.
    int32_t most_important(const picks & chosen) const;

    // Takes the rows that cannot be compared, in order, as long as there is room.
    void take_the_rest(picks & chosen) const;

private:
    std::vector<int32_t> rows_;
    std::vector<int32_t> cells_;
    directions           directions_;
    std::vector<float>   importance_;
    bool                 weighted;
    std::vector<int32_t> incomparable;
};

} // namespace chq::selection
