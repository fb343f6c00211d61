#include "sparse/choice.h"

#include <algorithm>
#include <cstring>

namespace chq::sparse {

int tally::class_of(float total) {
    int32_t bits;
    memcpy(&bits, &total, 4);
    constexpr int LOWEST = (127 - 39) << 6; // 2^-39
    return std::clamp((bits >> 17) - LOWEST, 0, CLASSES - 1);
}

void tally::clear() {
    memset(count, 0, sizeof(count));
    memset(mass, 0, sizeof(mass));
}

void tally::add(const float * totals, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        if (totals[i] >= 0) {
            const int c = class_of(totals[i]);
            count[c]++;
            mass[c] += totals[i];
        }
    }
}

void tally::add(const tally & other) {
    for (int i = 0; i < CLASSES; ++i) {
        count[i] += other.count[i];
        mass[i]  += other.mass[i];
    }
}

cut find_cut(const tally & totals, const budget & wanted) {
    double rest = 0;
    for (float m : totals.mass) {
        rest += m;
    }
    cut at;
    at.last = tally::CLASSES;
    while (at.last > 0 && at.cells < wanted.most && (at.cells < wanted.least || wanted.missing == 0 || rest > wanted.missing)) {
        --at.last;
        at.cells += totals.count[at.last];
        rest     -= totals.mass[at.last];
    }
    if (at.cells > wanted.most) {
        const int64_t surplus = at.cells - wanted.most;
        rest += totals.mass[at.last] * (double) surplus / totals.count[at.last];
        at.cells = wanted.most;
    }
    at.missing = std::max(0.0, rest);
    return at;
}

void divide(const float * totals, int64_t begin, int64_t end, const cut & at, std::vector<int32_t> & above, std::vector<int32_t> & within) {
    above.clear();
    within.clear();
    for (int64_t i = begin; i < end; ++i) {
        if (!(totals[i] >= 0)) {
            continue;
        }
        const int c = tally::class_of(totals[i]);
        if (c > at.last) {
            above.push_back((int32_t) i);
        } else if (c == at.last) {
            within.push_back((int32_t) i);
        }
    }
}

void keep_largest(const float * totals, std::vector<int32_t> & within, int64_t n) {
    if (n < (int64_t) within.size()) {
        const auto larger = [&](int32_t a, int32_t b) { return totals[a] != totals[b] ? totals[a] > totals[b] : a < b; };
        std::nth_element(within.begin(), within.begin() + n, within.end(), larger);
        within.resize((size_t) std::max<int64_t>(0, n));
        std::sort(within.begin(), within.end());
    }
}

} // namespace chq::sparse
