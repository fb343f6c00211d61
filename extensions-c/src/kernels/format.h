// The weight formats that have kernels, and how they are laid out once packed.
//
// A matrix is cut into strips of 32 rows, a strip into two tiles of 16 rows, a tile into blocks of up to 256 columns, a block into groups of
// 32 columns. In a strip the blocks of its tiles alternate, so that kernels which take both at a time read front to back.
// In a group the codes of 4 consecutive columns (a "quad") of all 16 rows are 64 bytes side by side: what one step of an int8 dot
// product takes, on every instruction set (one vector of 512 bits, two of 256, four of 128). Per group:
//
//   nibbles [4][64]   quad 2v in the low halves of vector v, quad 2v + 1 in the high halves
//   fifth   [64]      formats of five bits: bit i of a byte is the top bit of quad i
//   top     [2][64]   formats of six bits: bits 2i, 2i + 1 of vector u are the top two bits of quad 4u + i
//   bytes   [8][64]   formats of eight bits, signed
//
// Formats with a scale per 32 columns start a block with its scales, fp16 [groups][16], then (Q4_1) its minima likewise, padded to 64
// bytes. The last block of a row may have fewer groups. The K formats start a block with one of the headers below.
// Every vector lies on a cache line.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace chq::kernels {

// Raised whenever the same weights come to lie in another way: packed bytes are kept in files (packed_cache.h).
constexpr uint64_t LAYOUT = 1;

enum format { Q4_0, Q4_1, IQ4_NL, Q5_0, Q8_0, Q4_K, Q5_K, Q6_K, FORMAT_COUNT };

constexpr int STRIP = 32;  // rows
constexpr int TILE  = 16;  // rows
constexpr int GROUP = 32;  // columns
constexpr int BLOCK = 256; // columns
constexpr int QUADS = GROUP / 4;
constexpr int VECTOR = 64; // bytes of a quad

enum code_kind { NIBBLE, FIVE_BITS, SIX_BITS, TABLE, SIGNED_BYTE };

constexpr bool      is_k(format f)      { return f == Q4_K || f == Q5_K || f == Q6_K; }
constexpr bool      has_min(format f)   { return f == Q4_1; }
constexpr code_kind code_of(format f) {
    return f == Q8_0 ? SIGNED_BYTE : f == IQ4_NL ? TABLE : f == Q5_0 || f == Q5_K ? FIVE_BITS : f == Q6_K ? SIX_BITS : NIBBLE;
}
// What is subtracted from an unsigned code to give the weight in units of its scale.
constexpr int bias_of(format f)         { return f == Q4_0 ? 8 : f == Q5_0 ? 16 : f == Q6_K ? 32 : 0; }
constexpr int group_bytes(code_kind c)  { return VECTOR * (c == SIGNED_BYTE ? 8 : c == SIX_BITS ? 6 : c == FIVE_BITS ? 5 : 4); }

// Q4_K, Q5_K: weight = d * scale * code - dmin * min
struct k_scales {
    uint8_t scale[8][TILE];     // by group
    uint8_t min[4][TILE][2];    // by pair of groups
};

// Their 256 values have six bits, as many in memory: those of the first three quarters in the low bits of `packed`, those of the last quarter
// two by two in the bits above.
struct k_header {
    uint16_t d[TILE];           // fp16
    uint16_t dmin[TILE];        // fp16
    uint8_t  packed[3][sizeof(k_scales) / 4];
};

// A compiler vectorises it.
static inline void unpack_scales(const k_header & header, k_scales & to) {
    constexpr int QUARTER = sizeof(header.packed[0]);
    auto * value = (uint8_t *) &to;
    for (int i = 0; i < QUARTER; i++) {
        value[i]               = header.packed[0][i] & 63;
        value[QUARTER + i]     = header.packed[1][i] & 63;
        value[2 * QUARTER + i] = header.packed[2][i] & 63;
        value[3 * QUARTER + i] = (uint8_t) (header.packed[0][i] >> 6 | header.packed[1][i] >> 6 << 2 | header.packed[2][i] >> 6 << 4);
    }
}

// Q6_K: weight = d * scale * (code - 32), a scale for 16 columns
struct k6_header {
    float  d[TILE];
    int8_t scale[8][TILE][2];   // by group, its two halves side by side
};

constexpr size_t header_bytes(format f, int groups) {
    return f == Q6_K ? sizeof(k6_header)
         : is_k(f)   ? sizeof(k_header)
                     : ((size_t) groups * TILE * 2 * (has_min(f) ? 2 : 1) + VECTOR - 1) / VECTOR * VECTOR;
}
constexpr size_t block_bytes(format f, int groups) {
    return header_bytes(f, groups) + (size_t) groups * group_bytes(code_of(f));
}
constexpr int columns_multiple(format f) { return is_k(f) ? BLOCK : GROUP; }

