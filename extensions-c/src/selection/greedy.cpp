#include "selection/greedy.h"

#include "selection/candidates.h"
#include "selection/picks.h"

#include <utility>
#include <vector>

namespace chq::selection {

namespace {

struct entry {
    float   score;
    int32_t candidate;

    bool before(const entry & other) const {
        return score > other.score || (score == other.score && candidate < other.candidate);
    }
};

// A binary heap whose first entry may become worse where it is.
class heap {
public:
    explicit heap(std::vector<entry> all) : entries(std::move(all)) {
        for (size_t i = entries.size() / 2; i-- > 0; ) {
            sink(i);
        }
    }

    bool  empty() const { return entries.empty(); }
    entry top()   const { return entries[0]; }

    // Whether an entry with that score would still be the first.
    bool would_lead(float score) const {
        const entry changed = { score, entries[0].candidate };
        return (entries.size() < 2 || changed.before(entries[1])) && (entries.size() < 3 || changed.before(entries[2]));
    }

    void lower_top(float score) {
        entries[0].score = score;
        sink(0);
    }

    void pop() {
        entries[0] = entries.back();
        entries.pop_back();
        if (!entries.empty()) {
            sink(0);
        }
    }

private:
    void sink(size_t at) {
        const entry moved = entries[at];
        for (size_t child; (child = 2 * at + 1) < entries.size(); at = child) {
            if (child + 1 < entries.size() && entries[child + 1].before(entries[child])) {
                ++child;
            }
            if (!entries[child].before(moved)) {
                break;
            }
            entries[at] = entries[child];
        }
        entries[at] = moved;
    }

    std::vector<entry> entries;
};

} // namespace

void select_greedily(const candidates & all, falling_score & score, picks & chosen, int32_t most) {
    std::vector<entry> open;
    for (int32_t i = 0; i < all.size(); ++i) {
        if (chosen.taken(all.row(i))) {
            score.select(i);
        } else {
            open.push_back({ score.first(i), i });
        }
    }
    heap order(std::move(open));
    while (most > 0 && chosen.room() > 0 && !order.empty()) {
        const int32_t i = order.top().candidate;
        if (!chosen.fits(all.row(i))) {
            order.pop();
        } else if (score.is_current(i)) {
            order.pop();
            --most;
            chosen.take(all.row(i));
            score.select(i);
        } else {
            float now = order.top().score;
            do {
                now = score.look(i, now);
            } while (!score.is_current(i) && order.would_lead(now));
            order.lower_top(now);
        }
    }
}

} // namespace chq::selection
