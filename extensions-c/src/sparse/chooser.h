// The choice of cells for one layer and one token, made by a team of threads.
//
// Scores of all heads become probabilities over all that is visible, with the exact scores of the cells that are attended to anyway. The probabilities
// of a cell are summed up over the heads, and the cells of the largest sums are chosen, the same ones for all heads.
#pragma once

#include "sparse/choice.h"
#include "sparse/scores.h"

#include <memory>
#include <vector>

namespace chq::sparse {

struct team {
    int    index = 0;
    int    count = 1;
    void * pool  = nullptr;
    void (*barrier)(void * pool) = nullptr;

    void wait() const {
        if (count > 1) {
            barrier(pool);
        }
    }
};

// Cells that are chosen together, as they lie in the same pages of a file.
struct extents {
    int          cells  = 1;       // of each; a divisor of CHUNK
    const void * memory = nullptr; // what the function gets
    bool (*is_resident)(const void * memory, int64_t first_cell) = nullptr;

    // Without a function none is, and the bonus below makes no difference.
    bool is_near(int64_t first_cell) const { return is_resident && is_resident(memory, first_cell); }

    // What an extent that is in memory counts more than others: those that are nearly as good are not worth reading. Measured with smollm2 on prose, a fourth of the
    // cache in memory: the divergence is the same as without, and a step reads half.
    static constexpr float NEAR = 1.5f;
};

struct chosen {
    std::vector<int32_t> cells;        // ascending
    double               missing = -1; // share of the probability that is neither chosen nor always there, by the scores; negative = unknown
};

class chooser {
public:
    // Makes room, of cells that are always there for n_always. One thread calls it while no other is inside.
    bool fits(int query_heads, int d, int64_t n_cells, int64_t n_always, int threads) const;
    void grow(int query_heads, int d, int64_t n_cells, int64_t n_always, int threads);

    // What is new in the cache goes into the digest. As for the other calls below, every thread of the team makes it with the same arguments.
    static void learn(const team & by, const lanes & loops, const keys & all, digest & known, const plan & cells);

    // q: [key heads * group] rows of d, as they come; scale: of products. turn: a number that differs from choice to choice.
    // The result is there for the first thread when it returns, for the others after the next barrier.
    void choose(const team & by, const lanes & loops, const policy & how, const keys & all, digest & known, const plan & cells,
        const float * const * q, int group, float scale, uint64_t turn, const extents & on_file, chosen & out);

    // Cells that a policy lets choose at most; with whole extents they are up to one more.
    static int64_t most_of(const policy & how, const plan & cells);

private:
    // Of a thread; the others read it after a barrier.
    struct alignas(128) share {
        std::vector<float>   q;       // [query heads, d], scaled
        std::vector<float>   most;    // of each query head
        std::vector<float>   sum;     // of exp(score - most), candidates and cells that are always there
        std::vector<float>   anyway;  // scores of the latter, [query heads, cells of this thread]
        tally                totals;
        double               mass = 0; // of candidates, over all heads
        std::vector<int32_t> above;
        std::vector<int32_t> within;
    };

    double add_up(const extents & together, int64_t begin, int64_t end);
    double spread(int each, std::vector<int32_t> & extents);

    int64_t n_cells_  = 0;
    int64_t n_always_ = 0;
    int     heads_    = 0;
    int     d_        = 0;
    std::vector<std::unique_ptr<share>> shares_;
    std::vector<float> scores_; // [query heads, cells], then exp(score - most)
    std::vector<float> totals_; // of each cell, negative where it is no candidate
    std::vector<float> sums_;   // of each extent, likewise
    cut                cut_;
    std::vector<int32_t> extents_;
};

} // namespace chq::sparse
