#include "speculation/pass_cost.h"

#include <algorithm>
#include <cmath>

namespace chq {

constexpr int    NEEDED = 2;    // the first pass of its size pays for new memory
constexpr double FOR_ALL = 0.2; // of a difference, as a power, that goes to all sizes
constexpr double FOR_ONE = 0.1; // that goes to its own

// What to expect of passes not made yet, in units of one row: 2.8 for 16 rows. Where it is wrong, one pass tells.
static double expected(int rows) { return 1 + 0.12 * (rows - 1); }

void pass_cost::record(int rows, double seconds) {
    if (rows < 1 || rows > MOST || !(seconds > 0)) {
        return;
    }
    if (count[rows] < NEEDED) {
        weights[rows] = count[rows] == 0 ? seconds / level : std::min(weights[rows], seconds / level);
    } else {
        // a pause of the whole program is no cost of the rows
        const double ratio = std::clamp(seconds / of(rows), 0.5, 2.0);
        level         *= std::pow(ratio, FOR_ALL);
        weights[rows] *= std::pow(ratio, FOR_ONE);
    }
    count[rows]++;
}

void pass_cost::assume(int rows, double seconds) {
    if (seconds > 0 && seconds < 1e6 && count[rows] == 0) {
        weights[rows] = seconds / level;
        count[rows]   = NEEDED;
    }
}

double pass_cost::weight(int rows) const {
    int below = rows;
    while (below > 0 && count[below] == 0) {
        below--;
    }
    int above = rows;
    while (above <= MOST && count[above] == 0) {
        above++;
    }
    if (below > 0 && above <= MOST) {
        return below == above ? weights[rows] : weights[below] + (weights[above] - weights[below]) * (rows - below) / (above - below);
    }
    if (below > 0) {
        return weights[below] * expected(rows) / expected(below);
    }
    return above <= MOST ? weights[above] * expected(rows) / expected(above) : 0;
}

double pass_cost::of(int rows) const { return level * weight(rows); }

} // namespace chq
