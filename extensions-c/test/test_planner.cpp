// Trees of guesses against what the sources know and what passes cost.
#include "runner.h"

#include "speculation/planner.h"

#include <algorithm>
#include <cmath>
#include <random>

using namespace chq;

namespace {

constexpr int32_t N_VOCAB = 40;

constexpr planner::limits ALL = { CHQ_DRAFT_ALL, CHQ_DRAFT_MAX, 16, 100, 1e9 };

// A pass over n rows costs seconds[n - 1], the rest as the last.
pass_cost costs(const std::vector<double> & seconds) {
    pass_cost cost;
    for (int n = 1; n <= pass_cost::MOST; n++) {
        const double s = n <= (int) seconds.size() ? seconds[(size_t) n - 1] : seconds.back();
        for (int i = 0; i < 3; i++) {
            cost.record(n, s);
        }
    }
    return cost;
}

pass_cost flat() { return costs({ 1 }); }

void teach(draft_memory & memory, std::vector<int32_t> context, const std::vector<std::pair<int32_t, float>> & next) {
    int32_t tokens[recycling::K];
    float   logits[recycling::K];
    for (int i = 0; i < recycling::K; i++) {
        tokens[i] = i < (int) next.size() ? next[(size_t) i].first : 0;
        logits[i] = i < (int) next.size() ? std::log(next[(size_t) i].second) : -INFINITY;
    }
    memory.successors.learn(context.data(), (int) context.size(), tokens, logits);
}

std::vector<int32_t> path(const chq_tree & tree, int32_t node) {
    std::vector<int32_t> tokens;
    for (; node > 0; node = tree.nodes[(size_t) node].parent) {
        tokens.insert(tokens.begin(), tree.nodes[(size_t) node].token);
    }
    return tokens;
}

double expected(const chq_tree & tree) {
    double sum = 0;
    for (const tree_node & node : tree.nodes) {
        sum += node.probability;
    }
    return sum;
}

void check_valid(const chq_tree & tree, const planner::limits & limits) {
    CHECK(tree.size() <= limits.nodes + 1);
    CHECK(tree.n_leaves() <= limits.leaves);
    for (int32_t i = 0; i < tree.size(); i++) {
        const tree_node & node = tree.nodes[(size_t) i];
        REQUIRE(node.parent < i);
        CHECK(node.depth <= limits.depth);
        CHECK(node.probability >= 0 && node.probability <= 1);
        for (int32_t j = i + 1; j < tree.size(); j++) {
            CHECK(tree.nodes[(size_t) j].parent != node.parent || tree.nodes[(size_t) j].token != node.token);
        }
    }
}

} // namespace

TEST(nothing_known_is_no_guess) {
    draft_memory memory(N_VOCAB);
    planner p(memory);
    const int32_t text[] = { 1, 2, 3 };
    p.begin(text, 3);
    chq_tree tree;
    p.plan(tree, ALL, flat(), true);
    CHECK_EQ(tree.size(), 1);
    CHECK_EQ(tree.nodes[0].token, 3);
}

TEST(nothing_measured_is_no_guess) {
    draft_memory memory(N_VOCAB);
    planner p(memory);
    const int32_t text[] = { 1, 2, 3, 1, 2, 3, 1, 2 };
    p.begin(text, 8);
    chq_tree tree;
    p.plan(tree, ALL, pass_cost(), false);
    CHECK_EQ(tree.size(), 1);
    p.plan(tree, ALL, flat(), false);
    CHECK(path(tree, 3) == (std::vector<int32_t> { 3, 1, 2 }));
    CHECK_EQ((int) p.source_of(1), (int) CHQ_DRAFT_REPEATED);
}

