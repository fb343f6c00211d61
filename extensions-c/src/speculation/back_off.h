// The last word on whether guessing pays: what guessed steps gave, against what plain ones would have, however the guesses were justified.
#pragma once

#include <algorithm>
#include <cstdint>

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

    // After each guessed step. plain: seconds of a pass over one row
    void record(int tokens, double seconds, double plain) {
        spent  += seconds;
        gained += tokens * plain;
        if (++steps < WINDOW) {
            return;
        }
        if (gained < spent) {
            rest  = pause;
            pause = std::min(2 * pause, LONGEST);
        } else {
            pause = SHORTEST;
        }
        steps  = 0;
        spent  = 0;
        gained = 0;
    }

private:
    static constexpr int WINDOW   = 24; // guessed steps
    static constexpr int SHORTEST = 16; // plain ones after a window that lost
    static constexpr int LONGEST  = 256;

    int    rest   = 0;
    int    pause  = SHORTEST;
    int    steps  = 0;
    double spent  = 0;
    double gained = 0;
};

} // namespace chq
