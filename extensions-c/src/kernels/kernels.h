// The kernels of one instruction set, and the choice among them. No ggml types here: weights and activations are bytes in the layouts of
// format.h.
#pragma once

#include "format.h"

namespace chq::kernels {

constexpr int ATTENTION_ROWS  = 32;  // of queries at most
constexpr int ATTENTION_KEYS  = 64;  // in a tile
constexpr int ATTENTION_WIDTH = 256; // of a head at most, a multiple of 16
inline constexpr uint16_t ATTENTION_NOTHING[ATTENTION_WIDTH] = {}; // the key that is none
constexpr size_t ATTENTION_SCRATCH = (size_t) ATTENTION_ROWS * (2 * ATTENTION_WIDTH + ATTENTION_KEYS) + (size_t) ATTENTION_KEYS * ATTENTION_WIDTH;

// outs[r] = the mean of the values, weighted by softmax(scale * q[r] . keys + mask[r])
struct attention_job {
    int              rows;
    int              d;            // width of a query and a key
    int              dv;           // width of a value
    int64_t          n_keys;
    float            scale;
    const uint8_t  * keys;         // fp16
    const uint8_t  * values;       // fp16
    size_t           key_stride;   // bytes
    size_t           value_stride; // bytes
    const float    * q[ATTENTION_ROWS];
    const uint16_t * mask[ATTENTION_ROWS];  // fp16
    float          * outs[ATTENTION_ROWS];
    float          * scratch;      // ATTENTION_SCRATCH floats, aligned to 64 bytes
};

struct kernel_set {
    const char * name;
    bool         wide;  // see format.h

    // Writes the blocks [block0, block1) of row `row` of n into the activations at `to`, activation_row_bytes * n bytes, aligned to 4.
    void (*quantize)(format f, const float * x, int64_t columns, int64_t block0, int64_t block1, int n, int row, uint8_t * to);

    // outs[j][r] = sum over c of weight[r][c] * row j[c], for the n >= 1 rows of the activations and the strips [strip0, strip1).
    // Rows of the last strip from n_rows on are not stored.
    void (*multiply[FORMAT_COUNT])(
            const uint8_t * weights,
            int64_t         n_rows,
            int64_t         columns,
            int64_t         strip0,
            int64_t         strip1,
            const uint8_t * activations,
            float * const * outs,
            int             n);

    void (*attend)(const attention_job & job);
};

// Sets compiled into this library that this CPU can run, best first; the scalar one is always last.
// NULL behind the last.
const kernel_set * const * kernel_sets();

} // namespace chq::kernels
