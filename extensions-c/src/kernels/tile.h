// The kernels as templates over (instruction set, format). Each file isa_*.cpp brings an instruction set I and instantiates them; it is
// compiled with the flags of that set, so nothing in here may become a symbol that another file shares: I lives in an anonymous namespace.
//
// I::PARTS vectors hold the 16 rows of a tile. I::TILES tiles (one or both of a strip) and up to I::SLAB rows of activations are multiplied
// at a time: as many as fit into registers; up to I::ALONE rows that are all there are go with one tile rather than in two slabs. I gives
//
//   bytes            codes of one quad                            real     floats, one per row
//   ints             int32, one per row                           pairs    int16, two per row
//   WIDE             products are summed in 32 bits: start, dot. Else in 16 bits, with
//     part             sums of products since the last flush
//     total            sums of parts times integer scales
//     scale            integer scales, as flush wants them
//     chain(kind)      how many quads a part may sum
//   BY               how wide sets take more than one row of activations:
//     EACH             dot: one row of activations, its quad beside every row of weights
//     LANE             dot_lane: one of four rows, whose quads are one vector; fewer than four like EACH
//     PAIR             dot_square: two rows of activations by two rows of weights, 8 columns of each. A `square` is the four sums;
//                      interleave() turns the low and the high quads of a part into the 8 columns of its first and of its last rows
//   SIGNED_BIAS      what unpacking adds to signed codes
//   panel(kind)      unpacking costs more than keeping a block's unpacked codes in the first-level cache for several slabs
#pragma once

#include "kernels.h"

#include <cstring>

#if defined(CHQ_NO_UNROLL)
#    define CHQ_UNROLL
#elif defined(__GNUC__) && !defined(__clang__)
#    define CHQ_UNROLL _Pragma("GCC unroll 16")
#elif defined(__clang__)
#    define CHQ_UNROLL _Pragma("clang loop unroll(full)")
#else
#    define CHQ_UNROLL
#endif
#if defined(_MSC_VER)
#    define CHQ_INLINE static __forceinline
#    define CHQ_INLINE_MEMBER __forceinline
#else
#    define CHQ_INLINE static inline __attribute__((always_inline))
#    define CHQ_INLINE_MEMBER inline __attribute__((always_inline))
#endif

#include "attention_tile.h"

namespace chq::kernels {

enum rows_by { EACH, LANE, PAIR };

template <format F>
constexpr int code_bias(int signed_bias) {
    return code_of(F) == TABLE || code_of(F) == SIGNED_BYTE ? signed_bias : bias_of(F);
}

// One slab of activations in one block.
template <class I, format F, int N>
struct slab_view {
    const int8_t  * q;
    const float   * d;
    const uint8_t * more;

    slab_view(const uint8_t * at, int groups)
        : q((const int8_t *) at), d((const float *) (at + (size_t) groups * GROUP * N)), more((const uint8_t *) (d + (is_k(F) ? N : groups * N))) {}

    CHQ_INLINE_MEMBER const int8_t  * quad(int g, int i, int j) const  { return q + ((g * QUADS + i) * N + j) * 4; }
    CHQ_INLINE_MEMBER const int32_t * start(int g, int j) const        { return (const int32_t *) more + g * N + j; }
    CHQ_INLINE_MEMBER float           sum(int g, int j) const          { return ((const float *) more)[g * N + j]; }
    CHQ_INLINE_MEMBER const int16_t * pair(int p, int j) const         { return (const int16_t *) more + (p * N + j) * 2; }
};

template <class I, format F>
struct tile_kernel {
    using bytes = typename I::bytes;
    using real  = typename I::real;

    static constexpr int       PARTS  = I::PARTS;
    static constexpr int       LANES  = TILE / PARTS;        // rows in a piece
    static constexpr int       PIECE  = VECTOR / PARTS;      // bytes of codes in a piece
    static constexpr code_kind KIND   = code_of(F);
    static constexpr bool      SIGNED = KIND == TABLE || KIND == SIGNED_BYTE;
    static constexpr int       BIAS   = code_bias<F>(I::SIGNED_BIAS);
    static constexpr int       SLAB   = I::SLAB;
    static constexpr int       CHUNK  = 512;                 // rows of activations that one pass over the weights serves
    static constexpr bool      PANEL  = I::panel(KIND);
    static constexpr size_t    PANEL_BYTES = BLOCK / GROUP * QUADS * VECTOR;

    // ---- codes of a pair of quads of T tiles, from the packed group or from the panel

