// Kernel herding: the row that brings the mean of the selected rows nearest to the mean of all rows, in the space of a kernel. Selections by diversity spend most rows on
// what is unlike the rest; this one keeps the proportions of the image, so that a model counts and compares what it shows as before.
//
// The kernel is exp((cosine - 1)/width) times exp(-distance^2/(2*sigma^2)) of the cells in the grid, with sigma the side of a field of as many cells as one kept row stands
// for, and 0 far away: cosines are computed of rows that are near each other only. Without a grid it is the first factor alone.
#include "selection/arithmetic.h"
#include "selection/methods.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

namespace chq::selection {

namespace {

// How far the kernel reaches, in units of sigma: as far as an amount of arithmetic allows, within these bounds. A pair of rows costs as much as its multiplications and some.
constexpr double LEAST_REACH = 2.5;
constexpr double MOST_REACH  = 4;
constexpr double ARITHMETIC  = 1 << 28;
constexpr double PER_PAIR    = 1024;

// Of how many rows the rarity of a row is found out: in so many pairs of rows, within these bounds; and by how many floats of projections where rows are long.
constexpr int32_t PAIRS  = 1 << 18;
constexpr int32_t FEWEST = 64;
constexpr int32_t MOST   = 256;
constexpr int32_t SKETCH = 64;
constexpr int32_t LONG   = 256;

// Whether the candidates are the cells of a grid.
bool has_grid(const task & t) {
    const int64_t n_cells = (int64_t) t.image.grid_width * t.image.grid_height;
    return n_cells > 0 && t.all.size() > 0 && t.all.cell(t.all.size() - 1) < n_cells;
}

// The kernel of each candidate with those that it is not 0 with. Candidates have places: cells of the grid, or else their numbers.
class kernel {
public:
    explicit kernel(const task & t) : t(t), n(t.all.size()), scale(1.0f / t.params.feature_width), in_grid(has_grid(t)) {
        if (in_grid) {
            line  = t.image.grid_width;
            lines = t.image.grid_height;
            near_each_other();
        } else {
            line  = n;
            lines = 1;
            all_with_all();
        }
    }

    int32_t n_places() const { return line * lines; }

    int32_t place(int32_t i) const { return in_grid ? t.all.cell(i) : i; }

    // sums += its kernel, by place
    void add_to(float * sums, int32_t i) const {
        const window & w = windows[i];
        for (int32_t y = 0; y < w.lines; ++y) {
            fastest().add(sums + (w.top + y) * line + w.left, values.data() + w.begin + (size_t) y * w.width, w.width);
        }
    }

    // The sum of its kernel times the factors, by place.
    float times(const float * factors, int32_t i) const {
        const window & w = windows[i];
        float sum = 0;
        for (int32_t y = 0; y < w.lines; ++y) {
            sum += dot(factors + (w.top + y) * line + w.left, values.data() + w.begin + (size_t) y * w.width, w.width);
        }
        return sum;
    }

private:
    // Some places of some lines, one after the other from begin on.
    struct window {
        int32_t left;
        int32_t top;
        int32_t width;
        int32_t lines;
        size_t  begin;
    };

    struct cell {
        int32_t x;
        int32_t y;
    };

    void all_with_all() {
        check_memory((uint64_t) n * n * sizeof(float));
        values.resize((size_t) n * n);
        t.all.to().all_cosines(values.data(), n);
        const std::vector<float> shift(n, scale);
        for (int32_t i = 0; i < n; ++i) {
            windows.push_back({ 0, 0, n, 1, (size_t) i * n });
            fastest().exponentials(values.data() + windows[i].begin, shift.data(), scale, n);
        }
    }

