#include "selection/picks.h"

namespace chq::selection {

int32_t picks::count_forced(const image_rows & image) {
    int32_t count = 0;
    for (int32_t i = 0; i < image.n; ++i) {
        count += is_forced(image, i);
    }
    return count;
}

picks::picks(const image_rows & image, int32_t k) : kept(image.n), breaks(image.n), is_break(image.n), left(k) {
    int32_t next = image.n;
    for (int32_t i = image.n - 1; i >= 0; --i) {
        is_break[i] = selection::is_break(image, i);
        if (is_break[i]) {
            next = i;
        }
        breaks[i] = next;
    }
    // Breaks of forced rows come along as long as there is room, which forced rows need first.
    for (int32_t i = 0; i < image.n; ++i) {
        if (is_forced(image, i)) {
            kept[i] = true;
            --left;
        }
    }
    for (int32_t i = 0; i < image.n; ++i) {
        if (is_forced(image, i) && !is_break[i] && cost(i) <= left) {
            take(i);
        }
    }
}

// Breaks that follow each other without a row between them come along together.
int32_t picks::cost(int32_t row) const {
    int32_t total = !kept[row];
    for (size_t b = breaks[row]; b < is_break.size() && is_break[b]; ++b) {
        total += !kept[b];
    }
    return total;
}

void picks::take(int32_t row) {
    left -= cost(row);
    kept[row] = true;
    for (size_t b = breaks[row]; b < is_break.size() && is_break[b]; ++b) {
        kept[b] = true;
    }
}

std::vector<int32_t> picks::rows() const {
    std::vector<int32_t> all;
    for (size_t i = 0; i < kept.size(); ++i) {
        if (kept[i]) {
            all.push_back((int32_t) i);
        }
    }
    return all;
}

} // namespace chq::selection
