#include "pack.h"

#include <cstring>

namespace chq::kernels {

// ggml's blocks, as in ggml-common.h
namespace source {
struct q4_0   { uint16_t d; uint8_t qs[16]; };
struct q4_1   { uint16_t d, m; uint8_t qs[16]; };
struct iq4_nl { uint16_t d; uint8_t qs[16]; };
struct q5_0   { uint16_t d; uint8_t qh[4]; uint8_t qs[16]; };
struct q8_0   { uint16_t d; int8_t qs[32]; };
struct q4_K   { uint16_t d, dmin; uint8_t scales[12]; uint8_t qs[128]; };
struct q5_K   { uint16_t d, dmin; uint8_t scales[12]; uint8_t qh[32]; uint8_t qs[128]; };
struct q6_K   { uint8_t ql[128]; uint8_t qh[64]; int8_t scales[16]; uint16_t d; };
} // namespace source

static constexpr size_t source_block_bytes(format f) {
    switch (f) {
        case Q4_0:   return sizeof(source::q4_0);
        case Q4_1:   return sizeof(source::q4_1);
        case IQ4_NL: return sizeof(source::iq4_nl);
        case Q5_0:   return sizeof(source::q5_0);
        case Q8_0:   return sizeof(source::q8_0);
        case Q4_K:   return sizeof(source::q4_K);
        case Q5_K:   return sizeof(source::q5_K);
        case Q6_K:   return sizeof(source::q6_K);
        default:     return 0;
    }
}

size_t source_row_bytes(format f, int64_t columns) {
    return (size_t) (columns / columns_multiple(f)) * source_block_bytes(f);
}

// ---- packing: codes move as they lie, four at a time in the bytes of a word

constexpr uint32_t LOW = 0x0f0f0f0f; // nibbles of each byte

static uint32_t word(const void * bytes, int i) {
    uint32_t w;
    memcpy(&w, (const uint8_t *) bytes + 4 * i, 4);
    return w;
}

static void put(uint8_t * group, int vector, int row, uint32_t bytes) { memcpy(group + vector * VECTOR + row * 4, &bytes, 4); }

// Two quads of nibbles in one word, from the low or the high halves of the bytes of two.
static uint32_t low_halves(uint32_t a, uint32_t b)  { return (a & LOW) | (b & LOW) << 4; }
static uint32_t high_halves(uint32_t a, uint32_t b) { return (a >> 4 & LOW) | (b & ~LOW); }

// Exchanges the bits of a that lie `shift` above the mask with those of b in the mask.
static void exchange(uint32_t & a, uint32_t & b, int shift, uint32_t mask) {
    const uint32_t differ = (a >> shift ^ b) & mask;
    a ^= differ << shift;
    b ^= differ;
}

// In every byte: bit g of word i becomes bit i of word g.
static void transpose_bits(uint32_t w[8]) {
    for (int i = 0; i < 4; i++) {
        exchange(w[i], w[i + 4], 4, 0x0f0f0f0f);
    }
    for (int i = 0; i < 4; i++) {
        exchange(w[i + i / 2 * 2], w[i + i / 2 * 2 + 2], 2, 0x33333333);
    }
    for (int i = 0; i < 8; i += 2) {
        exchange(w[i], w[i + 1], 1, 0x55555555);
    }
}

// The same for pairs of bits.
static void transpose_pairs(uint32_t w[4]) {
    exchange(w[0], w[2], 4, 0x0f0f0f0f);
    exchange(w[1], w[3], 4, 0x0f0f0f0f);
    exchange(w[0], w[1], 2, 0x33333333);
    exchange(w[2], w[3], 2, 0x33333333);
}

// Bit 4i + b of the index becomes bit i of byte b.
struct fifth_bits {
    uint32_t of[256];
    constexpr fifth_bits() : of() {
        for (int bits = 0; bits < 256; bits++) {
            for (int k = 0; k < 8; k++) {
                of[bits] |= (uint32_t) (bits >> k & 1) << (8 * (k % 4) + k / 4);
            }
        }
    }
};

static uint32_t fifth(const uint8_t qh[4]) {
    static constexpr fifth_bits spread;
    return spread.of[qh[0]] | spread.of[qh[1]] << 2 | spread.of[qh[2]] << 4 | spread.of[qh[3]] << 6;
}

// The nibbles of a block of 32, whose byte i has codes i and i + 16.
static void put_nibbles_of(const uint8_t qs[16], int row, uint8_t * group) {
    for (int v = 0; v < 2; v++) {
        const uint32_t a = word(qs, 2*v);
        const uint32_t b = word(qs, 2*v + 1);
        put(group, v,     row, low_halves(a, b));
        put(group, v + 2, row, high_halves(a, b));
    }
}

// One row of a block: its groups of 32.
template <format F>
static void pack_block(const uint8_t * block, int groups, int row, uint8_t * to) {
    auto    * scale  = (uint16_t *) to + row;
    uint8_t * group  = to + header_bytes(F, groups);
    const int stride = group_bytes(code_of(F));
    for (int g = 0; g < groups; g++, group += stride) {
        switch (F) {
            case Q4_0:
            case IQ4_NL: {
                const auto & b = ((const source::q4_0 *) block)[g];
                scale[g * TILE] = b.d;
                put_nibbles_of(b.qs, row, group);
                break;
            }
            case Q4_1: {
                const auto & b = ((const source::q4_1 *) block)[g];
                scale[g * TILE]            = b.d;
                scale[(groups + g) * TILE] = b.m;
                put_nibbles_of(b.qs, row, group);
                break;
            }
            case Q5_0: {
                const auto & b = ((const source::q5_0 *) block)[g];
                scale[g * TILE] = b.d;
                put_nibbles_of(b.qs, row, group);
                put(group, 4, row, fifth(b.qh));
                break;
            }
            default: {
                const auto & b = ((const source::q8_0 *) block)[g];
                scale[g * TILE] = b.d;
                for (int i = 0; i < QUADS; i++) {
                    put(group, i, row, word(b.qs, i));
                }
            }
        }
    }
}

// The 6-bit scales and minima of Q4_K and Q5_K.
static void decode_scales(const uint8_t packed[12], uint8_t scale[8], uint8_t min[8]) {
    for (int i = 0; i < 4; i++) {
        scale[i]     = packed[i] & 63;
        min[i]       = packed[i + 4] & 63;
        scale[i + 4] = (uint8_t) ((packed[i + 8] & 15) | packed[i] >> 6 << 4);
        min[i + 4]   = (uint8_t) (packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4);
    }
}

static void put_scales(const k_scales & scales, k_header & header) {
    constexpr int QUARTER = sizeof(header.packed[0]);
    const auto * value = (const uint8_t *) &scales;
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < QUARTER; i++) {
            header.packed[k][i] = (uint8_t) (value[k * QUARTER + i] | (value[3 * QUARTER + i] >> 2*k & 3) << 6);
        }
    }
}

