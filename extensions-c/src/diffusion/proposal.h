// What a row of logits proposes for its position.
#pragma once

#include <cstdint>

namespace chq {

struct proposal {
    int32_t token;
    float   probability; // of the token, at temperature 1
    float   entropy;     // nats, at temperature 1
    float   margin;      // between the probabilities of the best two
};

// excluded: a token that is never proposed and has no probability; -1 = none. uniform: in [0, 1), decides what is drawn when temperature > 0.
proposal propose(const float * logits, int32_t n_vocab, int32_t excluded, float temperature, double uniform);

// A number in [0, 1) for a position, always the same for a seed.
double uniform_of(uint64_t seed, int32_t position);

} // namespace chq