TEST(what_each_source_knows_is_in_the_tree) {
    draft_memory memory(N_VOCAB);
    teach(memory, { 3 }, { { 10, 0.6f }, { 11, 0.4f } });
    teach(memory, { 10 }, { { 12, 1 } });
    teach(memory, { 3, 11 }, { { 13, 1 } });
    teach(memory, { 11 }, { { 14, 1 } });
    planner p(memory);
    const int32_t text[] = { 3, 20, 21, 3 };
    const int32_t hint[] = { 30, 31 };
    p.begin(text, 4);
    p.suggest(hint, 2);
    chq_tree tree;
    p.plan(tree, ALL, flat(), true);
    check_valid(tree, ALL);
    std::vector<std::vector<int32_t>> paths;
    for (int32_t i = 1; i < tree.size(); i++) {
        paths.push_back(path(tree, i));
    }
    const auto has = [&](std::vector<int32_t> wanted) { return std::find(paths.begin(), paths.end(), wanted) != paths.end(); };
    CHECK(has({ 20, 21, 3 }));
    CHECK(has({ 10, 12 }));
    CHECK(has({ 11, 13 })); // the longer context answers, not { 11 } alone
    CHECK(!has({ 11, 14 }));
    CHECK(has({ 30, 31 }));
    planner::limits only = ALL;
    only.sources = CHQ_DRAFT_SUGGESTED;
    p.plan(tree, only, flat(), true);
    CHECK_EQ(tree.size(), 3);
    only.sources = 0;
    p.plan(tree, only, flat(), true);
    CHECK_EQ(tree.size(), 1);
}

TEST(limits_hold) {
    std::mt19937 random(1);
    draft_memory memory(N_VOCAB);
    for (int i = 0; i < 300; i++) {
        teach(memory, { (int32_t) (random() % N_VOCAB) }, { { (int32_t) (random() % N_VOCAB), 0.5f }, { (int32_t) (random() % N_VOCAB), 0.3f }, { (int32_t) (random() % N_VOCAB), 0.2f } });
    }
    for (int round = 0; round < 500; round++) {
        planner p(memory);
        std::vector<int32_t> text(1 + random() % 50);
        for (int32_t & token : text) {
            token = (int32_t) (random() % N_VOCAB);
        }
        p.begin(text.data(), (int32_t) text.size());
        for (int i = 0; i < 5; i++) {
            p.add((int32_t) (random() % N_VOCAB));
        }
        const planner::limits limits = { 1 + (uint32_t) (random() % CHQ_DRAFT_ALL), (int32_t) (random() % 16), 1 + (int32_t) (random() % 6), (int32_t) (random() % 6), 1e9 };
        chq_tree tree;
        p.plan(tree, limits, flat(), random() % 2 != 0);
        check_valid(tree, limits);
    }
}

// Of all trees of its size that the sources allow, the chosen one expects most: found by trying them all.
TEST(the_tree_is_the_best_of_its_size) {
    std::mt19937 random(2);
    for (int round = 0; round < 30; round++) {
        draft_memory memory(N_VOCAB);
        for (int32_t token = 0; token < 6; token++) {
            const float a = 0.1f + (float) (random() % 80) / 100;
            teach(memory, { token }, { { (int32_t) (random() % 3), a }, { 3 + (int32_t) (random() % 3), 1 - a } });
        }
        planner p(memory);
        const int32_t text[] = { 1 };
        p.begin(text, 1);
        // the whole tree of depth 4, whose best nodes those of the chosen one must be
        planner::limits limits = { CHQ_DRAFT_RECYCLED, CHQ_DRAFT_MAX, 100, 4, 1e9 };
        chq_tree tree;
        p.plan(tree, limits, flat(), true);
        std::vector<double> all;
        const auto visit = [&](auto & self, int32_t token, double probability, int depth) -> void {
            if (depth == 4) {
                return;
            }
            int order = 0;
            const recycling::successors * next = memory.successors.find(&token, 1, &order);
            for (int i = 0; next && i < recycling::K && next->share[i] > 0; i++) {
                const double path = probability * foresight().probability(circumstance::of_recycled(1, next->share[i], circumstance::NONE), memory.rates);
                all.push_back(path);
                self(self, next->token[i], path, depth + 1);
            }
        };
        visit(visit, 1, 1, 0);
        std::sort(all.rbegin(), all.rend());
        double best = 1;
        for (int i = 0; i < tree.size() - 1; i++) {
            best += all[(size_t) i];
        }
        CHECK_EQ(tree.size(), CHQ_DRAFT_MAX + 1);
        CHECK(std::abs(expected(tree) - best) < 1e-5);
    }
}