// One row of a block of Q4_K or Q5_K, but for its scales and minima, which are put into `scales`.
template <format F>
static void pack_k_block(const uint8_t * block, int row, k_scales & scales, uint8_t * to) {
    const auto * b4 = (const source::q4_K *) block;
    const auto * b5 = (const source::q5_K *) block;
    const uint8_t * qs = F == Q4_K ? b4->qs : b5->qs;
    auto * header = (k_header *) to;
    header->d[row]    = b4->d;
    header->dmin[row] = b4->dmin;
    uint8_t scale[8];
    uint8_t min[8];
    decode_scales(b4->scales, scale, min);
    uint32_t top[8];
    if (F == Q5_K) {
        memcpy(top, b5->qh, sizeof(top));
        transpose_bits(top);
    }
    uint8_t * group  = to + header_bytes(F, 8);
    const int stride = group_bytes(code_of(F));
    for (int g = 0; g < 8; g += 2, qs += 32, group += 2 * stride) {
        for (int v = 0; v < 4; v++) {
            const uint32_t a = word(qs, 2*v);
            const uint32_t b = word(qs, 2*v + 1);
            put(group,          v, row, low_halves(a, b));
            put(group + stride, v, row, high_halves(a, b));
        }
        for (int odd = 0; odd < 2; odd++) {
            if (F == Q5_K) {
                put(group + odd * stride, 4, row, top[g + odd]);
            }
            scales.scale[g + odd][row]  = scale[g + odd];
            scales.min[g / 2][row][odd] = min[g + odd];
        }
    }
}

