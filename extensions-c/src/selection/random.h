// Random numbers that are the same on every machine.
#pragma once

#include <cstdint>

namespace chq::selection {

// SplitMix64 (Steele, Lea, Flood, 2014).
class random_numbers {
public:
    explicit random_numbers(uint64_t seed) : state(seed) {}

    uint64_t next() {
        uint64_t z = state += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        return z ^ (z >> 31);
    }

    // From 0 to bound - 1, each as likely but for 1 in 2^32.
    int32_t below(int32_t bound) {
        return (int32_t) (((next() >> 32) * (uint64_t) bound) >> 32);
    }

private:
    uint64_t state;
};

} // namespace chq::selection