constexpr int64_t blocks_of(int64_t columns) { return (columns + BLOCK - 1) / BLOCK; }
constexpr size_t strip_bytes(format f, int64_t columns) {
    const int rest = (int) (columns % BLOCK) / GROUP;
    return STRIP / TILE * ((size_t) (columns / BLOCK) * block_bytes(f, BLOCK / GROUP) + (rest ? block_bytes(f, rest) : 0));
}
constexpr int64_t strips_of(int64_t rows) { return (rows + STRIP - 1) / STRIP; }
constexpr size_t packed_bytes(format f, int64_t rows, int64_t columns) { return (size_t) strips_of(rows) * strip_bytes(f, columns); }

// Kernels ask for memory this far ahead of where they read; a packed matrix needs that much readable memory behind it.
constexpr size_t PREFETCH = 8192;

// Activations: int8 with a scale per 32 columns, or per 256 for the K formats. The n rows of a product are cut into slabs of at most as many
// rows as the kernels take at a time, and like weights into blocks of columns. Blocks follow one another, in each of them slabs; a slab of
// N rows in a block of G groups is
//
//   int8  q[8 * G][N][4]      a quad of each row side by side: round(x / d)
//   float d[G][N]             K formats: d[N]
//   then what takes the formats' biases and minima away:
//   start_32  int32 [G][N]     minus the codes' bias times the sum of q in the group
//   sum_32    float [G][N]     d times the sum of q
//   pairs_32  int16 [4][N][2]  sums of q in the groups
//   start_16  int32 [16][N]    minus the codes' bias times the sum of q in half a group
//   pairs_16  int16 [8][N][2]  sums of q in the halves of the groups
//
// Kernels whose sums have 32 bits throughout are "wide" and start from start_16 where the others use pairs_16.
enum correction { START_32, SUM_32, PAIRS_32, START_16, PAIRS_16 };

constexpr correction correction_of(format f, bool wide) {
    return f == Q6_K ? (wide ? START_16 : PAIRS_16) : is_k(f) ? PAIRS_32 : has_min(f) ? SUM_32 : START_32;
}
// Bytes of one row in a block.
constexpr size_t activation_bytes(format f, bool wide, int groups) {
    return !is_k(f) ? (size_t) groups * (GROUP + 4 + 4) : BLOCK + 4 + (f != Q6_K ? 16 : wide ? 64 : 32);
}
constexpr size_t activation_row_bytes(format f, bool wide, int64_t columns) {
    const int rest = (int) (columns % BLOCK) / GROUP;
    return (size_t) (columns / BLOCK) * activation_bytes(f, wide, BLOCK / GROUP) + (rest ? activation_bytes(f, wide, rest) : 0);
}

// How n rows are cut into slabs: up to `alone` of them into one, more into slabs of at most `most`, as even as can be.
struct slabs {
    int n;
    int count;
    slabs(int n, int alone, int most) : n(n), count(n <= alone ? 1 : (n + most - 1) / most) {}
    int first(int slab) const { return (int) ((int64_t) slab * n / count); }
    int of_row(int row) const { return (int) (((int64_t) (row + 1) * count - 1) / n); }
};

inline float from_half(uint16_t h) {
    const uint32_t sign = (uint32_t) (h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 31;
    uint32_t mantissa = h & 1023;
    uint32_t bits;
    if (exponent == 31) {
        bits = sign | 0x7f800000 | mantissa << 13;
    } else if (exponent) {
        bits = sign | (exponent + 112) << 23 | mantissa << 13;
    } else {
        const float small = (float) mantissa * 0x1p-24f;
        memcpy(&bits, &small, 4);
        bits |= sign;
    }
    float value;
    memcpy(&value, &bits, 4);
    return value;
}

// Exact for what from_half gave; a NaN keeps its bits.
inline uint16_t to_half(float value) {
    uint32_t bits;
    memcpy(&bits, &value, 4);
    const uint16_t sign     = (uint16_t) (bits >> 16 & 0x8000);
    const uint32_t exponent = bits >> 23 & 255;
    const uint32_t mantissa = bits & 0x7fffff;
    if (exponent == 255) {
        return (uint16_t) (sign | 0x7c00 | mantissa >> 13);
    }
    if (exponent < 113) { // below the smallest normal number
        const float magnitude = value < 0 ? -value : value;
        return (uint16_t) (sign | (uint32_t) (magnitude * 0x1p24f));
    }
    return (uint16_t) (sign | (exponent - 112) << 10 | mantissa >> 13);
}

// The values behind the codes of IQ4_NL.
constexpr int8_t IQ4_NL_VALUES[16] = { -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113 };

} // namespace chq::kernels