    struct packed_codes {
        static constexpr bool INTERLEAVED = false;
        static constexpr int  STEP        = group_bytes(KIND);
        CHQ_INLINE void pair(const uint8_t * at, int v, bytes * low_quads, bytes * high_quads) {
            CHQ_UNROLL for (int h = 0; h < PARTS; h++) {
                if constexpr (KIND == SIGNED_BYTE) {
                    low_quads[h]  = I::signed_codes(I::load(at + (2*v)     * VECTOR + h * PIECE));
                    high_quads[h] = I::signed_codes(I::load(at + (2*v + 1) * VECTOR + h * PIECE));
                } else {
                    const bytes both = I::load(at + v * VECTOR + h * PIECE);
                    bytes low  = I::low_nibbles(both);
                    bytes high = I::high_nibbles(both);
                    if constexpr (KIND == TABLE) {
                        low  = I::table(low);
                        high = I::table(high);
                    } else if constexpr (KIND == FIVE_BITS) {
                        const bytes fifth = I::load(at + 4 * VECTOR + h * PIECE);
                        low  = I::with_fifth(low,  fifth, 2*v);
                        high = I::with_fifth(high, fifth, 2*v + 1);
                    } else if constexpr (KIND == SIX_BITS) {
                        const bytes top = I::load(at + (4 + v / 2) * VECTOR + h * PIECE);
                        low  = I::with_top(low,  top, 2 * (v % 2));
                        high = I::with_top(high, top, 2 * (v % 2) + 1);
                    }
                    low_quads[h]  = low;
                    high_quads[h] = high;
                }
            }
        }
    };

    struct panel_codes {
        static constexpr bool INTERLEAVED = I::BY == PAIR;
        static constexpr int  STEP        = QUADS * VECTOR;
        CHQ_INLINE void pair(const uint8_t * at, int v, bytes * low_quads, bytes * high_quads) {
            CHQ_UNROLL for (int h = 0; h < PARTS; h++) {
                low_quads[h]  = I::load(at + (2*v)     * VECTOR + h * PIECE);
                high_quads[h] = I::load(at + (2*v + 1) * VECTOR + h * PIECE);
            }
        }
    };

    CHQ_INLINE void unpack(const uint8_t * group, uint8_t * to) {
        CHQ_UNROLL for (int v = 0; v < 4; v++) {
            bytes low[PARTS];
            bytes high[PARTS];
            packed_codes::pair(group, v, low, high);
            CHQ_UNROLL for (int h = 0; h < PARTS; h++) {
                if constexpr (I::BY == PAIR) {
                    I::interleave(low[h], high[h]);
                }
                I::store(to + (2*v)     * VECTOR + h * PIECE, low[h]);
                I::store(to + (2*v + 1) * VECTOR + h * PIECE, high[h]);
            }
        }
    }

    // ---- what the slabs share, converted once per block

    template <int T, bool WIDE = I::WIDE, class = void>
    struct prepared { // scales stay integers
        typename I::scale s[8][2][T * PARTS];  // K formats
        real              d[8][T * PARTS];     // scale per group; K formats: [0] of the block
        real              m[8][T * PARTS];     // minimum per group; K formats: [0] of the block
        typename I::pairs by[8][T * PARTS];    // what the activations' pairs of sums are multiplied by
    };

    template <int T, class Void>
    struct prepared<T, true, Void> {
        real              s[8][2][T * PARTS];  // K formats, times the block's
        real              d[8][T * PARTS];
        real              m[8][T * PARTS];
        typename I::pairs by[4][T * PARTS];
    };

    template <int T>
    CHQ_INLINE void prepare(const uint8_t * const (&block)[T], int groups, prepared<T> & w) {
        CHQ_UNROLL for (int t = 0; t < T; t++) {
            alignas(VECTOR) k_scales k;
            if constexpr (is_k(F) && F != Q6_K) {
                unpack_scales(*(const k_header *) block[t], k);
            }
            CHQ_UNROLL for (int h = 0; h < PARTS; h++) {
                const int p = t * PARTS + h;
                if constexpr (F == Q6_K) {
                    const auto * header = (const k6_header *) block[t];
                    const real d = I::reals(header->d + h * LANES);
                    w.d[0][p] = d;
                    for (int g = 0; g < 8; g++) {
                        const auto * scales = header->scale[g] + h * LANES;
                        if constexpr (I::WIDE) {
                            real a;
                            real b;
                            I::signed_real_scales(scales, a, b);
                            w.s[g][0][p] = I::mul(a, d);
                            w.s[g][1][p] = I::mul(b, d);
                        } else {
                            I::signed_scales(scales, w.s[g][0][p], w.s[g][1][p]);
                            w.by[g][p] = I::signed_pairs(scales);
                        }
                    }
                } else if constexpr (is_k(F)) {
                    const auto * header = (const k_header *) block[t];
                    const real d = I::halves(header->d + h * LANES);
                    w.d[0][p] = d;
                    w.m[0][p] = I::halves(header->dmin + h * LANES);
                    for (int g = 0; g < 8; g++) {
                        if constexpr (I::WIDE) {
                            w.s[g][0][p] = I::mul(I::real_scales(k.scale[g] + h * LANES), d);
                        } else {
                            w.s[g][0][p] = w.s[g][1][p] = I::scales(k.scale[g] + h * LANES);
                        }
                    }
                    for (int g = 0; g < 4; g++) {
                        w.by[g][p] = I::unsigned_pairs(k.min[g] + h * LANES);
                    }
                } else {
                    const auto * d = (const uint16_t *) block[t] + h * LANES;
                    for (int g = 0; g < groups; g++) {
                        w.d[g][p] = I::halves(d + g * TILE);
                        if constexpr (has_min(F)) {
                            w.m[g][p] = I::halves(d + (groups + g) * TILE);
                        }
                    }
                }
            }
        }
    }

