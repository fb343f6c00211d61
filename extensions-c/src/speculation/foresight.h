// How often what a source of guesses names comes true, by what it knew when it named it. Counted at every token of an answer, guessed or not, so
// that a source that is not used is judged all the same.
#pragma once

#include <cstdint>

namespace chq {

// The circumstances of a guess, as one of a fixed number.
namespace circumstance {

// Whether the other source names the same token.
enum agreement { UNKNOWN, BEST, AMONG, ABSENT }; // it knows nothing; as its best; among its others; not at all
constexpr int AGREEMENTS = 4;

// What else was named while a recycled token was.
enum rival { NONE, WEAK, STRONG }; // no repetition; another token after a short repeated suffix; after a long one
constexpr int RIVALS = 3;

constexpr int LENGTHS = 10; // kinds of lengths of a repeated suffix
constexpr int SHARES  = 8;  // kinds of shares of a recycled token
constexpr int ORDERS  = 4;  // of its context
constexpr int STREAKS = 8;  // suggested tokens that came true in a row, up to

constexpr int REPEATED  = 0;
constexpr int RECYCLED  = REPEATED + LENGTHS * AGREEMENTS;
constexpr int SUGGESTED = RECYCLED + ORDERS * SHARES * RIVALS;
constexpr int COUNT     = SUGGESTED + STREAKS;

int of_repeated(int32_t length, agreement with);        // length >= 1
int of_recycled(int order, uint8_t share, rival to);    // order 1..4
int of_suggested(int streak);

} // namespace circumstance

// Counts that outlive an answer.
class experience {
public:
    experience();
    void   record(int circumstance, bool hit);
    double probability(int circumstance) const;

private:
    float hits[circumstance::COUNT];
    float trials[circumstance::COUNT];
};

// Those of one answer, which begin with what is known of others: with that of the circumstance, times how much more or less often than the others'
// experience says the source's guesses have come true here.
class foresight {
public:
    void   record(int circumstance, bool hit, const experience & others);
    double probability(int circumstance, const experience & others) const;

private:
    struct source {
        float hits     = 0;
        float expected = 0;
    };
    static int source_of(int circumstance);

    float  hits[circumstance::COUNT]   = {};
    float  trials[circumstance::COUNT] = {};
    source sources[3];
};

} // namespace chq
