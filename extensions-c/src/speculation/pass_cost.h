// What a pass of the model over so many rows costs, learned from the passes that are made.
#pragma once

namespace chq {

class pass_cost {
public:
    static constexpr int MOST = 16; // rows

    // Whether anything was recorded or assumed.
    bool known() const {
        for (int n : count) {
            if (n > 0) {
                return true;
            }
        }
        return false;
    }

    // rows: 1..MOST
    void   record(int rows, double seconds);

    // Seconds; between numbers of rows that were measured on a line through them, beyond them by what such passes cost with Chasqui's kernels,
    // until one is made. 0 before the first record.
    double of(int rows) const;

    // Seconds of a pass that was measured, 0 if none was; and a pass of that cost from an earlier program, where nothing was measured: it counts as measured if it
    // is a time.
    double measured(int rows) const { return count[rows] > 0 ? level * weights[rows] : 0; }
    void   assume(int rows, double seconds);

private:
    double weight(int rows) const;

    // A machine that becomes slower, or a text that grows, makes passes of all sizes slower: what is learned of one size is at first taken as
    // such a change, and only what lasts as one of that size.
    double level              = 1;
    double weights[MOST + 1]  = {}; // seconds at level 1
    int    count[MOST + 1]    = {};
};

} // namespace chq
