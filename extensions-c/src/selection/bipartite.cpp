// ToMe's bipartite matching as VisPruner uses it to drop rows: in each round every second row names the most similar of the others, and those that
// are most similar go. At most half of the rows go in a round.
#include "selection/methods.h"

#include <algorithm>
#include <cmath>

namespace chq::selection {

namespace {

struct proposal {
    float   cosine;
    int32_t candidate;
};

// How many more rows there would be than there is room for.
int32_t excess(const task & t, const std::vector<int32_t> & candidates) {
    picks trial = t.chosen;
    for (int32_t i : candidates) {
        trial.take(t.all.row(i));
    }
    return -trial.room();
}

std::vector<proposal> proposals(const directions & rows, const std::vector<int32_t> & movable, const std::vector<int32_t> & fixed) {
    std::vector<int32_t> from;
    std::vector<int32_t> to = fixed;
    for (size_t k = 0; k < movable.size(); ++k) {
        (k % 2 == 0 ? from : to).push_back(movable[k]);
    }
    constexpr int32_t BLOCK = 96;
    std::vector<float>    cosines(BLOCK * to.size());
    std::vector<proposal> out;
    for (size_t begin = 0; begin < from.size(); begin += BLOCK) {
        const int32_t n = std::min((int32_t) (from.size() - begin), BLOCK);
        rows.cosines(from.data() + begin, n, to.data(), (int32_t) to.size(), cosines.data());
        for (int32_t k = 0; k < n; ++k) {
            const auto row = cosines.begin() + (ptrdiff_t) (k * to.size());
            const float cosine = to.empty() ? 0.0f : *std::max_element(row, row + (ptrdiff_t) to.size());
            out.push_back({ std::isfinite(cosine) ? cosine : 0.0f, from[begin + k] });
        }
    }
    return out;
}

} // namespace

void select_bipartite(task & t) {
    std::vector<int32_t> fixed;
    std::vector<int32_t> movable;
    for (int32_t i = 0; i < t.all.size(); ++i) {
        (t.chosen.taken(t.all.row(i)) ? fixed : movable).push_back(i);
    }
    std::vector<int32_t> dropped;
    for (int32_t n; (n = excess(t, movable)) > 0 && !movable.empty(); ) {
        std::vector<proposal> proposed = proposals(t.all.to(), movable, fixed);
        std::sort(proposed.begin(), proposed.end(), [](const proposal & a, const proposal & b) {
            return a.cosine > b.cosine || (a.cosine == b.cosine && a.candidate > b.candidate);
        });
        proposed.resize(std::min(proposed.size(), (size_t) n));
        std::vector<bool> goes(t.all.size());
        for (const proposal & p : proposed) {
            goes[p.candidate] = true;
            dropped.push_back(p.candidate);
        }
        movable.erase(std::remove_if(movable.begin(), movable.end(), [&](int32_t i) { return goes[i]; }), movable.end());
    }
    for (int32_t i : movable) {
        t.chosen.take(t.all.row(i));
    }
    // With the last of a grid's row its break went, too, so that there may be room again.
    for (auto i = dropped.rbegin(); i != dropped.rend() && t.chosen.room() > 0; ++i) {
        if (t.chosen.fits(t.all.row(*i))) {
            t.chosen.take(t.all.row(*i));
        }
    }
}

} // namespace chq::selection
