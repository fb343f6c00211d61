#include "speculation/pass_cost.h"

#include <algorithm>

namespace chq {

// Where costs have been seen to step, and few enough to be measured in the first steps that have a guess.
constexpr int POINTS[] = { 1, 2, 4, 8, 16 };
constexpr int NEEDED   = 2;   // the first pass of its size pays for new memory
constexpr double KEEP  = 0.9; // of the old mean at each record: follows a text that grows and a machine that changes

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
        return seconds[below] * rows / below;
    }
    return above <= MOST ? seconds[above] : 0;
}

int pass_cost::unmeasured(int most) const {
    for (int rows : POINTS) {
        if (rows <= most && count[rows] < NEEDED) {
            return rows;
        }
    }
    return 0;
}

} // namespace chq
