// The kernels of one instruction set, and the choice among them. No ggml types here: weights and activations are bytes in the layouts of
// format.h.
#pragma once

#include "format.h"

namespace chq::kernels {

constexpr int ATTENTION_ROWS  = 32;  // of queries at most
constexpr int ATTENTION_KEYS  = 64;  // in a tile
constexpr int ATTENTION_WIDTH = 256; // of a head at most, a multiple of 16
inline constexpr uint16_t ATTENTION_NOTHING[ATTENTION_WIDTH] = {}; // the key that is none
constexpr int ATTENTION_PART  = 256; // keys whose sums are rounded by themselves, a multiple of ATTENTION_KEYS
constexpr int64_t attention_parts(int64_t n_keys) { return (n_keys + ATTENTION_PART - 1) / ATTENTION_PART; }
constexpr size_t ATTENTION_SCRATCH = (size_t) ATTENTION_ROWS * (3 * ATTENTION_WIDTH + ATTENTION_KEYS) + (size_t) ATTENTION_KEYS * ATTENTION_WIDTH;

// Where the keys lie that a row of queries sees, and how they are numbered: see attention_tile.h.
struct attention_place {
    int64_t origin = 0; // the cell with number 0
    int64_t joint  = 0; // up to here the row takes tiles of the cache as they are
    int64_t apart  = 0; // keys behind
    int64_t keys   = 0; // the number after the last key's
};

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
    const attention_place * place[ATTENTION_ROWS] = {}; // by the mask, NULL: not known yet
    float          * outs[ATTENTION_ROWS];  // the results; or of some parts only, what each of them comes to: see part_stride
    float          * scratch;      // ATTENTION_SCRATCH floats, aligned to 64 bytes
    int64_t          part0 = 0;    // of the keys
    int64_t          part1 = INT64_MAX;
    size_t           part_stride = 0; // floats between what two parts of a row come to, at least attention_part_floats(dv); 0: all parts, and their result
    const uint8_t  * chosen = nullptr; // by tile of the cache, whether it is attended to; not for keys that lie apart. NULL: each is
    size_t           ahead = 0;    // bytes to ask for from a key on, which later jobs will need; 0: its own
};

// What a part comes to: the largest score, the sum of the weights, the sums.
constexpr size_t attention_part_floats(int dv) { return (size_t) dv + 2; }

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
    attention_place (*find_place)(const uint16_t * mask, int64_t n_keys);

    // logs[r * stride + t] = log of what the keys of tile t of the cache come to in the softmax of row r, minus infinity for nothing. outs are not written.
    void (*gauge)(const attention_job & job, float * logs, size_t stride);

    // What n parts come to together.
    void (*attend_parts)(const float * parts, size_t stride, int64_t n, int dv, float * out);
};

// Sets compiled into this library that this CPU can run, best first; the scalar one is always last.
// NULL behind the last.
const kernel_set * const * kernel_sets();

} // namespace chq::kernels
