// What has been picked so far, and what still may be: the budget, rows that are kept anyway, and breaks that come along with the rows before them.
#pragma once

#include "selection/image.h"

#include <cstdint>
#include <vector>

namespace chq::selection {

class picks {
public:
    // Takes the forced rows of the image at once. They must be at most k.
    picks(const image_rows & image, int32_t k);

    static int32_t count_forced(const image_rows & image);

    // Whether there is room for a row that is no break and the breaks that it would bring along. Once false, it stays so until the row is taken.
    bool fits(int32_t row) const { return cost(row) <= left; }

    void take(int32_t row);

    bool    taken(int32_t row) const { return kept[row]; }
    int32_t room()  const { return left; }

    // What is taken, ascending.
    std::vector<int32_t> rows() const;

private:
    int32_t cost(int32_t row) const;

    std::vector<uint8_t> kept;
    std::vector<int32_t> breaks; // of each row: the first break that comes along with it, n if none
    std::vector<uint8_t> is_break;
    int32_t              left;
};

} // namespace chq::selection
