// What passes are expected to cost, on invented times.
#include "runner.h"

#include "speculation/pass_cost.h"

#include <cmath>

using chq::pass_cost;

TEST(nothing_is_known_at_first) {
    pass_cost c;
    CHECK_EQ(c.of(1), 0.0);
    CHECK_EQ(c.of(16), 0.0);
}

TEST(costs_between_measured_sizes_lie_on_a_line) {
    pass_cost c;
    c.record(2, 1.0);
    c.record(6, 3.0);
    CHECK_EQ(c.of(2), 1.0);
    CHECK_EQ(c.of(4), 2.0);
    CHECK_EQ(c.of(6), 3.0);
}

TEST(costs_beyond_them_grow_with_the_rows) {
    pass_cost c;
    c.record(4, 1.0);
    for (int rows = 2; rows <= pass_cost::MOST; rows++) {
        CHECK(c.of(rows) > c.of(rows - 1));
    }
}

TEST(a_first_pass_that_was_slow_is_forgotten_and_a_lasting_change_followed) {
    pass_cost c;
    c.record(8, 10.0);
    c.record(8, 1.0);
    CHECK_EQ(c.of(8), 1.0);
    for (int i = 0; i < 100; i++) {
        c.record(8, 2.0);
    }
    CHECK(std::fabs(c.of(8) - 2.0) < 0.01);
    c.record(8, 1000.0); // the machine was asleep
    CHECK(c.of(8) < 2.5);
}

// Guesses of 8 rows are judged against plain steps that were measured when the machine was faster.
TEST(a_slower_machine_makes_all_sizes_slower) {
    pass_cost c;
    for (int i = 0; i < 10; i++) {
        c.record(1, 1.0);
        c.record(8, 1.5);
    }
    for (int i = 0; i < 20; i++) {
        c.record(8, 3.0);
    }
    CHECK(c.of(1) > 1.5);
    for (int i = 0; i < 100; i++) {
        c.record(8, 3.0);
        c.record(1, 1.0); // it was these passes after all
    }
    CHECK(std::fabs(c.of(8) / c.of(1) - 3) < 0.1);
}

TEST(sizes_out_of_range_are_ignored) {
    pass_cost c;
    c.record(0, 1.0);
    c.record(17, 1.0);
    CHECK_EQ(c.of(1), 0.0);
}

MAIN
