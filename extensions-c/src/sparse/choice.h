// How many cells are chosen, and which: those of the largest totals. A total is the sum of a cell's probabilities over all heads.
#pragma once

#include <cstdint>
#include <vector>

namespace chq::sparse {

// Totals by size: how many there are in each of many classes, and what they sum up to. A class spans a 64th of a power of two.
struct tally {
    static constexpr int CLASSES = 50 * 64;

    uint32_t count[CLASSES];
    float    mass[CLASSES];

    static int class_of(float total);
    void clear();
    void add(const float * totals, int64_t n); // negative ones do not count
    void add(const tally & other);
};

struct budget {
    int64_t least;   // cells
    int64_t most;
    double  missing; // no more than `least` once the rest sums up to this; 0 = always `most`
};

// A number of cells, and the class in which the last of them is.
struct cut {
    int64_t cells   = 0;
    int     last    = 0; // all of the classes above are chosen
    double  missing = 0; // what the cells of lower classes sum up to, and those of the last one that are too many
};

cut find_cut(const tally & totals, const budget & wanted);

// Cells of [begin, end) above the last class, and in it, ascending.
void divide(const float * totals, int64_t begin, int64_t end, const cut & at, std::vector<int32_t> & above, std::vector<int32_t> & within);

// Leaves of `within` the n largest, of equals those of the lowest cells; ascending.
void keep_largest(const float * totals, std::vector<int32_t> & within, int64_t n);

} // namespace chq::sparse