    // ---- sums of codes times q

    // The quads [FROM, TO) of a group in 32 bits: sums[j] += codes . q[j]
    template <int T, int N, class Source, int FROM, int TO>
    CHQ_INLINE void dot_wide(const uint8_t * const (&codes)[T], int at, const slab_view<I, F, N> & x, int g, typename I::ints (&sums)[N][T * PARTS]) {
        if constexpr (I::BY == PAIR && (N > 1 || Source::INTERLEAVED)) {
            dot_paired<T, N, Source, FROM, TO>(codes, at, x, g, sums);
            return;
        }
        CHQ_UNROLL for (int v = FROM / 2; v < TO / 2; v++) {
            bytes w[2][T * PARTS];
            CHQ_UNROLL for (int t = 0; t < T; t++) {
                Source::pair(codes[t] + at, v, w[0] + t * PARTS, w[1] + t * PARTS);
            }
            CHQ_UNROLL for (int i = 0; i < 2; i++) {
                if constexpr (I::BY == LANE && N == 4) {
                    const bytes a = I::quads(x.quad(g, 2*v + i, 0));
                    CHQ_UNROLL for (int j = 0; j < N; j++) {
                        CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                            sums[j][p] = I::dot_lane(sums[j][p], w[i][p], a, j);
                        }
                    }
                } else {
                    CHQ_UNROLL for (int j = 0; j < N; j++) {
                        const bytes a = I::quad(x.quad(g, 2*v + i, j));
                        CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                            sums[j][p] = I::dot(sums[j][p], w[i][p], a);
                        }
                    }
                }
            }
        }
    }

    // The same by pairs of rows. The partner of a last odd row is whatever lies behind it in memory, and what comes of that is dropped.
    template <int T, int N, class Source, int FROM, int TO>
    CHQ_INLINE void dot_paired(const uint8_t * const (&codes)[T], int at, const slab_view<I, F, N> & x, int g, typename I::ints (&sums)[N][T * PARTS]) {
        constexpr int COUNT = (N + 1) / 2;
        typename I::ints   dropped = I::zero();
        typename I::square s[COUNT][T * PARTS][2];
        CHQ_UNROLL for (int k = 0; k < COUNT; k++) {
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                I::to_squares(sums[2*k][p], 2*k + 1 < N ? sums[2*k + 1][p] : dropped, s[k][p][0], s[k][p][1]);
            }
        }
        CHQ_UNROLL for (int v = FROM / 2; v < TO / 2; v++) {
            bytes w[2][T * PARTS];
            CHQ_UNROLL for (int t = 0; t < T; t++) {
                Source::pair(codes[t] + at, v, w[0] + t * PARTS, w[1] + t * PARTS);
            }
            bytes a[COUNT];
            CHQ_UNROLL for (int k = 0; k < COUNT; k++) {
                a[k] = I::quads_of_two(x.quad(g, 2*v, 2*k), x.quad(g, 2*v + 1, 2*k));
            }
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                if constexpr (!Source::INTERLEAVED) {
                    I::interleave(w[0][p], w[1][p]);
                }
                CHQ_UNROLL for (int i = 0; i < 2; i++) {
                    CHQ_UNROLL for (int k = 0; k < COUNT; k++) {
                        s[k][p][i] = I::dot_square(s[k][p][i], w[i][p], a[k]);
                    }
                }
            }
        }
        CHQ_UNROLL for (int k = 0; k < COUNT; k++) {
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                I::from_squares(s[k][p][0], s[k][p][1], sums[2*k][p], 2*k + 1 < N ? sums[2*k + 1][p] : dropped);
            }
        }
    }

    // A group in 16 bits: t[j] += s * (codes . q[j]), s[0] for the first half of the group, s[1] for the second
    template <int T, int N, class Source, class Scale, class Total>
    CHQ_INLINE void dot_narrow(const uint8_t * const (&codes)[T], int at, const slab_view<I, F, N> & x, int g,
            const Scale (&s)[2][T * PARTS], Total (&t)[N][T * PARTS]) {
        constexpr int LIMIT = I::chain(KIND);
        constexpr int CHAIN = F == Q6_K && LIMIT > 4 ? 4 : LIMIT; // Q6_K has a scale per 16 columns
        typename I::part sums[N][T * PARTS];
        CHQ_UNROLL for (int v = 0; v < 4; v++) {
            bytes w[2][T * PARTS];
            CHQ_UNROLL for (int k = 0; k < T; k++) {
                Source::pair(codes[k] + at, v, w[0] + k * PARTS, w[1] + k * PARTS);
            }
            CHQ_UNROLL for (int i = 0; i < 2; i++) {
                CHQ_UNROLL for (int j = 0; j < N; j++) {
                    const bytes a = I::quad(x.quad(g, 2*v + i, j));
                    CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                        if ((2*v + i) % CHAIN == 0) {
                            sums[j][p] = I::template first<SIGNED>(w[i][p], a);
                        } else {
                            sums[j][p] = I::template next<SIGNED>(sums[j][p], w[i][p], a);
                        }
                        if ((2*v + i) % CHAIN == CHAIN - 1) {
                            t[j][p] = I::flush(t[j][p], sums[j][p], s[v / 2][p]);
                        }
                    }
                }
            }
        }
    }

    // ---- one block: acc[j] += weights . x[j]

    // The lines of memory to ask for while a block is multiplied, a few with each group: all at once they would hold up the loads.
    struct ahead {
        const uint8_t * at;
        int             lines; // per group

        // bytes: to be asked for within so many groups
        ahead(const uint8_t * from, size_t bytes, int groups) : at(from), lines((int) (bytes + 64 * groups - 1) / (64 * groups)) {}

        CHQ_INLINE_MEMBER void step() {
            for (int i = 0; i < lines; i++) {
                I::prefetch(at);
                at += 64;
            }
        }
    };

    template <int T, int N, class Source>
    CHQ_INLINE void block_32(const prepared<T> & w, const uint8_t * const (&codes)[T], int groups, const slab_view<I, F, N> & x, ahead & next, real (&acc)[N][T * PARTS]) {
        for (int g = 0; g < groups; g++) {
            const int at = g * Source::STEP;
            next.step();
            real sums[N][T * PARTS];
            if constexpr (I::WIDE) {
                typename I::ints s[N][T * PARTS];
                CHQ_UNROLL for (int j = 0; j < N; j++) {
                    CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                        s[j][p] = BIAS != 0 && !has_min(F) ? I::start(x.start(g, j)) : I::zero();
                    }
                }
                dot_wide<T, N, Source, 0, QUADS>(codes, at, x, g, s);
                CHQ_UNROLL for (int j = 0; j < N; j++) {
                    CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                        sums[j][p] = I::to_real(s[j][p]);
                    }
                }
            } else {
                typename I::total s[N][T * PARTS];
                typename I::scale one[2][T * PARTS];
                CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                    one[0][p] = one[1][p] = I::one();
                    CHQ_UNROLL for (int j = 0; j < N; j++) {
                        s[j][p] = BIAS != 0 && !has_min(F) ? I::start(x.start(g, j)) : I::zero();
                    }
                }
                dot_narrow<T, N, Source>(codes, at, x, g, one, s);
                CHQ_UNROLL for (int j = 0; j < N; j++) {
                    CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                        sums[j][p] = I::to_real(s[j][p]);
                    }
                }
            }
            CHQ_UNROLL for (int j = 0; j < N; j++) {
                const real d = I::all(x.d[g * N + j]);
                CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                    acc[j][p] = I::fma(I::mul(w.d[g][p], d), sums[j][p], acc[j][p]);
                    if constexpr (has_min(F)) {
                        acc[j][p] = I::fma(w.m[g][p], I::all(x.sum(g, j)), acc[j][p]);
                    }
                }
            }
        }
    }

    // The part of a group that has one scale: t[j] += scale * (codes . q[j])
    template <int T, int N, class Source, int HALF, int HALVES>
    CHQ_INLINE void scaled(const prepared<T> & w, const uint8_t * const (&codes)[T], int at, const slab_view<I, F, N> & x, int g, real (&t)[N][T * PARTS]) {
        typename I::ints s[N][T * PARTS];
        CHQ_UNROLL for (int j = 0; j < N; j++) {
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                s[j][p] = F == Q6_K ? I::start(x.start(2 * g + HALF, j)) : I::zero();
            }
        }
        dot_wide<T, N, Source, HALF * QUADS / HALVES, (HALF + 1) * QUADS / HALVES>(codes, at, x, g, s);
        CHQ_UNROLL for (int j = 0; j < N; j++) {
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                t[j][p] = I::fma(I::to_real(s[j][p]), w.s[g][HALF][p], t[j][p]);
            }
        }
    }

    template <int T, int N, class Source>
    CHQ_INLINE void block_256_wide(const prepared<T> & w, const uint8_t * const (&codes)[T], const slab_view<I, F, N> & x, ahead & next, real (&acc)[N][T * PARTS]) {
        real t[N][T * PARTS];
        CHQ_UNROLL for (int j = 0; j < N; j++) {
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                t[j][p] = I::all(0);
            }
        }
        for (int g = 0; g < 8; g++) {
            const int at = g * Source::STEP;
            next.step();
            if constexpr (F == Q6_K) {
                scaled<T, N, Source, 0, 2>(w, codes, at, x, g, t);
                scaled<T, N, Source, 1, 2>(w, codes, at, x, g, t);
            } else {
                scaled<T, N, Source, 0, 1>(w, codes, at, x, g, t);
            }
        }
        CHQ_UNROLL for (int j = 0; j < N; j++) {
            const real d = I::all(x.d[j]);
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                if constexpr (F == Q6_K) {
                    acc[j][p] = I::fma(d, t[j][p], acc[j][p]);
                } else {
                    typename I::ints less = I::zero();
                    CHQ_UNROLL for (int g = 0; g < 4; g++) {
                        less = I::dot_pairs(less, w.by[g][p], x.pair(g, j));
                    }
                    acc[j][p] = I::fma(d, I::sub(t[j][p], I::mul(w.m[0][p], I::to_real(less))), acc[j][p]);
                }
            }
        }
    }

    template <int T, int N, class Source>
    CHQ_INLINE void block_256_narrow(const prepared<T> & w, const uint8_t * const (&codes)[T], const slab_view<I, F, N> & x, ahead & next, real (&acc)[N][T * PARTS]) {
        typename I::total t[N][T * PARTS];
        CHQ_UNROLL for (int j = 0; j < N; j++) {
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                t[j][p] = I::zero();
            }
        }
        for (int g = 0; g < 8; g++) {
            const int at = g * Source::STEP;
            next.step();
            dot_narrow<T, N, Source>(codes, at, x, g, w.s[g], t);
        }
        CHQ_UNROLL for (int j = 0; j < N; j++) {
            const real d = I::all(x.d[j]);
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                typename I::ints less = I::zero();
                CHQ_UNROLL for (int g = 0; g < (F == Q6_K ? 8 : 4); g++) {
                    less = I::dot_pairs(less, w.by[g][p], x.pair(g, j));
                }
                if constexpr (F == Q6_K) {
                    const real sum = I::sub(I::to_real(t[j][p]), I::mul(I::to_real(less), I::all((float) BIAS)));
                    acc[j][p] = I::fma(I::mul(w.d[0][p], d), sum, acc[j][p]);
                } else {
                    const real sum = I::sub(I::mul(w.d[0][p], I::to_real(t[j][p])), I::mul(w.m[0][p], I::to_real(less)));
                    acc[j][p] = I::fma(d, sum, acc[j][p]);
                }
            }
        }
    }

    template <int T, int N, class Source>
    CHQ_INLINE void block_product(const prepared<T> & w, const uint8_t * const (&codes)[T], int groups, const uint8_t * x, ahead & next, real (&acc)[N][T * PARTS]) {
        const slab_view<I, F, N> slab(x, groups);
        if constexpr (!is_k(F)) {
            block_32<T, N, Source>(w, codes, groups, slab, next, acc);
        } else if constexpr (I::WIDE) {
            block_256_wide<T, N, Source>(w, codes, slab, next, acc);
        } else {
            block_256_narrow<T, N, Source>(w, codes, slab, next, acc);
        }
    }

    // ---- a strip

    struct job {
        const uint8_t * weights;
        int64_t         n_rows;
        int64_t         columns;
        const uint8_t * activations;
        float * const * outs;
        int             n;

        const uint8_t * strip(int64_t i) const { return weights + (size_t) i * strip_bytes(F, columns); }
        int groups(int64_t column) const { return columns - column < BLOCK ? (int) (columns - column) / GROUP : BLOCK / GROUP; }
        // Rows of a strip that exist.
        size_t rows(int64_t i) const { return (size_t) (n_rows - i * STRIP < STRIP ? n_rows - i * STRIP : STRIP); }
    };

    // The blocks of the tiles that are multiplied in one turn.
    template <int T>
    struct tiles {
        const uint8_t * block[T];
        const uint8_t * codes[T];
        tiles(const uint8_t * strip_block, int turn, int groups) {
            CHQ_UNROLL for (int t = 0; t < T; t++) {
                block[t] = strip_block + (size_t) (turn * T + t) * block_bytes(F, groups);
                codes[t] = block[t] + header_bytes(F, groups);
            }
        }
    };

    CHQ_INLINE void store(const float * sums, const job & k, int j, int64_t strip) {
        float * to = k.outs[j] + strip * STRIP;
        if (k.rows(strip) == STRIP) {
            memcpy(to, sums, STRIP * sizeof(float)); // of a size that the compiler knows
        } else {
            memcpy(to, sums, k.rows(strip) * sizeof(float));
        }
    }

    // Outputs of different rows lie far apart: each is a cache miss that the multiplications can hide.
    CHQ_INLINE void expect_store(const job & k, int j, int64_t strip) {
        const float * to = k.outs[j] + strip * STRIP;
        I::prefetch_write(to);
        I::prefetch_write(to + STRIP / 2);
        I::prefetch_write(to + STRIP - 1);
    }

    // All rows of activations in one slab: sums stay in registers from end to end.
    template <int N>
    static void one_slab(const job & k, int64_t strip) {
        constexpr int T     = N <= SLAB ? I::TILES : 1;
        constexpr int TURNS = STRIP / TILE / T; // until the tiles of a strip are done
        real acc[TURNS][N][T * PARTS];
        CHQ_UNROLL for (int turn = 0; turn < TURNS; turn++) {
            CHQ_UNROLL for (int j = 0; j < N; j++) {
                CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                    acc[turn][j][p] = I::all(0);
                }
            }
        }
        CHQ_UNROLL for (int j = 0; j < N; j++) {
            expect_store(k, j, strip);
        }
        const uint8_t * block = k.strip(strip);
        const uint8_t * x     = k.activations;
        for (int64_t column = 0; column < k.columns; column += BLOCK) {
            const int groups = k.groups(column);
            CHQ_UNROLL for (int turn = 0; turn < TURNS; turn++) {
                const tiles<T> at(block, turn, groups);
                prepared<T> w;
                prepare<T>(at.block, groups, w);
                ahead next(at.block[0] + PREFETCH, T * block_bytes(F, groups), groups);
                block_product<T, N, packed_codes>(w, at.codes, groups, x, next, acc[turn]);
            }
            block += STRIP / TILE * block_bytes(F, groups);
            x     += activation_bytes(F, I::WIDE, groups) * N;
        }
        CHQ_UNROLL for (int j = 0; j < N; j++) {
            float sums[STRIP];
            CHQ_UNROLL for (int turn = 0; turn < TURNS; turn++) {
                CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                    I::put(sums + turn * T * TILE + p * LANES, acc[turn][j][p]);
                }
            }
            store(sums, k, j, strip);
        }
    }

    template <int T, int N, class Source>
    CHQ_INLINE void pass(const prepared<T> & w, const uint8_t * const (&codes)[T], int groups, const uint8_t * x, ahead & next, float (*sums)[STRIP]) {
        real acc[N][T * PARTS];
        CHQ_UNROLL for (int j = 0; j < N; j++) {
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                acc[j][p] = I::reals(sums[j] + p * LANES);
            }
        }
        block_product<T, N, Source>(w, codes, groups, x, next, acc);
        CHQ_UNROLL for (int j = 0; j < N; j++) {
            CHQ_UNROLL for (int p = 0; p < T * PARTS; p++) {
                I::put(sums[j] + p * LANES, acc[j][p]);
            }
        }
    }

    template <int T, class Source>
    static void slab_pass(int n, const prepared<T> & w, const uint8_t * const (&codes)[T], int groups, const uint8_t * x, ahead & next, float (*sums)[STRIP]) {
        static_assert(SLAB <= 8, "one case for each");
        switch (n) {
            case 1: pass<T, 1, Source>(w, codes, groups, x, next, sums); break;
            case 2: if constexpr (SLAB >= 2) { pass<T, 2, Source>(w, codes, groups, x, next, sums); } break;
            case 3: if constexpr (SLAB >= 3) { pass<T, 3, Source>(w, codes, groups, x, next, sums); } break;
            case 4: if constexpr (SLAB >= 4) { pass<T, 4, Source>(w, codes, groups, x, next, sums); } break;
            case 5: if constexpr (SLAB >= 5) { pass<T, 5, Source>(w, codes, groups, x, next, sums); } break;
            case 6: if constexpr (SLAB >= 6) { pass<T, 6, Source>(w, codes, groups, x, next, sums); } break;
            case 7: if constexpr (SLAB >= 7) { pass<T, 7, Source>(w, codes, groups, x, next, sums); } break;
            case 8: if constexpr (SLAB >= 8) { pass<T, 8, Source>(w, codes, groups, x, next, sums); } break;
            default: break;
        }
    }

    // Block by block, all slabs of [slab0, slab1) pass over the block while it is in the cache.
    static void many_slabs(const job & k, int64_t strip, const slabs & cut, int slab0, int slab1) {
        constexpr int T     = I::TILES;
        constexpr int TURNS = STRIP / TILE / T;
        alignas(64) float   sums[CHUNK][STRIP];
        alignas(64) uint8_t panel[PANEL ? T * PANEL_BYTES : 1];
        const int row0 = cut.first(slab0);
        const int row1 = cut.first(slab1);
        memset(sums, 0, (size_t) (row1 - row0) * sizeof(sums[0]));
        const uint8_t * block = k.strip(strip);
        const uint8_t * x     = k.activations;
        for (int64_t column = 0; column < k.columns; column += BLOCK) {
            const int    groups = k.groups(column);
            const size_t row    = activation_bytes(F, I::WIDE, groups);
            const size_t bytes  = STRIP / TILE * block_bytes(F, groups);
            const uint8_t * const end_of_next = block + PREFETCH + bytes;
            ahead next(block + PREFETCH, bytes, groups * TURNS * (slab1 - slab0));
            for (int turn = 0; turn < TURNS; turn++) {
                tiles<T> at(block, turn, groups);
                for (int t = 0; PANEL && t < T; t++) {
                    for (int g = 0; g < groups; g++) {
                        unpack(at.codes[t] + (size_t) g * group_bytes(KIND), panel + t * PANEL_BYTES + g * QUADS * VECTOR);
                    }
                    at.codes[t] = panel + t * PANEL_BYTES;
                }
                prepared<T> w;
                prepare<T>(at.block, groups, w);
                const bool last = turn == TURNS - 1 && column + BLOCK >= k.columns;
                for (int slab = slab0; slab < slab1; slab++) {
                    const int first = cut.first(slab);
                    const int end   = cut.first(slab + 1);
                    next.lines = next.at < end_of_next ? next.lines : 0;
                    float (*to)[STRIP] = (float (*)[STRIP]) (sums[first - row0] + turn * T * TILE);
                    for (int j = first; last && j < end; j++) {
                        expect_store(k, j, strip);
                    }
                    if constexpr (PANEL) {
                        slab_pass<T, panel_codes>(end - first, w, at.codes, groups, x + (size_t) first * row, next, to);
                    } else {
                        slab_pass<T, packed_codes>(end - first, w, at.codes, groups, x + (size_t) first * row, next, to);
                    }
                    for (int j = first; last && j < end; j++) {
                        store(sums[j - row0], k, j, strip);
                    }
                }
            }
            block += bytes;
            x     += row * (size_t) k.n;
        }
    }

    static void multiply(const uint8_t * weights, int64_t n_rows, int64_t columns, int64_t strip0, int64_t strip1,
            const uint8_t * activations, float * const * outs, int n) {
        static_assert(I::ALONE <= 8, "one case for each");
        const job   k { weights, n_rows, columns, activations, outs, n };
        const slabs cut(n, I::ALONE, SLAB);
        constexpr int STEP = CHUNK / SLAB;
        for (int slab = 0; slab < cut.count; slab += STEP) {
            const int end = slab + STEP < cut.count ? slab + STEP : cut.count;
            for (int64_t strip = strip0; strip < strip1; strip++) {
                switch (cut.count == 1 ? n : 0) {
                    case 1: one_slab<1>(k, strip); break;
                    case 2: if constexpr (I::ALONE >= 2) { one_slab<2>(k, strip); } break;
                    case 3: if constexpr (I::ALONE >= 3) { one_slab<3>(k, strip); } break;
                    case 4: if constexpr (I::ALONE >= 4) { one_slab<4>(k, strip); } break;
                    case 5: if constexpr (I::ALONE >= 5) { one_slab<5>(k, strip); } break;
                    case 6: if constexpr (I::ALONE >= 6) { one_slab<6>(k, strip); } break;
                    case 7: if constexpr (I::ALONE >= 7) { one_slab<7>(k, strip); } break;
                    case 8: if constexpr (I::ALONE >= 8) { one_slab<8>(k, strip); } break;
                    default: many_slabs(k, strip, cut, slab, end); break;
                }
            }
        }
    }
};

