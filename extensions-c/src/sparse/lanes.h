// The loops of sparse attention's choice, in the best instruction set of this CPU. They know nothing of ggml.
#pragma once

#include <cstddef>
#include <cstdint>

namespace chq::sparse {

constexpr int CHUNK = 32;      // cells that share the constants of a sketch
constexpr int WIDEST = 256;    // of a head at most, a multiple of 16

// Of one chunk and key head: means and steps of its channels as fp16, then codes of two bits. The codes of four channels of a cell lie in four
// neighbouring bytes, those of 16 cells make 64; each byte has the codes of four channels that lie four apart, the first in the lowest bits.
// A key's channel is about mean + (code - 1.5) * step.
constexpr size_t block_bytes(int d) { return (size_t) d * (2 + 2 + CHUNK / 4); }

struct lanes {
    const char * name;

    void (*halves)(const uint16_t * from, int n, float * to); // n: a multiple of 16

    // out[h] = q[h] . key, of `heads` queries [heads, d]
    void (*dots)(const float * q, int heads, int d, const float * key, float * out);

    // keys: [CHUNK, d]; the constants are those of the cells whose bits are set in `use`
    void (*encode)(const float * keys, int d, uint32_t use, uint8_t * block);

    // scores[h][i] = about q[h] . key i, for the cells of n blocks and `heads` queries [heads, d]
    void (*scan)(const uint8_t * blocks, int64_t n, const float * q, int heads, int d, float * const * scores);

    float (*largest)(const float * x, int64_t n);                 // n: a multiple of 16
    float (*exponentials)(float * x, int64_t n, float most);      // x = exp(x - most), gives the sum; n: a multiple of 16
    void  (*add)(const float * x, float by, int64_t n, float * to); // to += by * x; n: a multiple of 16
};

// Those that this CPU can run, best first, then NULL.
const lanes * const * lane_sets();

inline const lanes & best_lanes() { return *lane_sets()[0]; }

} // namespace chq::sparse
