// How often the token after the earlier occurrence of a repeated suffix comes again, by the length of the suffix. Counted at every token of an
// answer, guessed or not, so that a source of guesses that is not used is judged all the same.
#pragma once

#include <cstdint>

namespace chq {

class foresight {
public:
    foresight();

    void   record(int32_t length, bool hit);
    double probability(int32_t length) const; // length >= 1

private:
    static constexpr int BUCKETS = 10;
    static int bucket_of(int32_t length);

    double hits[BUCKETS];
    double trials[BUCKETS];
};

} // namespace chq
