// Attention of a few query rows that share their keys and values, as templates over the instruction set (see tile.h). Keys and values are
// fp16, sums are fp32. Tile by tile of the keys, with the softmax kept up to date as it goes (Milakov and Gimelshein, "Online normalizer
// calculation for softmax", 2018; Dao et al., "FlashAttention", 2022).
#pragma once

#include "exponentials.h"
#include "kernels.h"

#include <cmath>
#include <cstring>
#include <limits>

namespace chq::kernels {

template <class I>
struct attention_kernel {
    using real = typename I::real;
    static constexpr int LANES  = TILE / I::PARTS;
    static constexpr int CHUNK  = LANES == 16 ? 4 : 2; // vectors that are summed side by side
    static constexpr int ROWS   = LANES == 16 ? 6 : 4; // query rows that are summed side by side
    static constexpr int KEYS   = ATTENTION_KEYS;
    static constexpr int FEW    = 8;                   // keys of a tile that are not worth turning it

    // sums[r][c * LANES ..] = sum over i of a[r][i] * b[i][c * LANES ..], added to what is there if `add`
    template <int R, int C>
    CHQ_INLINE void product(const float * a, int a_stride, const float * b, int b_stride, int n, float * sums, int sums_stride, bool add) {
        real s[R][C];
        CHQ_UNROLL for (int r = 0; r < R; r++) {
            CHQ_UNROLL for (int c = 0; c < C; c++) {
                s[r][c] = add ? I::reals(sums + r * sums_stride + c * LANES) : I::all(0);
            }
        }
        for (int i = 0; i < n; i++) {
            real w[C];
            CHQ_UNROLL for (int c = 0; c < C; c++) {
                w[c] = I::reals(b + i * b_stride + c * LANES);
            }
            CHQ_UNROLL for (int r = 0; r < R; r++) {
                const real x = I::all(a[r * a_stride + i]);
                CHQ_UNROLL for (int c = 0; c < C; c++) {
                    s[r][c] = I::fma(x, w[c], s[r][c]);
                }
            }
        }
        CHQ_UNROLL for (int r = 0; r < R; r++) {
            CHQ_UNROLL for (int c = 0; c < C; c++) {
                I::put(sums + r * sums_stride + c * LANES, s[r][c]);
            }
        }
    }

    template <int C>
    CHQ_INLINE void some_rows(int count, const float * a, int a_stride, const float * b, int b_stride, int n, float * sums, int sums_stride, bool add) {
        static_assert(ROWS <= 6, "one case for each");
        switch (count) {
            case 1: product<1, C>(a, a_stride, b, b_stride, n, sums, sums_stride, add); break;
            case 2: product<2, C>(a, a_stride, b, b_stride, n, sums, sums_stride, add); break;
            case 3: product<3, C>(a, a_stride, b, b_stride, n, sums, sums_stride, add); break;
            case 4: product<4, C>(a, a_stride, b, b_stride, n, sums, sums_stride, add); break;
            case 5: if constexpr (ROWS >= 5) { product<5, C>(a, a_stride, b, b_stride, n, sums, sums_stride, add); } break;
            case 6: if constexpr (ROWS >= 6) { product<6, C>(a, a_stride, b, b_stride, n, sums, sums_stride, add); } break;
            default: break;
        }
    }

    // All `rows` rows and `width` columns, a multiple of 16. Rows go in turns as even as can be.
    static void multiply(const float * a, int a_stride, const float * b, int b_stride, int n, float * sums, int sums_stride, int rows, int width, bool add) {
        const int turns = (rows + ROWS - 1) / ROWS;
        for (int c = 0; c < width;) {
            const bool whole = c + CHUNK * LANES <= width;
            for (int turn = 0; turn < turns; turn++) {
                const int r     = rows * turn / turns;
                const int count = rows * (turn + 1) / turns - r;
                if (whole) {
                    some_rows<CHUNK>(count, a + r * a_stride, a_stride, b + c, b_stride, n, sums + r * sums_stride + c, sums_stride, add);
                } else {
                    some_rows<1>(count, a + r * a_stride, a_stride, b + c, b_stride, n, sums + r * sums_stride + c, sums_stride, add);
                }
            }
            c += whole ? CHUNK * LANES : LANES;
        }
    }

