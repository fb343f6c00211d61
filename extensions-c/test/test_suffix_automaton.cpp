// The suffix automaton against a search through the text.
#include "runner.h"

#include "draft/suffix_automaton.h"

#include <algorithm>
#include <random>

using chq::suffix_automaton;

namespace {

// Length of the longest suffix that also ends earlier.
int32_t longest(const std::vector<int32_t> & text) {
    const int n = (int) text.size();
    int best = 0;
    for (int end = 0; end < n - 1; end++) {
        int length = 0;
        while (length <= end && text[end - length] == text[n - 1 - length]) {
            length++;
        }
        best = std::max(best, length);
    }
    return best;
}

// Whether the suffix of that length, followed by these tokens, occurs before its own end.
bool continues(const std::vector<int32_t> & text, int32_t length, const std::vector<int32_t> & with) {
    std::vector<int32_t> longer = text;
    longer.insert(longer.end(), with.begin(), with.end());
    const int n = (int) text.size();
    for (int start = 0; start < n - length; start++) {
        if (std::equal(longer.begin() + (n - length), longer.end(), longer.begin() + start)) {
            return true;
        }
    }
    return false;
}

std::vector<int32_t> random_text(std::mt19937 & random, int tokens, int length) {
    std::vector<int32_t> text;
    while ((int) text.size() < length) {
        const int size = (int) text.size();
        if (size > 2 && random() % 4 == 0) { // a copy of a piece, as texts have them
            const int from = (int) (random() % size);
            const int n    = (int) (random() % 9);
            for (int i = 0; i < n; i++) {
                text.push_back(text[from + i]);
            }
        } else {
            text.push_back((int32_t) (random() % tokens));
        }
    }
    return text;
}

} // namespace

TEST(finds_what_a_search_finds_in_10000_texts) {
    std::mt19937 random(1);
    for (int n = 0; n < 10000; n++) {
        const std::vector<int32_t> text = random_text(random, 1 + (int) (random() % 6), 1 + (int) (random() % 40));
        suffix_automaton automaton;
        std::vector<int32_t> so_far;
        for (int32_t token : text) {
            automaton.add(token);
            so_far.push_back(token);
            const int32_t expected = longest(so_far);
            std::vector<int32_t> draft(5);
            REQUIRE(automaton.match_length() == expected);
            REQUIRE(automaton.continuation(draft.data(), 5) == (expected > 0 ? 5 : 0));
            REQUIRE(expected == 0 || continues(so_far, expected, draft));
        }
    }
}

TEST(continues_after_the_latest_of_several_places) {
    suffix_automaton automaton;
    for (int32_t token : { 1, 2, 3, 1, 2, 4, 1, 2 }) {
        automaton.add(token);
    }
    int32_t next = -1;
    CHECK_EQ(automaton.match_length(), 2);
    CHECK_EQ(automaton.continuation(&next, 1), 1);
    CHECK_EQ(next, 4);
}

TEST(a_long_text_is_forgotten_by_halves) {
    suffix_automaton automaton(1000);
    std::mt19937 random(2);
    size_t most = 0;
    for (int i = 0; i < 20000; i++) {
        automaton.add((int32_t) (random() % 50));
        most = std::max(most, automaton.bytes());
        REQUIRE(automaton.size() <= 1000);
    }
    CHECK(most < 1000 * 400);
    for (int i = 0; i < 100; i++) {
        automaton.add(7);
    }
    CHECK_EQ(automaton.match_length(), 99);
}

TEST(the_longest_text_is_remembered_in_40_mebibytes) {
    for (const int tokens : { 2, 300, 152000 }) {
        suffix_automaton automaton;
        std::mt19937 random(3);
        for (size_t before = 0; automaton.size() >= before;) { // until the older half is forgotten
            before = automaton.size();
            automaton.add((int32_t) (random() % (uint32_t) tokens));
            REQUIRE(automaton.bytes() < 40u << 20);
        }
    }
}

TEST(one_token_again_and_again_takes_no_longer) {
    suffix_automaton automaton;
    for (int i = 0; i < 200000; i++) {
        automaton.add(3);
    }
    CHECK_EQ(automaton.match_length(), 199999);
}

MAIN
