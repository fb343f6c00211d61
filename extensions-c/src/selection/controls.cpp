// What every method has to be compared with: importance alone, chance, and a grid.
#include "selection/methods.h"
#include "selection/random.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace chq::selection {

static void take_in_order(task & t, const std::vector<int32_t> & order) {
    for (int32_t i : order) {
        if (t.chosen.room() > 0 && !t.chosen.taken(t.all.row(i)) && t.chosen.fits(t.all.row(i))) {
            t.chosen.take(t.all.row(i));
        }
    }
}

void select_top(task & t) {
    std::vector<int32_t> order(t.all.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return t.all.importance(a) > t.all.importance(b); });
    take_in_order(t, order);
}

static std::vector<int32_t> shuffled(int32_t n, random_numbers & random) {
    std::vector<int32_t> order(n);
    std::iota(order.begin(), order.end(), 0);
    for (int32_t i = n - 1; i > 0; --i) {
        std::swap(order[i], order[random.below(i + 1)]);
    }
    return order;
}

void select_random(task & t) {
    random_numbers random(t.params.seed);
    take_in_order(t, shuffled(t.all.size(), random));
}

namespace {

// n fields of a grid, as equal and as square as may be: bands of rows, and in each band fields side by side.
template <typename F>
void for_each_field(int32_t n, int32_t width, int32_t height, F && f) {
    const double side = std::sqrt((double) n * height / width);
    const int32_t least = (n + width - 1) / width;
    const int32_t bands = std::min(std::max((int32_t) std::lround(side), least), std::min(height, n));
    for (int32_t b = 0; b < bands; ++b) {
        const int32_t top    = (int32_t) ((int64_t) b * height / bands);
        const int32_t bottom = (int32_t) ((int64_t) (b + 1) * height / bands);
        const int32_t fields = (int32_t) ((int64_t) (b + 1) * n / bands - (int64_t) b * n / bands);
        for (int32_t c = 0; c < fields; ++c) {
            f((int32_t) ((int64_t) c * width / fields), top, (int32_t) ((int64_t) (c + 1) * width / fields), bottom);
        }
    }
}

} // namespace

// One open candidate of each field.
static std::vector<int32_t> one_of_each_field(
        const task & t, int32_t n, int32_t width, int32_t height, const std::vector<int32_t> & candidate_of_cell) {
    random_numbers random(t.params.seed);
    std::vector<int32_t> out;
    std::vector<int32_t> field;
    for_each_field(n, width, height, [&](int32_t left, int32_t top, int32_t right, int32_t bottom) {
        field.clear();
        for (int32_t y = top; y < bottom; ++y) {
            for (int32_t x = left; x < right; ++x) {
                const int32_t i = candidate_of_cell[(size_t) y * width + x];
                if (i >= 0 && !t.chosen.taken(t.all.row(i))) {
                    field.push_back(i);
                }
            }
        }
        if (!field.empty()) {
            out.push_back(field[random.below((int32_t) field.size())]);
        }
    });
    return out;
}

void select_grid(task & t) {
    const int32_t n_cells = t.all.size() == 0 ? 0 : t.all.cell(t.all.size() - 1) + 1;
    int32_t width  = t.image.grid_width;
    int32_t height = t.image.grid_height;
    if ((int64_t) width * height < 1 || (int64_t) width * height > n_cells) {
        width  = n_cells;
        height = 1;
    }
    std::vector<int32_t> candidate_of_cell(n_cells, -1);
    for (int32_t i = 0; i < t.all.size(); ++i) {
        candidate_of_cell[t.all.cell(i)] = i;
    }
    for (int32_t n = std::min(t.chosen.room(), width * height); n > 0; --n) {
        const std::vector<int32_t> some = one_of_each_field(t, n, width, height, candidate_of_cell);
        picks trial = t.chosen;
        for (int32_t i : some) {
            trial.take(t.all.row(i));
        }
        if (trial.room() >= 0) {
            t.chosen = trial;
            break;
        }
    }
    random_numbers random(t.params.seed + 1);
    take_in_order(t, shuffled(t.all.size(), random));
}

} // namespace chq::selection
