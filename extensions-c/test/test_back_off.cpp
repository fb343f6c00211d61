// When guessing is given up for a while, on invented steps.
#include "runner.h"

#include "speculation/back_off.h"

using chq::back_off;

namespace {

struct course {
    int    guessed = 0; // steps
    double lost    = 0; // plain steps' worth of time
};

// n steps; those that are guessed give `tokens` tokens for `seconds`, plain ones one for one.
course run(back_off & b, int n, int tokens, double seconds) {
    course c;
    for (int i = 0; i < n; i++) {
        if (!b.rests()) {
            b.record(tokens, seconds, 1);
            c.guessed++;
            c.lost += seconds - tokens;
        }
    }
    return c;
}

} // namespace

TEST(what_pays_goes_on) {
    back_off b;
    CHECK_EQ(run(b, 1000, 2, 1.9).guessed, 1000);
}

TEST(what_loses_costs_little_and_is_tried_again) {
    back_off b;
    const course first = run(b, 128, 1, 1.5);
    CHECK(first.lost < 0.08 * 128);
    const course later = run(b, 10000, 1, 1.5);
    CHECK(later.guessed > 100);
    CHECK(later.lost < 0.012 * 10000);
}

TEST(one_expensive_mistake_among_successes_is_forgiven) {
    back_off b;
    run(b, 20, 3, 1.5);
    b.record(1, 4.5, 1);
    CHECK_EQ(run(b, 100, 3, 1.5).guessed, 100);
}

TEST(a_change_for_the_better_is_found) {
    back_off b;
    run(b, 1000, 1, 1.5);
    run(b, 300, 3, 1.5);
    CHECK_EQ(run(b, 100, 3, 1.5).guessed, 100);
}

MAIN
