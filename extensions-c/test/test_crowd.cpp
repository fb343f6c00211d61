// The choice of threads, on invented times.
#include "runner.h"

#include "context/crowd.h"

using chq::crowd;

namespace {

struct machine {
    double full_step  = 0.004; // seconds a token takes
    double fewer_step = 0.006;
    double share      = 1;     // of its cores that the program gets
};

// Runs for so many seconds, gives the mean time of a token.
double run(crowd & c, const machine & m, int threads, double seconds) {
    double time  = 0;
    int    steps = 0;
    while (time < seconds) {
        const double step = c.threads() == threads ? m.full_step : m.fewer_step;
        c.record(step, step * c.threads() * (c.threads() == threads ? m.share : 1));
        time += step;
        steps++;
    }
    return time / steps;
}

} // namespace

TEST(alone_all_threads_are_used) {
    crowd c(2);
    const machine quiet;
    CHECK(run(c, quiet, 2, 60) < quiet.full_step * 1.0001);
    CHECK_EQ(c.threads(), 2);
}

TEST(one_thread_is_never_taken_away) {
    crowd c(1);
    machine m;
    m.share = 0.3;
    run(c, m, 1, 10);
    CHECK_EQ(c.threads(), 1);
}

TEST(a_neighbour_costs_a_thread_while_it_is_there) {
    crowd c(2);
    const machine quiet;
    machine crowded;
    crowded.full_step = 0.016;
    crowded.share     = 0.7;
    run(c, quiet, 2, 5);
    CHECK(run(c, crowded, 2, 20) < crowded.fewer_step * 1.2);
    run(c, quiet, 2, 20);
    CHECK_EQ(c.threads(), 2);
    CHECK(run(c, quiet, 2, 5) < quiet.full_step * 1.0001);
}

TEST(a_neighbour_is_noticed_by_time_where_the_system_tells_nothing_else) {
    crowd c(4);
    machine m;
    m.share = 0; // no processor time known
    run(c, m, 4, 5);
    CHECK_EQ(c.threads(), 4);
    m.full_step = 0.016;
    run(c, m, 4, 1);
    CHECK_EQ(c.threads(), 3);
}

TEST(a_thread_less_that_is_no_faster_is_given_up) {
    crowd c(2);
    machine m;
    m.share      = 0.7; // another thread of this program computes
    m.fewer_step = 0.008;
    CHECK(run(c, m, 2, 60) < m.full_step * 1.02);
}

TEST(a_text_that_grows_slower_is_no_neighbour) {
    crowd c(2);
    machine m;
    double cost = 0;
    for (int i = 0; i < 100; i++) {
        m.full_step  *= 1.02;
        m.fewer_step *= 1.02;
        cost += run(c, m, 2, 1) / m.full_step / 100;
    }
    CHECK(cost < 1.02);
    CHECK_EQ(c.threads(), 2);
}

MAIN
