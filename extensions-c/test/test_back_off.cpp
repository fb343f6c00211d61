#include "runner.h"

#include "speculation/back_off.h"

using chq::back_off;

namespace {

// Steps of `tokens` tokens that cost `seconds`, plain ones 1 second: of n steps, how many are guessed.
int guessed(back_off & b, int n, int tokens, double seconds) {
    int count = 0;
    for (int i = 0; i < n; i++) {
        if (!b.rests()) {
            b.record(tokens, seconds, 1);
            count++;
        }
    }
    return count;
}

} // namespace

TEST(what_pays_goes_on) {
    back_off b;
    CHECK_EQ(guessed(b, 1000, 2, 1.9), 1000);
}

TEST(what_loses_rests_longer_each_time) {
    back_off b;
    const int n = guessed(b, 1000, 1, 1.5);
    CHECK(n >= 24 * 5); // it tries again
    CHECK(n < 200);
    CHECK(guessed(b, 10000, 1, 1.5) < 1100);
}

TEST(a_change_for_the_better_is_found) {
    back_off b;
    guessed(b, 1000, 1, 1.5);
    guessed(b, 300, 3, 1.5);
    CHECK_EQ(guessed(b, 100, 3, 1.5), 100);
}

MAIN
