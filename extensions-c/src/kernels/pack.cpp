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

static size_t source_block_bytes(format f) {
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

// Puts the 32 codes of one row of one group into their places. The group is zeroed before.
static void put_codes(code_kind kind, const uint8_t codes[GROUP], int row, uint8_t * group) {
    uint32_t quad[QUADS];
    memcpy(quad, codes, GROUP);
    const auto at = [&](int vector) { return group + vector * VECTOR + row * 4; };
    const auto put = [&](int vector, uint32_t bytes) { memcpy(at(vector), &bytes, 4); };
    if (kind == SIGNED_BYTE) {
        for (int i = 0; i < QUADS; i++) {
            put(i, quad[i]);
        }
        return;
    }
    for (int v = 0; v < 4; v++) {
        put(v, (quad[2*v] & 0x0f0f0f0f) | (quad[2*v + 1] & 0x0f0f0f0f) << 4);
    }
    if (kind == FIVE_BITS) {
        uint32_t fifth = 0;
        for (int i = 0; i < QUADS; i++) {
            fifth |= (quad[i] >> 4 & 0x01010101) << i;
        }
        put(4, fifth);
    } else if (kind == SIX_BITS) {
        for (int u = 0; u < 2; u++) {
            uint32_t top = 0;
            for (int i = 0; i < 4; i++) {
                top |= (quad[4*u + i] >> 4 & 0x03030303) << 2*i;
            }
            put(4 + u, top);
        }
    }
}

static void nibbles(const uint8_t qs[16], uint8_t codes[GROUP]) {
    for (int i = 0; i < 16; i++) {
        codes[i]      = qs[i] & 15;
        codes[i + 16] = qs[i] >> 4;
    }
}

// Codes, scale and minimum of one block of 32.
static void decode(format f, const uint8_t * block, uint8_t codes[GROUP], uint16_t & d, uint16_t & m) {
    m = 0;
    switch (f) {
        case Q4_0:
        case IQ4_NL: {
            const auto * b = (const source::q4_0 *) block;
            d = b->d;
            nibbles(b->qs, codes);
            break;
        }
        case Q4_1: {
            const auto * b = (const source::q4_1 *) block;
            d = b->d;
            m = b->m;
            nibbles(b->qs, codes);
            break;
        }
        case Q5_0: {
            const auto * b = (const source::q5_0 *) block;
            d = b->d;
            nibbles(b->qs, codes);
            uint32_t top;
            memcpy(&top, b->qh, 4);
            for (int i = 0; i < GROUP; i++) {
                codes[i] = (uint8_t) (codes[i] | (top >> i & 1) << 4);
            }
            break;
        }
        default: {
            const auto * b = (const source::q8_0 *) block;
            d = b->d;
            memcpy(codes, b->qs, GROUP);
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

static void pack_k_block(format f, const uint8_t * block, int row, uint8_t * to) {
    uint8_t codes[GROUP];
    uint8_t * group = to + header_bytes(f, 8);
    const int stride = group_bytes(code_of(f));
    if (f == Q6_K) {
        const auto * b = (const source::q6_K *) block;
        auto * header = (k6_header *) to;
        header->d[row] = from_half(b->d);
        for (int g = 0; g < 8; g++) {
            header->scale[g][row][0] = b->scales[2*g];
            header->scale[g][row][1] = b->scales[2*g + 1];
            const int half = g / 4; // of the block
            const int part = g % 4; // of the half
            for (int i = 0; i < GROUP; i++) {
                const uint8_t low = b->ql[64*half + 32*(part % 2) + i];
                const uint8_t top = b->qh[32*half + i] >> 2*part & 3;
                codes[i] = (uint8_t) ((part < 2 ? low & 15 : low >> 4) | top << 4);
            }
            put_codes(SIX_BITS, codes, row, group + g * stride);
        }
        return;
    }
    const auto * b4 = (const source::q4_K *) block;
    const auto * b5 = (const source::q5_K *) block;
    const uint8_t * qs = f == Q4_K ? b4->qs : b5->qs;
    auto * header = (k_header *) to;
    uint8_t scale[8];
    uint8_t min[8];
    decode_scales(b4->scales, scale, min);
    header->d[row]    = b4->d;
    header->dmin[row] = b4->dmin;
    for (int g = 0; g < 8; g++) {
        header->scale[g][row]           = scale[g];
        header->min[g / 2][row][g % 2]  = min[g];
        for (int i = 0; i < GROUP; i++) {
            const uint8_t pair = qs[g / 2 * 32 + i];
            codes[i] = g % 2 ? pair >> 4 : pair & 15;
            if (f == Q5_K) {
                codes[i] = (uint8_t) (codes[i] | (b5->qh[i] >> g & 1) << 4);
            }
        }
        put_codes(code_of(f), codes, row, group + g * stride);
    }
}

static void pack_block(format f, const uint8_t * block, int groups, int row, uint8_t * to) {
    const size_t    bytes  = source_block_bytes(f);
    uint16_t      * scales = (uint16_t *) to;
    uint8_t       * group  = to + header_bytes(f, groups);
    for (int g = 0; g < groups; g++) {
        uint8_t  codes[GROUP];
        uint16_t d;
        uint16_t m;
        decode(f, block + g * bytes, codes, d, m);
        scales[g * TILE + row] = d;
        if (has_min(f)) {
            scales[(groups + g) * TILE + row] = m;
        }
        put_codes(code_of(f), codes, row, group + g * group_bytes(code_of(f)));
    }
}

void pack_strip(format f, const void * source, int64_t n_rows, int64_t columns, int64_t strip, void * to) {
    const size_t row_size = source_row_bytes(f, columns);
    const size_t bytes    = source_block_bytes(f);
    memset(to, 0, strip_bytes(f, columns));
    uint8_t * block = (uint8_t *) to;
    for (int64_t column = 0; column < columns; column += BLOCK) {
        const int groups = columns - column < BLOCK ? (int) (columns - column) / GROUP : BLOCK / GROUP;
        for (int i = 0; i < STRIP && strip * STRIP + i < n_rows; i++) {
            const uint8_t * from = (const uint8_t *) source + (size_t) (strip * STRIP + i) * row_size
                + (size_t) (column / columns_multiple(f)) * bytes;
            uint8_t * tile = block + i / TILE * block_bytes(f, groups);
            if (is_k(f)) {
                pack_k_block(f, from, i % TILE, tile);
            } else {
                pack_block(f, from, groups, i % TILE, tile);
            }
        }
        block += STRIP / TILE * block_bytes(f, groups);
    }
}

} // namespace chq::kernels