    CHQ_INLINE void convert(const uint16_t * from, int n, float * to) {
        for (int i = 0; i < n; i += LANES) {
            I::put(to + i, I::halves(from + i));
        }
    }

    // to[i][j] = element i of row j, for KEYS rows of which those from `count` on are zero. width: a multiple of 16
    static void turn(const uint8_t * rows, size_t stride, int count, int width, float * to) {
        for (int j = 0; j < KEYS; j += LANES) {
            for (int i = 0; i < width; i += LANES) {
                real block[LANES];
                CHQ_UNROLL for (int l = 0; l < LANES; l++) {
                    block[l] = j + l < count ? I::halves((const uint16_t *) (rows + (size_t) (j + l) * stride) + i) : I::all(0);
                }
                I::transpose(block);
                CHQ_UNROLL for (int l = 0; l < LANES; l++) {
                    I::put(to + (i + l) * KEYS + j, block[l]);
                }
            }
        }
    }

    // x = exp(x - most) for KEYS values, none above `most`; gives their sum.
    static float weights(float * x, float most) {
        float lanes[16] = {};
        exponentials(x, KEYS, most, lanes);
        float sum = 0;
        for (float lane : lanes) {
            sum += lane;
        }
        return sum;
    }

    // How many keys of a tile a row sees.
    static int visible(const uint16_t * mask, int count) {
        uint16_t n = 0;
        if (count == KEYS) {
            for (int i = 0; i < KEYS; i++) {
                n = (uint16_t) (n + (mask[i] != MINUS_INFINITY));
            }
        } else {
            for (int i = 0; i < count; i++) {
                n = (uint16_t) (n + (mask[i] != MINUS_INFINITY));
            }
        }
        return n;
    }

    // What at most FEW visible keys of a tile add to a row.
    static void add_few(const attention_job & k, int r, int64_t key, int count, const float * q, float * sums, float & most, float & total) {
        float scores[FEW];
        int   at[FEW];
        int   n = 0;
        float largest = most;
        for (int i = 0; i < count; i++) {
            const uint16_t bias = k.mask[r][key + i];
            if (bias == MINUS_INFINITY) {
                continue;
            }
            const uint16_t * row = (const uint16_t *) (k.keys + (size_t) (key + i) * k.key_stride);
            real products = I::all(0);
            for (int c = 0; c < k.d; c += LANES) {
                products = I::fma(I::reals(q + c), I::halves(row + c), products);
            }
            float lanes[LANES];
            I::put(lanes, products);
            float score = from_half(bias);
            for (float lane : lanes) {
                score += lane;
            }
            largest   = score > largest ? score : largest;
            scores[n] = score;
            at[n++]   = i;
        }
        if (largest == -std::numeric_limits<float>::infinity()) {
            return; // scores that are none
        }
        if (most != largest) {
            const float fade = std::exp(most - largest);
            total *= fade;
            for (int c = 0; c < k.dv; c++) {
                sums[c] *= fade;
            }
            most = largest;
        }
        for (int j = 0; j < n; j++) {
            const float weight = std::exp(scores[j] - largest);
            total += weight;
            const uint16_t * row = (const uint16_t *) (k.values + (size_t) (key + at[j]) * k.value_stride);
            for (int c = 0; c < k.dv; c += LANES) {
                I::put(sums + c, I::fma(I::all(weight), I::halves(row + c), I::reals(sums + c)));
            }
        }
    }

