// Recursive rejection sampling on small laws, with every course of chance tried and weighed.
#include "runner.h"

#include "tree/rejection.h"

#include <cmath>
#include <map>
#include <random>

using namespace chq;

namespace {

// Follows a list of decisions and notes where it could have gone otherwise.
class course final : public chance {
public:
    explicit course(std::vector<int> decisions) : decisions(std::move(decisions)) {}

    bool happens(double p) override { return decide({ 1 - p, p }) == 1; }
    int32_t draw(const law & from) override {
        std::vector<double> p;
        for (const law::entry & e : from.entries) {
            p.push_back(e.p);
        }
        return from.entries[(size_t) decide(p)].token;
    }

    double           weight = 1;
    std::vector<int> decisions;
    std::vector<int> ways; // how many there were at each

private:
    int decide(const std::vector<double> & p) {
        if (next == decisions.size()) {
            decisions.push_back(0);
        }
        const int d = decisions[next++];
        ways.push_back((int) p.size());
        weight *= p[(size_t) d];
        return d;
    }

    size_t next = 0;
};

// The sum of weights by outcome, over all courses.
template <class Run>
std::map<std::vector<int32_t>, double> enumerate(Run run) {
    std::map<std::vector<int32_t>, double> total;
    std::vector<int> decisions;
    for (;;) {
        course c(decisions);
        const std::vector<int32_t> outcome = run(c);
        total[outcome] += c.weight;
        decisions = c.decisions;
        while (!decisions.empty() && decisions.back() + 1 == c.ways[decisions.size() - 1]) {
            decisions.pop_back();
        }
        if (decisions.empty()) {
            return total;
        }
        decisions.back()++;
    }
}

law some_law(int n, std::mt19937 & random, bool gaps) {
    law l;
    for (int32_t token = 0; token < n; token++) {
        if (!gaps || random() % 4 != 0) {
            l.entries.push_back({ token, 0.01 + (double) (random() % 1000) });
        }
    }
    if (l.entries.empty()) {
        l.entries.push_back({ 0, 1 });
    }
    l.normalise();
    return l;
}

std::vector<int32_t> draw_siblings(law from, int n, chance & by) {
    std::vector<int32_t> siblings;
    while ((int) siblings.size() < n && !from.entries.empty()) {
        siblings.push_back(by.draw(from));
        from.remove(siblings.back());
    }
    return siblings;
}

} // namespace

TEST(a_law_keeps_its_order_and_sum) {
    law l;
    l.entries = { { 2, 1 }, { 5, 2 }, { 9, 1 } };
    l.normalise();
    CHECK_EQ(l.of(5), 0.5);
    CHECK_EQ(l.of(3), 0.0);
    l.remove(5);
    CHECK_EQ(l.of(2), 0.5);
    l.remove(5);
    CHECK_EQ(l.entries.size(), (size_t) 2);
}

TEST(one_step_has_the_targets_law) {
    std::mt19937 random(1);
    for (int round = 0; round < 100; round++) {
        const int n = 2 + (int) (random() % 3);
        const law target = some_law(n, random, round % 2 != 0);
        const law draft  = some_law(n, random, round % 3 != 0);
        for (int k = 0; k <= n; k++) {
            const auto total = enumerate([&](chance & by) {
                return std::vector<int32_t> { verify_drawn(target, draft, draw_siblings(draft, k, by), by).token };
            });
            for (int32_t token = 0; token < n; token++) {
                const auto at = total.find({ token });
                REQUIRE(std::fabs((at == total.end() ? 0 : at->second) - target.of(token)) < 1e-9);
            }
        }
    }
}

// A tree of two levels over conditional laws: the joint law of two tokens is the target's, whichever of them were guessed.
TEST(two_levels_have_the_targets_joint_law) {
    std::mt19937 random(2);
    constexpr int N = 3;
    for (int round = 0; round < 10; round++) {
        const law p0 = some_law(N, random, false);
        const law q0 = some_law(N, random, false);
        std::vector<law> p1;
        std::vector<law> q1;
        for (int i = 0; i < N; i++) {
            p1.push_back(some_law(N, random, false));
            q1.push_back(some_law(N, random, false));
        }
        const auto total = enumerate([&](chance & by) {
            const std::vector<int32_t> first = draw_siblings(q0, 2, by);
            const verdict a = verify_drawn(p0, q0, first, by);
            // a guessed token has a child of its own, drawn before anything was verified; what it would have been does not matter otherwise
            const std::vector<int32_t> second = a.sibling >= 0 ? draw_siblings(q1[(size_t) a.token], 1, by) : std::vector<int32_t> {};
            return std::vector<int32_t> { a.token, verify_drawn(p1[(size_t) a.token], q1[(size_t) a.token], second, by).token };
        });
        for (int32_t a = 0; a < N; a++) {
            for (int32_t b = 0; b < N; b++) {
                REQUIRE(std::fabs(total.at({ a, b }) - p0.of(a) * p1[(size_t) a].of(b)) < 1e-9);
            }
        }
    }
}

// What makes the test one: leaving out a part of the rule shows.
TEST(a_ratio_test_of_guesses_that_were_not_drawn_is_wrong) {
    law target;
    law draft;
    target.entries = { { 0, 0.5 }, { 1, 0.3 }, { 2, 0.2 } };
    draft.entries  = { { 0, 0.6 }, { 1, 0.3 }, { 2, 0.1 } };
    const auto total = enumerate([&](chance & by) { return std::vector<int32_t> { verify_drawn(target, draft, { 0 }, by).token }; });
    CHECK(std::fabs(total.at({ 0 }) - 0.5) > 0.1);
}

TEST(random_numbers_depend_on_seed_and_position_only_and_are_even) {
    position_random a(1, 2);
    position_random b(1, 2);
    position_random c(1, 3);
    position_random d(2, 2);
    const double x = a.uniform();
    CHECK_EQ(x, b.uniform());
    CHECK(x != c.uniform());
    CHECK(x != d.uniform());
    int counts[16] = {};
    for (int i = 0; i < 16000; i++) {
        position_random r(7, (uint64_t) i);
        counts[(int) (r.uniform() * 16)]++;
    }
    double chi = 0;
    for (int n : counts) {
        chi += (n - 1000.0) * (n - 1000.0) / 1000;
    }
    CHECK(chi < 37.7); // 15 degrees of freedom, p = 0.001
}

MAIN
