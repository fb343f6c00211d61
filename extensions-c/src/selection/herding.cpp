// Kernel herding: the row that brings the mean of the selected rows nearest to the mean of all rows, in the space of a kernel. Selections by diversity spend most rows on
// what is unlike the rest; this one keeps the proportions of the image, so that a model counts and compares what it shows as before.
//
// The kernel is exp((cosine - 1)/width) times exp(-distance^2/(2*sigma^2)) of the cells in the grid, with sigma the side of a field of as many cells as one kept row stands
// for. Without a grid it is the first factor alone.
#include "selection/arithmetic.h"
#include "selection/methods.h"

#include <algorithm>
#include <cmath>

namespace chq::selection {

namespace {

// Whether the candidates are the cells of a grid.
bool has_grid(const task & t) {
    const int64_t n_cells = (int64_t) t.image.grid_width * t.image.grid_height;
    return n_cells > 0 && t.all.size() > 0 && t.all.cell(t.all.size() - 1) < n_cells;
}

// likeness = likeness * nearness, [n, n]
void multiply_by_nearness(const task & t, double sigma, std::vector<float> & likeness) {
    const int32_t n     = t.all.size();
    const int32_t width = t.image.grid_width;
    std::vector<float> near((size_t) (width + t.image.grid_height)); // of a distance along one side
    for (size_t d = 0; d < near.size(); ++d) {
        near[d] = (float) std::exp(-(double) (d * d) / (2 * sigma * sigma));
    }
    for (int32_t i = 0; i < n; ++i) {
        const int32_t y = t.all.cell(i) / width;
        const int32_t x = t.all.cell(i) % width;
        float * row = likeness.data() + (size_t) i * n;
        for (int32_t j = 0; j < n; ++j) {
            row[j] *= near[std::abs(t.all.cell(j) / width - y)] * near[std::abs(t.all.cell(j) % width - x)];
        }
    }
}

} // namespace

void select_herding(task & t) {
    const int32_t n = t.all.size();
    const int32_t k = t.chosen.room();
    if (n == 0) {
        return;
    }
    check_memory((uint64_t) n * n * sizeof(float));
    std::vector<float> kernel((size_t) n * n);
    t.all.to().all_cosines(kernel.data(), n);
    const float scale = 1.0f / t.params.feature_width;
    const std::vector<float> shift(n, scale);
    const std::vector<float> ones(n, 1.0f);

    // what each row counts for
    std::vector<float> share(n);
    double total = 0;
    for (int32_t i = 0; i < n; ++i) {
        float * row = kernel.data() + (size_t) i * n;
        fastest().exponentials(row, shift.data(), scale, n);
        share[i] = t.all.weight(i) * (t.params.rarity > 0 ? std::pow(dot(row, ones.data(), n), -t.params.rarity) : 1.0f);
        total += share[i];
    }
    for (float & s : share) {
        s = (float) (s / total);
    }
    if (has_grid(t)) {
        multiply_by_nearness(t, std::sqrt((double) n / k), kernel);
    }

    std::vector<float> wanted(n); // mean of the kernel with all rows
    for (int32_t i = 0; i < n; ++i) {
        wanted[i] = dot(kernel.data() + (size_t) i * n, share.data(), n);
    }
    std::vector<float> had(n); // its sum with the selected rows
    int32_t n_selected = 0;
    const auto select = [&](int32_t i) {
        fastest().add(had.data(), kernel.data() + (size_t) i * n, n);
        ++n_selected;
    };
    std::vector<int32_t> open;
    for (int32_t i = 0; i < n; ++i) {
        if (t.chosen.taken(t.all.row(i))) {
            select(i);
        } else {
            open.push_back(i);
        }
    }
    while (t.chosen.room() > 0 && !open.empty()) {
        size_t best = 0;
        float  most = -INFINITY;
        for (size_t o = 0; o < open.size(); ++o) {
            const float gain = wanted[open[o]] - had[open[o]] / (float) (n_selected + 1);
            if (gain > most) {
                most = gain;
                best = o;
            }
        }
        const int32_t i = open[best];
        open.erase(open.begin() + (ptrdiff_t) best);
        if (t.chosen.fits(t.all.row(i))) {
            t.chosen.take(t.all.row(i));
            select(i);
        }
    }
}

} // namespace chq::selection