    static void attend(const attention_job & k) {
        // scratch, all of it on cache lines
        float * const q      = k.scratch;                                 // [rows][d], scaled
        float * const sums   = q    + ATTENTION_ROWS * k.d;               // [rows][dv]
        float * const scores = sums + ATTENTION_ROWS * k.dv;              // [rows][KEYS]
        float * const keys   = scores + ATTENTION_ROWS * KEYS;            // [d][KEYS]
        float * const values = keys;                                      // [KEYS][dv]
        float most[ATTENTION_ROWS];
        float total[ATTENTION_ROWS];
        for (int r = 0; r < k.rows; r++) {
            for (int i = 0; i < k.d; i++) {
                q[r * k.d + i] = k.q[r][i] * k.scale;
            }
            most[r]  = -std::numeric_limits<float>::infinity();
            total[r] = 0;
        }
        memset(sums, 0, sizeof(float) * (size_t) k.rows * (size_t) k.dv);

        for (int64_t key = 0; key < k.n_keys; key += KEYS) {
            const int count = (int) (k.n_keys - key < KEYS ? k.n_keys - key : KEYS);
            // what the mask leaves of this tile: nothing, a few keys that are taken one by one, or as many as make the whole tile worth while. It is for each row by itself to
            // say, so that its result does not depend on the rows beside it.
            int  seen[ATTENTION_ROWS];
            bool many = false;
            for (int r = 0; r < k.rows; r++) {
                seen[r] = r > 0 && k.mask[r] == k.mask[r - 1] ? seen[r - 1] : visible(k.mask[r] + key, count);
                many |= seen[r] > FEW;
                if (seen[r] > 0 && seen[r] <= FEW) {
                    add_few(k, r, key, count, q + r * k.d, sums + r * k.dv, most[r], total[r]);
                }
            }
            if (!many) {
                continue;
            }
            turn(k.keys + (size_t) key * k.key_stride, k.key_stride, count, k.d, keys);
            multiply(q, k.d, keys, KEYS, k.d, scores, KEYS, k.rows, KEYS, false);

            for (int i = 0; i < count; i++) {
                convert((const uint16_t *) (k.values + (size_t) (key + i) * k.value_stride), k.dv, values + i * k.dv);
            }
            for (int r = 0; r < k.rows; r++) {
                float * const s = scores + r * KEYS;
                if (seen[r] <= FEW) {
                    memset(s, 0, sizeof(float) * KEYS);
                    continue;
                }
                float bias[KEYS];
                for (int i = 0; i + LANES <= count; i += LANES) {
                    I::put(bias + i, I::halves(k.mask[r] + key + i));
                }
                for (int i = count / LANES * LANES; i < KEYS; i++) {
                    bias[i] = i < count ? from_half(k.mask[r][key + i]) : -std::numeric_limits<float>::infinity();
                }
                float largest = most[r];
                for (int i = 0; i < KEYS; i++) {
                    s[i] += bias[i];
                    largest = s[i] > largest ? s[i] : largest;
                }
                if (largest == -std::numeric_limits<float>::infinity()) {
                    memset(s, 0, sizeof(float) * KEYS); // scores that are none
                    continue;
                }
                const float fade = most[r] == largest ? 1 : std::exp(most[r] - largest);
                most[r]  = largest;
                total[r] = total[r] * fade + weights(s, largest);
                if (fade != 1) {
                    for (int i = 0; i < k.dv; i++) {
                        sums[r * k.dv + i] *= fade;
                    }
                }
            }
            multiply(scores, KEYS, values, k.dv, count, sums, k.dv, k.rows, k.dv, true);
        }
        for (int r = 0; r < k.rows; r++) {
            const float inverse = total[r] == 0 ? 0 : 1 / total[r];
            for (int i = 0; i < k.dv; i++) {
                k.outs[r][i] = sums[r * k.dv + i] * inverse;
            }
        }
    }

    static constexpr uint16_t MINUS_INFINITY = 0xfc00; // fp16
};

} // namespace chq::kernels
