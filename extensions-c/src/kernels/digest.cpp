#include "digest.h"

#include "cores.h"

#include <cstring>

namespace chq::kernels {

// The 128 bits of a product.
static digest multiply(uint64_t a, uint64_t b) {
#ifdef __SIZEOF_INT128__
    __extension__ typedef unsigned __int128 wide;
    const wide product = (wide) a * b;
    return { (uint64_t) product, (uint64_t) (product >> 64) };
#else
    const uint64_t low    = (a & 0xffffffff) * (b & 0xffffffff);
    const uint64_t first  = (a >> 32) * (b & 0xffffffff) + (low >> 32);
    const uint64_t second = (a & 0xffffffff) * (b >> 32) + (first & 0xffffffff);
    return { second << 32 | (low & 0xffffffff), (a >> 32) * (b >> 32) + (first >> 32) + (second >> 32) };
#endif
}

digest_seed seed_of(const uint8_t random[32]) {
    uint64_t word[4];
    memcpy(word, random, sizeof(word));
    digest_seed seed;
    digest state { word[0], word[1] };
    for (int i = -4; i < 12; i++) { // the first rounds only mix
        state = multiply(state.low ^ word[(i + 4) % 4] ^ 0x9e3779b97f4a7c15u, state.high ^ word[(i + 5) % 4] ^ (uint64_t) (i + 5) << 56);
        if (i >= 0) {
            seed.mask[i] = state.low ^ state.high ^ word[(i + 2) % 4];
        }
    }
    return seed;
}

constexpr size_t STEP = 64;

struct chains {
    digest at[4];

    void add(const digest_seed & seed, const uint8_t * bytes) {
        uint64_t w[8];
        memcpy(w, bytes, STEP);
        for (int i = 0; i < 4; i++) {
            at[i] = multiply(w[2*i] ^ at[i].high ^ seed.mask[2*i], w[2*i + 1] ^ at[i].low ^ seed.mask[2*i + 1]);
        }
    }
};

digest digest_of(const digest_seed & seed, const void * data, size_t size) {
    chains c {};
    const auto * bytes = (const uint8_t *) data;
    size_t at = 0;
    for (; at + STEP <= size; at += STEP) {
        c.add(seed, bytes + at);
    }
    if (at < size) {
        uint8_t rest[STEP] = {};
        memcpy(rest, bytes + at, size - at);
        c.add(seed, rest);
    }
    digest all { seed.mask[8], size };
    for (const digest & chain : c.at) {
        all = multiply(all.low ^ chain.low ^ seed.mask[9], all.high ^ chain.high ^ seed.mask[10]);
    }
    return { all.low ^ all.high, multiply(all.low ^ seed.mask[11], all.high ^ seed.mask[8]).high ^ all.low };
}

digest digest_on_cores(const digest_seed & seed, const void * data, size_t size, void (*done)(const void * data, size_t size)) {
    constexpr size_t  PIECE = 256 << 10;
    constexpr int64_t PART  = 32; // pieces
    const auto * bytes = (const uint8_t *) data;
    const auto   n     = (int64_t) ((size + PIECE - 1) / PIECE);
    std::vector<digest> pieces((size_t) n);
    for (int64_t first = 0; first < n; first += PART) {
        const int64_t end  = std::min(first + PART, n);
        const size_t  from = (size_t) first * PIECE;
        const size_t  part = std::min((size_t) (end - first) * PIECE, size - from);
        on_cores(first, end, 1, part, [&](int64_t i) {
            const size_t at = (size_t) i * PIECE;
            pieces[(size_t) i] = digest_of(seed, bytes + at, std::min(PIECE, size - at));
        });
        if (done) {
            done(bytes + from, part);
        }
    }
    return digest_of(seed, pieces.data(), pieces.size() * sizeof(digest));
}

} // namespace chq::kernels
