// 128 bits that stand for a piece of memory, at about the speed of reading it.
//
// Four chains of products; each step multiplies 64 by 64 bits, both factors carrying what came before and 64 bits of data, masked with bits of
// the seed: whoever does not know it cannot look for two contents of one digest.
#pragma once

#include <cstddef>
#include <cstdint>

namespace chq::kernels {

struct digest {
    uint64_t low  = 0;
    uint64_t high = 0;
    bool operator==(const digest & other) const { return low == other.low && high == other.high; }
    bool operator!=(const digest & other) const { return !(*this == other); }
};

struct digest_seed {
    uint64_t mask[12];
};

// Expands 32 random bytes.
digest_seed seed_of(const uint8_t random[32]);

// On the calling thread.
digest digest_of(const digest_seed & seed, const void * data, size_t size);

// On all cores; another value than digest_of, the same on every machine. `done`, if any, is told of each part once it has been read.
digest digest_on_cores(const digest_seed & seed, const void * data, size_t size, void (*done)(const void * data, size_t size) = nullptr);

} // namespace chq::kernels
