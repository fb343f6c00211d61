// Greedy selection by a score that only falls as rows are selected.
//
// What a row scored when it was last looked at bounds what it scores now, so that only rows at the top need another look ("lazy greedy", Minoux,
// 1978). The result is that of looking at all of them each time.
#pragma once

#include <cstdint>

namespace chq::selection {

class candidates;
class picks;

class falling_score {
public:
    virtual ~falling_score() = default;

    // Of candidate i before anything is selected.
    virtual float first(int32_t i) = 0;

    // Takes the selected rows, or the next few of them, into the score of candidate i, which must not grow.
    virtual float look(int32_t i, float score) = 0;

    // Whether all selected rows are in it.
    virtual bool is_current(int32_t i) const = 0;

    // Candidate i is selected.
    virtual void select(int32_t i) = 0;
};

// Selects the candidates that are taken already, then the one with the greatest score, the first of equals, as long as there is room, at most so
// many.
void select_greedily(const candidates & all, falling_score & score, picks & chosen, int32_t most = INT32_MAX);

} // namespace chq::selection
