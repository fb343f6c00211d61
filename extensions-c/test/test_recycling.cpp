// The table of recycled tokens against a map, and its saved form.
#include "runner.h"

#include "draft/recycling.h"

#include <cmath>
#include <cstring>
#include <map>
#include <random>
#include <vector>

using chq::recycling;

namespace {

constexpr int32_t N_VOCAB = 50;

struct row {
    int32_t tokens[recycling::K];
    float   logits[recycling::K];
};

row some_row(std::mt19937 & random) {
    row r;
    float logit = 10;
    for (int i = 0; i < recycling::K; i++) {
        r.tokens[i] = (int32_t) (random() % N_VOCAB);
        r.logits[i] = logit;
        logit -= (float) (random() % 1000) / 300;
    }
    return r;
}

std::vector<int32_t> some_context(std::mt19937 & random) {
    std::vector<int32_t> context((size_t) (1 + random() % recycling::LONGEST));
    for (int32_t & token : context) {
        token = (int32_t) (random() % 8);
    }
    return context;
}

using naive = std::map<std::vector<int32_t>, row>;

void learn(recycling & table, naive & all, const std::vector<int32_t> & context, const row & r) {
    table.learn(context.data(), (int) context.size(), r.tokens, r.logits);
    for (size_t n = 1; n <= context.size(); n++) {
        all[std::vector<int32_t>(context.end() - (ptrdiff_t) n, context.end())] = r;
    }
}

// But for a context in a hundred, which a full bucket may have lost: then a shorter one answers.
void check_same(const recycling & table, const naive & all, std::mt19937 & random) {
    int lost = 0;
    for (int i = 0; i < 2000; i++) {
        const std::vector<int32_t> context = some_context(random);
        int order = 0;
        const recycling::successors * found = table.find(context.data(), (int) context.size(), &order);
        size_t n = context.size();
        auto expected = all.end();
        while (n > 0 && (expected = all.find(std::vector<int32_t>(context.end() - (ptrdiff_t) n, context.end()))) == all.end()) {
            n--;
        }
        REQUIRE((found != nullptr) == (n > 0));
        if (found && order < (int) n) {
            lost++;
        } else if (found) {
            CHECK_EQ(order, (int) n);
            CHECK(memcmp(found->token, expected->second.tokens, sizeof(found->token)) == 0);
        }
    }
    CHECK(lost <= 20);
}

} // namespace

TEST(the_longest_known_context_answers) {
    std::mt19937 random(1);
    recycling table(N_VOCAB, 1 << 16);
    naive all;
    int order;
    const int32_t token = 3;
    CHECK(table.find(&token, 1, &order) == nullptr);
    for (int i = 0; i < 3000; i++) {
        learn(table, all, some_context(random), some_row(random));
    }
    CHECK(table.entries() <= all.size() && table.entries() + 12 >= all.size());
    check_same(table, all, random);
    CHECK(table.find(&token, 0, &order) == nullptr);
    table.clear();
    CHECK_EQ(table.entries(), (size_t) 0);
    CHECK_EQ(table.bytes(), (size_t) 0);
    CHECK(table.find(&token, 1, &order) == nullptr);
}

TEST(shares_are_those_of_the_logits) {
    recycling table(N_VOCAB);
    const int32_t tokens[recycling::K] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const float   logits[recycling::K] = { 5, 5 - std::log(2.0f), -50, -50, -50, -INFINITY, -INFINITY, NAN };
    const int32_t context = 9;
    table.learn(&context, 1, tokens, logits);
    int order;
    const recycling::successors * s = table.find(&context, 1, &order);
    REQUIRE(s != nullptr);
    CHECK_EQ((int) s->share[0], 170);
    CHECK_EQ((int) s->share[1], 85);
    CHECK_EQ((int) s->share[2], 1); // known, if hardly
    CHECK_EQ((int) s->share[5], 0);
    CHECK_EQ((int) s->share[7], 0);
}