    void near_each_other() {
        const double  sigma = std::sqrt((double) n / t.chosen.room());
        const double  cheap = std::sqrt(2 * ARITHMETIC / (3.14159 * n * (t.all.to().dim() + PER_PAIR)));
        const int32_t reach = (int32_t) std::min(std::clamp(cheap, LEAST_REACH * sigma, MOST_REACH * sigma), (double) line + lines);
        const int64_t most  = (int64_t) reach * reach;
        std::vector<float> nearness((size_t) line + lines); // of a distance along one side
        for (size_t d = 0; d < nearness.size(); ++d) {
            nearness[d] = (float) std::exp(-(double) (d * d) / (2 * sigma * sigma));
        }
        std::vector<int32_t> at(n_places(), -1);
        size_t size = 0;
        for (int32_t i = 0; i < n; ++i) {
            const int32_t x = t.all.cell(i) % line, y = t.all.cell(i) / line;
            cells.push_back({ x, y });
            const int32_t left = std::max(0, x - reach), right = std::min(line - 1, x + reach);
            const int32_t top = std::max(0, y - reach), bottom = std::min(lines - 1, y + reach);
            at[t.all.cell(i)] = i;
            windows.push_back({ left, top, right - left + 1, bottom - top + 1, size });
            size += (size_t) (right - left + 1) * (bottom - top + 1);
        }
        check_memory(size * sizeof(float));
        values.resize(size);

        // Some cells at a time with all that are near one of them, from their own lines on.
        constexpr int32_t WIDE = 2, HIGH = 2;
        std::vector<int32_t> some, others;
        std::vector<float>   likeness, shift;
        for (int32_t x0 = 0; x0 < line; x0 += WIDE) {
            for (int32_t y0 = 0; y0 < lines; y0 += HIGH) {
                some.clear();
                others.clear();
                const int32_t x1 = std::min(x0 + WIDE, line) - 1, y1 = std::min(y0 + HIGH, lines) - 1;
                for (int32_t y = y0; y <= std::min(y1 + reach, lines - 1); ++y) {
                    const int64_t below = std::max(0, y - y1);
                    const int32_t side  = (int32_t) std::sqrt((double) (most - below * below));
                    for (int32_t x = std::max(0, x0 - side); x <= std::min(line - 1, x1 + side); ++x) {
                        const int32_t i = at[y * line + x];
                        if (i >= 0) {
                            others.push_back(i);
                            if (y <= y1 && x >= x0 && x <= x1) {
                                some.push_back(i);
                            }
                        }
                    }
                }
                likeness.resize(some.size() * others.size());
                shift.resize(others.size(), scale);
                t.all.to().cosines(some.data(), (int32_t) some.size(), others.data(), (int32_t) others.size(), likeness.data());
                float * next = likeness.data();
                for (int32_t i : some) {
                    fastest().exponentials(next, shift.data(), scale, (int32_t) others.size());
                    for (int32_t j : others) {
                        const int32_t dx = std::abs(cells[i].x - cells[j].x);
                        const int32_t dy = std::abs(cells[i].y - cells[j].y);
                        const float value = *next++ * (nearness[dx] * nearness[dy]);
                        if ((int64_t) dx * dx + (int64_t) dy * dy <= most) {
                            of(i, j) = value;
                            of(j, i) = value;
                        }
                    }
                }
            }
        }
    }

    float & of(int32_t i, int32_t j) {
        const window & w = windows[i];
        return values[w.begin + (size_t) (cells[j].y - w.top) * w.width + (cells[j].x - w.left)];
    }

    const task &        t;
    const int32_t       n;
    const float         scale;
    const bool          in_grid;
    int32_t             line;
    int32_t             lines;
    std::vector<cell>   cells;
    std::vector<window> windows;
    std::vector<float>  values;
};

// What each candidate counts for in the mean of all: more where few are like it, whether near or not. That is a mild factor, and rough likenesses to some of them do.
std::vector<float> shares(const task & t) {
    const directions & rows = t.all.to();
    const int32_t n = rows.size();
    std::vector<float> share(n);
    for (int32_t i = 0; i < n; ++i) {
        share[i] = t.all.weight(i);
    }
    if (t.params.rarity > 0) {
        std::vector<const float *> row(n);
        std::optional<directions> sketches;
        if (rows.dim() < t.image.dim) {
            for (int32_t i = 0; i < n; ++i) {
                row[i] = rows.row(i);
            }
            sketches.emplace(row, std::min(rows.dim(), SKETCH), 0, 0);
        } else if (rows.dim() > LONG) {
            for (int32_t i = 0; i < n; ++i) {
                row[i] = rows.original(i);
            }
            sketches.emplace(row, rows.dim(), SKETCH, t.params.seed);
        }
        const int32_t m = std::min(n, std::clamp(PAIRS / n, FEWEST, MOST));
        std::vector<int32_t> sample(m);
        for (int32_t j = 0; j < m; ++j) {
            sample[j] = (int32_t) ((2 * (int64_t) j + 1) * n / (2 * m));
        }
        std::vector<int32_t> everything(n);
        std::iota(everything.begin(), everything.end(), 0);
        std::vector<float> cosines((size_t) n * m);
        (sketches ? *sketches : rows).cosines(everything.data(), n, sample.data(), m, cosines.data());
        const float scale = 1.0f / t.params.feature_width;
        for (int32_t i = 0; i < n; ++i) {
            share[i] *= std::pow(fastest().sum_of_exponentials(cosines.data() + (size_t) i * m, scale, scale, m), -t.params.rarity);
        }
    }
    double total = 0;
    for (float s : share) {
        total += s;
    }
    for (float & s : share) {
        s = (float) (s / total);
    }
    return share;
}

} // namespace

void select_herding(task & t) {
    const int32_t n = t.all.size();
    if (n == 0) {
        return;
    }
    const kernel likeness(t);
    const std::vector<float> share = shares(t);
    std::vector<int32_t> place(n);
    std::vector<float>   at(likeness.n_places());
    for (int32_t i = 0; i < n; ++i) {
        place[i] = likeness.place(i);
        at[place[i]] = share[i];
    }
    std::vector<float> wanted(n); // mean of the kernel with all rows
    for (int32_t i = 0; i < n; ++i) {
        wanted[i] = likeness.times(at.data(), i);
    }
    std::vector<float> had(likeness.n_places()); // its sum with the selected rows
    int32_t n_selected = 0;
    const auto select = [&](int32_t i) {
        likeness.add_to(had.data(), i);
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
            const float gain = wanted[open[o]] - had[place[open[o]]] / (float) (n_selected + 1);
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
