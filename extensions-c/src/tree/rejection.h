// Recursive rejection sampling without replacement: verifies guesses that were drawn from a draft model's law, so that what comes out has the
// target's law (Jeon et al., "Recursive Speculative Decoding", 2024; also in Sequoia and DySpec). For guesses that were not drawn it is wrong.
#pragma once

#include <cstdint>
#include <vector>

namespace chq {

// Probabilities by token, in the order of tokens; tokens that are not named have none. They sum to 1 but for rounding.
struct law {
    struct entry {
        int32_t token;
        double  p;
    };
    std::vector<entry> entries;

    void   normalise();
    double of(int32_t token) const;
    void   remove(int32_t token); // and normalise
};

// What is left to chance.
class chance {
public:
    virtual ~chance() = default;
    virtual bool    happens(double probability) = 0;
    virtual int32_t draw(const law & from)      = 0;
};

// The same for the same seed and position in the text, whatever was drawn before.
class position_random final : public chance {
public:
    position_random(uint64_t seed, uint64_t position) : state(seed * 0x9e3779b97f4a7c15u ^ (position + 1) * 0xd6e8feb86659fd93u) {}
    double  uniform(); // in [0, 1)
    bool    happens(double probability) override { return uniform() < probability; }
    int32_t draw(const law & from) override;

private:
    uint64_t state;
};

struct verdict {
    int32_t token;
    int32_t sibling; // the index of the sibling that was accepted, -1 = none: the token is drawn from what the siblings left of the target's law
};

// siblings: drawn one after the other from the draft's law, each without those before.
verdict verify_drawn(law target, law draft, const std::vector<int32_t> & siblings, chance & by);

} // namespace chq
