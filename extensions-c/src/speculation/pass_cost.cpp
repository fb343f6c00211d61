#include "speculation/pass_cost.h"

#include <algorithm>

namespace chq {

constexpr int    NEEDED = 2;   // the first pass of its size pays for new memory
constexpr double KEEP   = 0.9; // of the old mean at each record: follows a text that grows and a machine that changes

// What to expect of passes not made yet, in units of one row: 2.8 for 16 rows. Where it is wrong, one pass tells.
static double expected(int rows) { return 1 + 0.12 * (rows - 1); }

void pass_cost::record(int rows, double s) {
    if (rows < 1 || rows > MOST) {
        return;
    }
    if (count[rows] < NEEDED) {
        seconds[rows] = count[rows] == 0 ? s : std::min(seconds[rows], s);
    } else {
        // a pause of the whole program is no cost of the rows
        seconds[rows] = KEEP * seconds[rows] + (1 - KEEP) * std::min(s, 3 * seconds[rows]);
    }
    count[rows]++;
}

double pass_cost::of(int rows) const {
    int below = rows;
    while (below > 0 && count[below] == 0) {
        below--;
    }
    int above = rows;
    while (above <= MOST && count[above] == 0) {
        above++;
    }
    if (below > 0 && above <= MOST) {
        return below == above ? seconds[rows] : seconds[below] + (seconds[above] - seconds[below]) * (rows - below) / (above - below);
    }
    if (below > 0) {
        return seconds[below] * expected(rows) / expected(below);
    }
    return above <= MOST ? seconds[above] * expected(rows) / expected(above) : 0;
}

} // namespace chq