TEST(a_full_table_forgets_the_oldest_and_stays_within_its_size) {
    std::mt19937 random(2);
    recycling table(N_VOCAB, 64);
    size_t bytes = 0;
    for (int32_t i = 0; i < 10000; i++) {
        const std::vector<int32_t> context = { (int32_t) (random() % N_VOCAB), (int32_t) (random() % N_VOCAB), (int32_t) (random() % N_VOCAB) };
        const row r = some_row(random);
        table.learn(context.data(), 3, r.tokens, r.logits);
        int order = 0;
        const recycling::successors * s = table.find(context.data(), 3, &order);
        REQUIRE(s != nullptr);
        CHECK_EQ(order, 3); // the newest is there
        CHECK(memcmp(s->token, r.tokens, sizeof(s->token)) == 0);
        bytes = i == 0 ? table.bytes() : bytes;
        CHECK_EQ(table.bytes(), bytes);
    }
    CHECK(table.entries() <= 64 + N_VOCAB);
}

// With the suffix automaton (test_suffix_automaton.cpp) all that guesses are made from stays below 64 MiB.
TEST(a_full_table_of_a_large_vocabulary_is_small) {
    constexpr int32_t LARGE = 152000;
    std::mt19937 random(6);
    recycling table(LARGE);
    for (int i = 0; i < 300000; i++) {
        int32_t context[recycling::LONGEST];
        for (int32_t & token : context) {
            token = (int32_t) (random() % LARGE);
        }
        const row r = some_row(random);
        table.learn(context, recycling::LONGEST, r.tokens, r.logits);
    }
    CHECK(table.entries() > LARGE / 2 + (1 << 17)); // it is full
    CHECK(table.bytes() < 22u << 20);
}

TEST(a_saved_table_is_the_same) {
    std::mt19937 random(3);
    recycling table(N_VOCAB, 1 << 14);
    naive all;
    for (int i = 0; i < 3000; i++) {
        learn(table, all, some_context(random), some_row(random));
    }
    const std::vector<uint8_t> bytes = table.save();
    recycling other(N_VOCAB, 1 << 14);
    CHECK(other.load(bytes.data(), bytes.size()));
    CHECK_EQ(other.entries(), table.entries());
    check_same(other, all, random);
    CHECK(other.save() == bytes);

    recycling empty(N_VOCAB);
    const std::vector<uint8_t> nothing = empty.save();
    CHECK(other.load(nothing.data(), nothing.size()));
    CHECK_EQ(other.entries(), (size_t) 0);
}

TEST(damaged_and_foreign_bytes_change_nothing) {
    std::mt19937 random(4);
    recycling table(N_VOCAB, 1 << 10);
    naive all;
    for (int i = 0; i < 50; i++) {
        learn(table, all, some_context(random), some_row(random));
    }
    const std::vector<uint8_t> bytes = table.save();
    recycling larger(N_VOCAB + 1, 1 << 10);
    CHECK(!larger.load(bytes.data(), bytes.size()));
    recycling other(N_VOCAB, 1 << 10);
    CHECK(other.load(bytes.data(), bytes.size()));
    for (size_t size = 0; size < bytes.size(); size += 1 + size / 20) {
        CHECK(!other.load(bytes.data(), size));
    }
    for (int i = 0; i < 2000; i++) {
        std::vector<uint8_t> damaged = bytes;
        damaged[random() % damaged.size()] ^= (uint8_t) (1 + random() % 255);
        recycling victim(N_VOCAB, 1 << 10);
        if (victim.load(damaged.data(), damaged.size())) {
            // then it holds nothing that is not a token
            for (int32_t token = 0; token < N_VOCAB; token++) {
                int order;
                if (const recycling::successors * s = victim.find(&token, 1, &order)) {
                    for (int32_t t : s->token) {
                        REQUIRE(t >= 0 && t < N_VOCAB);
                    }
                }
            }
        }
    }
    check_same(other, all, random);
}

MAIN