// One row of a block of Q6_K.
static void pack_k6_block(const uint8_t * block, int row, uint8_t * to) {
    const auto * b = (const source::q6_K *) block;
    auto * header = (k6_header *) to;
    header->d[row] = from_half(b->d);
    for (int g = 0; g < 8; g++) {
        memcpy(header->scale[g][row], b->scales + 2*g, 2);
    }
    const int stride = group_bytes(SIX_BITS);
    uint8_t * group  = to + header_bytes(Q6_K, 8);
    for (int half = 0; half < 2; half++, group += 4 * stride) {
        // parts 0 and 2 are the low and high halves of the first 32 bytes, 1 and 3 of the next
        for (int part = 0; part < 2; part++) {
            for (int v = 0; v < 4; v++) {
                const uint32_t x = word(b->ql + 64*half + 32*part, 2*v);
                const uint32_t y = word(b->ql + 64*half + 32*part, 2*v + 1);
                put(group + part * stride,       v, row, low_halves(x, y));
                put(group + (part + 2) * stride, v, row, high_halves(x, y));
            }
        }
        for (int u = 0; u < 2; u++) {
            uint32_t top[4];
            memcpy(top, b->qh + 32*half + 16*u, sizeof(top));
            transpose_pairs(top);
            for (int part = 0; part < 4; part++) {
                put(group + part * stride, 4 + u, row, top[part]);
            }
        }
    }
}

// Up to 16 rows of a block, the first of which begins at `source`.
template <format F>
static void pack_tile(const uint8_t * source, size_t row_bytes, int rows, int groups, uint8_t * to) {
    if (rows < TILE) {
        memset(to, 0, block_bytes(F, groups));
    } else if (!is_k(F)) {
        memset(to, 0, header_bytes(F, groups)); // may end with a gap
    }
    if constexpr (F == Q6_K) {
        for (int i = 0; i < rows; i++) {
            pack_k6_block(source + i * row_bytes, i, to);
        }
    } else if constexpr (is_k(F)) {
        k_scales scales = {};
        for (int i = 0; i < rows; i++) {
            pack_k_block<F>(source + i * row_bytes, i, scales, to);
        }
        put_scales(scales, *(k_header *) to);
    } else {
        for (int i = 0; i < rows; i++) {
            pack_block<F>(source + i * row_bytes, groups, i, to);
        }
    }
}

static void ask_for(const void * memory, size_t bytes) {
#ifdef __GNUC__
    for (size_t i = 0; i < bytes; i += 64) {
        __builtin_prefetch((const uint8_t *) memory + i);
    }
#else
    (void) memory;
    (void) bytes;
#endif
}