// As many guesses as give most tokens a second, though the costs go in steps.
TEST(the_size_is_the_fastest) {
    std::mt19937 random(3);
    for (int round = 0; round < 300; round++) {
        draft_memory memory(N_VOCAB);
        for (int32_t token = 0; token < 6; token++) {
            const float a = 0.1f + (float) (random() % 80) / 100;
            teach(memory, { token }, { { (int32_t) (random() % 3), a }, { 3 + (int32_t) (random() % 3), 1 - a } });
        }
        planner p(memory);
        const int32_t text[] = { 1 };
        p.begin(text, 1);
        std::vector<double> seconds = { 1 };
        while (seconds.size() < 16) {
            seconds.push_back(seconds.back() + (random() % 3 == 0 ? (double) (random() % 100) / 100 : 0));
        }
        const pass_cost cost = costs(seconds);
        chq_tree whole;
        chq_tree chosen;
        p.plan(whole, ALL, cost, true);
        p.plan(chosen, ALL, cost, false);
        double sum  = 0;
        double best = 1.06; // of plain steps, to be worth it
        int    size = 1;
        for (int n = 1; n <= whole.size(); n++) {
            sum += whole.nodes[(size_t) n - 1].probability;
            if (sum / seconds[(size_t) n - 1] > best * (1 + 1e-9)) {
                best = sum / seconds[(size_t) n - 1];
                size = n;
            }
        }
        CHECK_EQ(chosen.size(), size);
    }
}

// However good a guess looks, it may not cost more than was allowed.
TEST(the_cost_stays_within_its_limit) {
    draft_memory memory(N_VOCAB);
    planner p(memory);
    std::vector<int32_t> text;
    for (int i = 0; i < 60; i++) {
        text.push_back(i % 5);
    }
    p.begin(text.data(), (int32_t) text.size());
    std::vector<double> seconds;
    for (int n = 1; n <= 16; n++) {
        seconds.push_back(1 + 0.1 * (n - 1));
    }
    chq_tree tree;
    planner::limits limits = ALL;
    p.plan(tree, limits, costs(seconds), false);
    CHECK(tree.size() > 8);
    limits.cost = 1.45;
    p.plan(tree, limits, costs(seconds), false);
    CHECK_EQ(tree.size(), 5);
}

TEST(a_source_that_is_wrong_is_used_less_and_one_that_is_right_more) {
    draft_memory memory(N_VOCAB);
    planner p(memory);
    std::vector<int32_t> text;
    for (int i = 0; i < 30; i++) {
        text.push_back(i % 3);
    }
    p.begin(text.data(), (int32_t) text.size());
    chq_tree tree;
    planner::limits limits = { CHQ_DRAFT_SUGGESTED, 4, 1, 100, 1e9 };
    double before = 0;
    for (int i = 0; i < 60; i++) {
        const int32_t hint[] = { 7, 8, 9, 10 };
        p.suggest(hint, 4);
        p.plan(tree, limits, flat(), true);
        if (i == 0) {
            before = tree.nodes[1].probability;
        }
        p.add(7);
    }
    CHECK(tree.nodes[1].probability > std::max(before, 0.8));
    for (int i = 0; i < 100; i++) {
        const int32_t hint[] = { 7 };
        p.suggest(hint, 1);
        p.add(20);
    }
    p.plan(tree, limits, costs({ 1, 1.5 }), false);
    CHECK_EQ(tree.size(), 1);
}

MAIN