// ---- activations

// How an instruction set rounds activations. Written so that a compiler vectorises it; a set may specialise it.
template <class I>
struct rounding {
    // q[i] = round(x[i] / d) with the d that makes the largest magnitude 127. count: 32 or 256
    static void block(const float * x, int count, int8_t * q, float & d) {
        uint32_t largest = 0;
        for (int i = 0; i < count; i++) {
            uint32_t bits;
            memcpy(&bits, x + i, 4);
            bits &= 0x7fffffff; // order of magnitudes = order of their bits
            largest = bits > largest ? bits : largest;
        }
        float magnitude;
        memcpy(&magnitude, &largest, 4);
        d = magnitude / 127;
        const float inverse = magnitude > 0 ? 127 / magnitude : 0;
        for (int i = 0; i < count; i++) {
            const float shifted = x[i] * inverse + 0x1.8p23f; // the sum's low bits are the rounded integer
            int32_t bits;
            memcpy(&bits, &shifted, 4);
            q[i] = (int8_t) bits;
        }
    }

    // sums[i] = sum of the 16 columns of q from 16 * i on. count: a multiple of 32, at most 256
    static void sums_16(const int8_t * q, int count, int32_t * sums) {
        for (int i = 0; i < count / 16; i++) {
            int32_t sum = 0;
            for (int k = 0; k < 16; k++) {
                sum += q[16 * i + k];
            }
            sums[i] = sum;
        }
    }
};