// Up to 32 rows.
template <format F>
static void pack_rows(const uint8_t * source, int64_t rows, int64_t columns, uint8_t * to) {
    // Sixteen rows at a time are too many streams for processors to look ahead: that halves the time.
    constexpr size_t BLOCK_BYTES = (size_t) (BLOCK / columns_multiple(F)) * source_block_bytes(F);
    const size_t row_bytes = source_row_bytes(F, columns);
    const uint8_t * next_strip = source + STRIP * row_bytes;
    for (int64_t column = 0; column < columns; column += BLOCK) {
        ask_for(next_strip, STRIP * BLOCK_BYTES);
        next_strip += STRIP * BLOCK_BYTES;
        const int groups = columns - column < BLOCK ? (int) (columns - column) / GROUP : BLOCK / GROUP;
        for (int tile = 0; tile < STRIP / TILE; tile++) {
            const int here = rows < tile * TILE ? 0 : rows < (tile + 1) * TILE ? (int) rows - tile * TILE : TILE;
            pack_tile<F>(source + (size_t) (tile * TILE) * row_bytes, row_bytes, here, groups, to);
            to += block_bytes(F, groups);
        }
        source += BLOCK_BYTES;
    }
}

void pack_strip(format f, const void * source, int64_t n_rows, int64_t columns, int64_t strip, void * to) {
    static constexpr decltype(&pack_rows<Q4_0>) PACK[] = { pack_rows<Q4_0>, pack_rows<Q4_1>, pack_rows<IQ4_NL>, pack_rows<Q5_0>,
                                                            pack_rows<Q8_0>, pack_rows<Q4_K>, pack_rows<Q5_K>,   pack_rows<Q6_K> };
    const int64_t rows = n_rows - strip * STRIP;
    PACK[f]((const uint8_t *) source + (size_t) (strip * STRIP) * source_row_bytes(f, columns), rows < STRIP ? rows : STRIP, columns, (uint8_t *) to);
}

// ---- unpacking

static void take_codes(code_kind kind, const uint8_t * group, int row, uint8_t codes[GROUP]) {
    uint32_t quad[QUADS];
    const auto take = [&](int vector) {
        uint32_t bytes;
        memcpy(&bytes, group + vector * VECTOR + row * 4, 4);
        return bytes;
    };
    for (int i = 0; i < QUADS; i++) {
        if (kind == SIGNED_BYTE) {
            quad[i] = take(i);
            continue;
        }
        quad[i] = take(i / 2) >> 4 * (i % 2) & 0x0f0f0f0f;
        if (kind == FIVE_BITS) {
            quad[i] |= (take(4) >> i & 0x01010101) << 4;
        } else if (kind == SIX_BITS) {
            quad[i] |= (take(4 + i / 4) >> 2 * (i % 4) & 0x03030303) << 4;
        }
    }
    memcpy(codes, quad, GROUP);
}

static void put_nibbles(const uint8_t codes[GROUP], uint8_t qs[16]) {
    for (int i = 0; i < 16; i++) {
        qs[i] = (uint8_t) ((codes[i] & 15) | (codes[i + 16] & 15) << 4);
    }
}

static void encode(format f, const uint8_t codes[GROUP], uint16_t d, uint16_t m, uint8_t * block) {
    switch (f) {
        case Q4_0:
        case IQ4_NL: {
            auto * b = (source::q4_0 *) block;
            b->d = d;
            put_nibbles(codes, b->qs);
            break;
        }
        case Q4_1: {
            auto * b = (source::q4_1 *) block;
            b->d = d;
            b->m = m;
            put_nibbles(codes, b->qs);
            break;
        }
        case Q5_0: {
            auto * b = (source::q5_0 *) block;
            b->d = d;
            put_nibbles(codes, b->qs);
            uint32_t top = 0;
            for (int i = 0; i < GROUP; i++) {
                top |= (uint32_t) (codes[i] >> 4) << i;
            }
            memcpy(b->qh, &top, 4);
            break;
        }
        default: {
            auto * b = (source::q8_0 *) block;
            b->d = d;
            memcpy(b->qs, codes, GROUP);
        }
    }
}

static void encode_scales(const uint8_t scale[8], const uint8_t min[8], uint8_t packed[12]) {
    for (int i = 0; i < 4; i++) {
        packed[i]     = (uint8_t) (scale[i] | scale[i + 4] >> 4 << 6);
        packed[i + 4] = (uint8_t) (min[i] | min[i + 4] >> 4 << 6);
        packed[i + 8] = (uint8_t) ((scale[i + 4] & 15) | (min[i + 4] & 15) << 4);
    }
}

