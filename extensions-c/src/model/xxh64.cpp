#include "model/xxh64.h"

#include <cstring>

namespace chq {

namespace {

// XXH64, the algorithm of Yann Collet's specification.
constexpr uint64_t P1 = 0x9E3779B185EBCA87ull;
constexpr uint64_t P2 = 0xC2B2AE3D27D4EB4Full;
constexpr uint64_t P3 = 0x165667B19E3779F9ull;
constexpr uint64_t P4 = 0x85EBCA77C2B2AE63ull;
constexpr uint64_t P5 = 0x27D4EB2F165667C5ull;

uint64_t rotate(uint64_t x, int n) { return (x << n) | (x >> (64 - n)); }
uint64_t lane64(const uint8_t * p) { uint64_t x; memcpy(&x, p, 8); return x; }
uint32_t lane32(const uint8_t * p) { uint32_t x; memcpy(&x, p, 4); return x; }
uint64_t mix(uint64_t sum, uint64_t lane) { return rotate(sum + lane * P2, 31) * P1; }
uint64_t merge(uint64_t hash, uint64_t sum) { return (hash ^ mix(0, sum)) * P1 + P4; }

} // namespace

uint64_t xxh64(const uint8_t * p, size_t n, uint64_t seed) {
    const uint8_t * end = p + n;
    uint64_t hash;
    if (n >= 32) {
        uint64_t a = seed + P1 + P2;
        uint64_t b = seed + P2;
        uint64_t c = seed;
        uint64_t d = seed - P1;
        for (; end - p >= 32; p += 32) {
            a = mix(a, lane64(p));
            b = mix(b, lane64(p + 8));
            c = mix(c, lane64(p + 16));
            d = mix(d, lane64(p + 24));
        }
        hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
        hash = merge(merge(merge(merge(hash, a), b), c), d);
    } else {
        hash = seed + P5;
    }
    hash += n;
    for (; end - p >= 8; p += 8) {
        hash = rotate(hash ^ mix(0, lane64(p)), 27) * P1 + P4;
    }
    if (end - p >= 4) {
        hash = rotate(hash ^ lane32(p) * P1, 23) * P2 + P3;
        p += 4;
    }
    for (; p < end; ++p) {
        hash = rotate(hash ^ *p * P5, 11) * P1;
    }
    hash = (hash ^ hash >> 33) * P2;
    hash = (hash ^ hash >> 29) * P3;
    return hash ^ hash >> 32;
}

} // namespace chq