template <class I, format F>
static void quantize_row(const float * x, int64_t columns, int64_t block0, int64_t block1, int n, int row, uint8_t * to) {
    constexpr correction CORRECTION = correction_of(F, I::WIDE);
    constexpr int        BIAS       = code_bias<F>(I::SIGNED_BIAS);
    const slabs cut(n, I::ALONE, I::SLAB);
    const int   slab  = cut.of_row(row);
    const int   first = cut.first(slab);
    const int   N     = cut.first(slab + 1) - first;
    const int   j     = row - first;
    to += (size_t) block0 * activation_bytes(F, I::WIDE, BLOCK / GROUP) * (size_t) n;
    for (int64_t column = block0 * BLOCK; column < columns && column < block1 * BLOCK; column += BLOCK) {
        const int    width  = columns - column < BLOCK ? (int) (columns - column) : BLOCK;
        const int    groups = width / GROUP;
        const size_t bytes  = activation_bytes(F, I::WIDE, groups);
        uint8_t * at   = to + bytes * (size_t) first;
        float   * d    = (float *) (at + (size_t) width * N);
        uint8_t * more = (uint8_t *) (d + (is_k(F) ? N : groups * N));
        alignas(64) int8_t q[BLOCK];
        if constexpr (is_k(F)) {
            rounding<I>::block(x + column, BLOCK, q, d[j]);
        } else {
            for (int g = 0; g < groups; g++) {
                rounding<I>::block(x + column + g * GROUP, GROUP, q + g * GROUP, d[g * N + j]);
            }
        }
        if (N == 1) {
            memcpy(at, q, (size_t) width);
        } else {
            for (int i = 0; i < width / 4; i++) {
                memcpy(at + (i * N + j) * 4, q + 4 * i, 4);
            }
        }
        int32_t sums[BLOCK / 16 + 2]; // whole vectors of four are stored
        rounding<I>::sums_16(q, width, sums);
        if constexpr (CORRECTION == START_32) {
            for (int g = 0; g < groups; g++) {
                ((int32_t *) more)[g * N + j] = -BIAS * (sums[2 * g] + sums[2 * g + 1]);
            }
        } else if constexpr (CORRECTION == SUM_32) {
            for (int g = 0; g < groups; g++) {
                ((float *) more)[g * N + j] = d[g * N + j] * (float) (sums[2 * g] + sums[2 * g + 1]);
            }
        } else if constexpr (CORRECTION == START_16) {
            for (int i = 0; i < 16; i++) {
                ((int32_t *) more)[i * N + j] = -BIAS * sums[i];
            }
        } else if constexpr (CORRECTION == PAIRS_16) {
            for (int i = 0; i < 16; i++) {
                ((int16_t *) more)[(i / 2 * N + j) * 2 + i % 2] = (int16_t) sums[i];
            }
        } else {
            for (int g = 0; g < 8; g++) {
                ((int16_t *) more)[(g / 2 * N + j) * 2 + g % 2] = (int16_t) (sums[2 * g] + sums[2 * g + 1]);
            }
        }
        to += bytes * (size_t) n;
    }
}

