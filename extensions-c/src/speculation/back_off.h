// The last word on whether guessing pays: what guessed steps gave, against what plain ones would have, however the guesses were justified.
#pragma once

#include <algorithm>

namespace chq {

class back_off {
public:
    // Before each step: whether it shall be a plain one.
    bool rests() {
        if (rest == 0) {
            return false;
        }
        rest--;
        return true;
    }

    // What the next guess may cost more than a plain step, in plain steps: large guesses must be earned.
    double allowance() const { return MOST_DEBT - debt; }

    // After each guessed step. plain: seconds of a pass over one row
    void record(int tokens, double seconds, double plain) {
        debt += seconds / plain - tokens;
        if (debt > MOST_DEBT) {
            rest  = pause;
            pause = std::min(2 * pause, LONGEST);
            debt  = 0;
        } else if (debt < -MOST_CREDIT) {
            debt  = -MOST_CREDIT;
            pause = SHORTEST;
        }
    }

private:
    static constexpr double MOST_DEBT   = 1.5; // in plain steps
    static constexpr double MOST_CREDIT = 3;   // what went well long ago does not count
    static constexpr int    SHORTEST    = 12;  // plain steps after a debt
    static constexpr int    LONGEST     = 256;

    int    rest  = 0;
    int    pause = SHORTEST;
    double debt  = 0;
};

} // namespace chq
