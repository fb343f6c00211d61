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
    const auto put = [&](int vector, uint32_t bytes) { memcpy(group + vector * VECTOR + row * 4, &bytes, 4); };
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

static void nibbles(const uint8_t qs[16], uint8_t codes[GROUP]) {
    for (int i = 0; i < 16; i++) {
        codes[i]      = qs[i] & 15;
        codes[i + 16] = qs[i] >> 4;
    }
}

static void put_nibbles(const uint8_t codes[GROUP], uint8_t qs[16]) {
    for (int i = 0; i < 16; i++) {
        qs[i] = (uint8_t) ((codes[i] & 15) | (codes[i + 16] & 15) << 4);
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

// The 6-bit scales and minima of Q4_K and Q5_K.
static void decode_scales(const uint8_t packed[12], uint8_t scale[8], uint8_t min[8]) {
    for (int i = 0; i < 4; i++) {
        scale[i]     = packed[i] & 63;
        min[i]       = packed[i + 4] & 63;
        scale[i + 4] = (uint8_t) ((packed[i + 8] & 15) | packed[i] >> 6 << 4);
        min[i + 4]   = (uint8_t) (packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4);
    }
}

static void encode_scales(const uint8_t scale[8], const uint8_t min[8], uint8_t packed[12]) {
    for (int i = 0; i < 4; i++) {
        packed[i]     = (uint8_t) (scale[i] | scale[i + 4] >> 4 << 6);
        packed[i + 4] = (uint8_t) (min[i] | min[i + 4] >> 4 << 6);
        packed[i + 8] = (uint8_t) ((scale[i + 4] & 15) | (min[i + 4] & 15) << 4);
    }
}

static void put_scales(const k_scales & scales, k_header & header) {
    constexpr int QUARTER = sizeof(header.packed[0]);
    const auto * value = (const uint8_t *) &scales;
    for (int i = 0; i < QUARTER; i++) {
        for (int k = 0; k < 3; k++) {
            header.packed[k][i] |= (uint8_t) (value[k * QUARTER + i] | (value[3 * QUARTER + i] >> 2*k & 3) << 6);
        }
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
    k_scales of_row = {};
    for (int g = 0; g < 8; g++) {
        of_row.scale[g][row]          = scale[g];
        of_row.min[g / 2][row][g % 2] = min[g];
        for (int i = 0; i < GROUP; i++) {
            const uint8_t pair = qs[g / 2 * 32 + i];
            codes[i] = g % 2 ? pair >> 4 : pair & 15;
            if (f == Q5_K) {
                codes[i] = (uint8_t) (codes[i] | (b5->qh[i] >> g & 1) << 4);
            }
        }
        put_codes(code_of(f), codes, row, group + g * stride);
    }
    put_scales(of_row, *header);
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

// Calls visit(ggml's block or blocks, groups, row of the tile, packed block) for every row and block of a strip.
template <class Source, class Packed, class Visit>
static void each_block(format f, Source * source, int64_t n_rows, int64_t columns, int64_t strip, Packed * packed, Visit visit) {
    const size_t row_size = source_row_bytes(f, columns);
    for (int64_t column = 0; column < columns; column += BLOCK) {
        const int groups = columns - column < BLOCK ? (int) (columns - column) / GROUP : BLOCK / GROUP;
        for (int i = 0; i < STRIP && strip * STRIP + i < n_rows; i++) {
            visit(source + (size_t) (strip * STRIP + i) * row_size + (size_t) (column / columns_multiple(f)) * source_block_bytes(f),
                groups, i % TILE, packed + i / TILE * block_bytes(f, groups));
        }
        packed += STRIP / TILE * block_bytes(f, groups);
    }
}

void pack_strip(format f, const void * source, int64_t n_rows, int64_t columns, int64_t strip, void * to) {
    memset(to, 0, strip_bytes(f, columns));
    each_block(f, (const uint8_t *) source, n_rows, columns, strip, (uint8_t *) to, [f](const uint8_t * block, int groups, int row, uint8_t * packed) {
        if (is_k(f)) {
            pack_k_block(f, block, row, packed);
        } else {
            pack_block(f, block, groups, row, packed);
        }
    });
}

void unpack_strip(format f, const void * packed, int64_t n_rows, int64_t columns, int64_t strip, void * to) {
    each_block(f, (uint8_t *) to, n_rows, columns, strip, (const uint8_t *) packed, [f](uint8_t * block, int groups, int row, const uint8_t * from) {
        if (is_k(f)) {
            unpack_k_block(f, from, row, block);
        } else {
            unpack_block(f, from, groups, row, block);
        }
    });
}

} // namespace chq::kernels