template <class I>
static void quantize(format f, const float * x, int64_t columns, int64_t block0, int64_t block1, int n, int row, uint8_t * to) {
    switch (f) {
        case Q4_0:   quantize_row<I, Q4_0>  (x, columns, block0, block1, n, row, to); break;
        case Q4_1:   quantize_row<I, Q4_1>  (x, columns, block0, block1, n, row, to); break;
        case IQ4_NL: quantize_row<I, IQ4_NL>(x, columns, block0, block1, n, row, to); break;
        case Q5_0:   quantize_row<I, Q5_0>  (x, columns, block0, block1, n, row, to); break;
        case Q8_0:   quantize_row<I, Q8_0>  (x, columns, block0, block1, n, row, to); break;
        case Q4_K:   quantize_row<I, Q4_K>  (x, columns, block0, block1, n, row, to); break;
        case Q5_K:   quantize_row<I, Q5_K>  (x, columns, block0, block1, n, row, to); break;
        case Q6_K:   quantize_row<I, Q6_K>  (x, columns, block0, block1, n, row, to); break;
        default:     break;
    }
}

template <class I>
constexpr kernel_set kernel_set_of(const char * name) {
    return { name, I::WIDE, quantize<I>, {
        tile_kernel<I, Q4_0>::multiply, tile_kernel<I, Q4_1>::multiply, tile_kernel<I, IQ4_NL>::multiply, tile_kernel<I, Q5_0>::multiply,
        tile_kernel<I, Q8_0>::multiply, tile_kernel<I, Q4_K>::multiply, tile_kernel<I, Q5_K>::multiply, tile_kernel<I, Q6_K>::multiply },
        attention_kernel<I>::attend,
        attention_kernel<I>::find_place,
        attention_kernel<I>::gauge,
        attention_kernel<I>::attend_parts };
}

} // namespace chq::kernels