static void unpack_k_block(format f, const uint8_t * from, int row, uint8_t * block) {
    uint8_t codes[GROUP];
    const uint8_t * group = from + header_bytes(f, 8);
    const int stride = group_bytes(code_of(f));
    memset(block, 0, source_block_bytes(f));
    if (f == Q6_K) {
        const auto * header = (const k6_header *) from;
        auto * b = (source::q6_K *) block;
        b->d = to_half(header->d[row]);
        for (int g = 0; g < 8; g++) {
            b->scales[2*g]     = header->scale[g][row][0];
            b->scales[2*g + 1] = header->scale[g][row][1];
            take_codes(SIX_BITS, group + g * stride, row, codes);
            const int half = g / 4; // of the block
            const int part = g % 4; // of the half
            for (int i = 0; i < GROUP; i++) {
                b->ql[64*half + 32*(part % 2) + i] |= (uint8_t) ((codes[i] & 15) << (part < 2 ? 0 : 4));
                b->qh[32*half + i]                 |= (uint8_t) ((codes[i] >> 4) << 2*part);
            }
        }
        return;
    }
    const auto * header = (const k_header *) from;
    auto * b4 = (source::q4_K *) block;
    auto * b5 = (source::q5_K *) block;
    uint8_t * qs = f == Q4_K ? b4->qs : b5->qs;
    uint8_t scale[8];
    uint8_t min[8];
    b4->d    = header->d[row];
    b4->dmin = header->dmin[row];
    k_scales scales;
    unpack_scales(*header, scales);
    for (int g = 0; g < 8; g++) {
        scale[g] = scales.scale[g][row];
        min[g]   = scales.min[g / 2][row][g % 2];
        take_codes(code_of(f), group + g * stride, row, codes);
        for (int i = 0; i < GROUP; i++) {
            qs[g / 2 * 32 + i] |= (uint8_t) ((codes[i] & 15) << (g % 2 ? 4 : 0));
            if (f == Q5_K) {
                b5->qh[i] |= (uint8_t) ((codes[i] >> 4) << g);
            }
        }
    }
    encode_scales(scale, min, b4->scales);
}

static void unpack_block(format f, const uint8_t * from, int groups, int row, uint8_t * block) {
    const size_t     bytes  = source_block_bytes(f);
    const uint16_t * scales = (const uint16_t *) from;
    const uint8_t  * group  = from + header_bytes(f, groups);
    for (int g = 0; g < groups; g++) {
        uint8_t codes[GROUP];
        take_codes(code_of(f), group + g * group_bytes(code_of(f)), row, codes);
        encode(f, codes, scales[g * TILE + row], has_min(f) ? scales[(groups + g) * TILE + row] : 0, block + g * bytes);
    }
}

void unpack_strip(format f, const void * packed, int64_t n_rows, int64_t columns, int64_t strip, void * to) {
    const size_t row_bytes = source_row_bytes(f, columns);
    auto * from   = (const uint8_t *) packed;
    auto * source = (uint8_t *) to + (size_t) (strip * STRIP) * row_bytes;
    for (int64_t column = 0; column < columns; column += BLOCK) {
        const int groups = columns - column < BLOCK ? (int) (columns - column) / GROUP : BLOCK / GROUP;
        for (int i = 0; i < STRIP && strip * STRIP + i < n_rows; i++) {
            uint8_t       * block = source + i * row_bytes + (size_t) (column / columns_multiple(f)) * source_block_bytes(f);
            const uint8_t * tile  = from + i / TILE * block_bytes(f, groups);
            if (is_k(f)) {
                unpack_k_block(f, tile, i % TILE, block);
            } else {
                unpack_block(f, tile, groups, i % TILE, block);
            }
        }
        from += STRIP / TILE * block_bytes(f, groups);
    }
}

} // namespace chq::kernels
