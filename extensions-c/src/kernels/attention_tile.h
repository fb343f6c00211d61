// Attention of a few query rows that share their keys and values, as templates over the instruction set (see tile.h). Keys and values are
// fp16, sums are fp32. Tile by tile of the keys, with the softmax kept up to date as it goes (Milakov and Gimelshein, "Online normalizer
// calculation for softmax", 2018; Dao et al., "FlashAttention", 2022).
#pragma once

#include "exponentials.h"
#include "kernels.h"

#include <algorithm>
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

    // Up to KEYS keys and their values that are taken together; where there is none, zeros and a bias of minus infinity.
    struct tile {
        const uint16_t * keys[KEYS];
        const uint16_t * values[KEYS];
        float            bias[KEYS];
        int              count; // slots in use, the last one holds a key
        size_t           keys_ahead   = 0; // bytes from a key to the one in its slot of the next tile
        size_t           values_ahead = 0;
        size_t           ahead        = 0; // bytes to ask for there

        void put(int slot, const uint16_t * key, const uint16_t * value) {
            keys  [slot] = key;
            values[slot] = value;
        }

        void close() {
            for (int i = count; i < KEYS; i++) {
                keys[i] = ATTENTION_NOTHING;
            }
        }
    };

    CHQ_INLINE const uint16_t * cell_at(const uint8_t * rows, size_t stride, int64_t i) { return (const uint16_t *) (rows + (size_t) i * stride); }

    // Into the second-level cache: between the cells of one head lie those of the others, which the processor does not see through by itself, and the first level has
    // too few misses at a time for them.
    CHQ_INLINE void ask_for(const uint16_t * cell, size_t ahead, size_t bytes) {
        for (size_t b = 0; b < bytes; b += 64) {
            I::prefetch_far((const uint8_t *) cell + ahead + b);
        }
    }

    // to[i][j] = element i of the key in slot j. width: a multiple of 16
    static void turn(const tile & t, int width, float * to) {
        for (int j = 0; j < KEYS; j += LANES) {
            for (int l = 0; l < LANES; l++) {
                ask_for(t.keys[j + l], t.keys_ahead, t.ahead);
            }
            for (int i = 0; i < width; i += LANES) {
                real block[LANES];
                CHQ_UNROLL for (int l = 0; l < LANES; l++) {
                    block[l] = I::halves(t.keys[j + l] + i);
                }
                I::transpose(block);
                CHQ_UNROLL for (int l = 0; l < LANES; l++) {
                    I::put(to + (i + l) * KEYS + j, block[l]);
                }
            }
        }
    }

    // to[i] = the value in slot i
    static void unpack(const tile & t, int width, float * to) {
        for (int i = 0; i < t.count; i++) {
            ask_for(t.values[i], t.values_ahead, t.ahead);
            for (int c = 0; c < width; c += LANES) {
                I::put(to + i * width + c, I::halves(t.values[i] + c));
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

    // What the softmax of a row knows so far.
    struct row_state {
        float   most  = -std::numeric_limits<float>::infinity(); // of its scores
        float   total = 0;                                       // of the weights, given `most`
        int     seen  = 0;                                       // keys of the tile at hand
        attention_place place;
    };

    static void fade(const attention_job & k, float * sums, row_state & row, float most) {
        if (row.most != most) {
            const float by = std::exp(row.most - most);
            row.total *= by;
            for (int c = 0; c < k.dv; c++) {
                sums[c] *= by;
            }
            row.most = most;
        }
    }

    // What a tile with at most FEW keys adds to a row.
    static void add_few(const attention_job & k, const tile & t, const float * q, float * sums, row_state & row) {
        float scores[FEW];
        int   at[FEW];
        int   n = 0;
        float largest = row.most;
        for (int i = 0; i < t.count; i++) {
            if (t.bias[i] == -std::numeric_limits<float>::infinity()) {
                continue;
            }
            real products = I::all(0);
            for (int c = 0; c < k.d; c += LANES) {
                products = I::fma(I::reals(q + c), I::halves(t.keys[i] + c), products);
            }
            float lanes[LANES];
            I::put(lanes, products);
            float score = t.bias[i];
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
        fade(k, sums, row, largest);
        for (int j = 0; j < n; j++) {
            const float weight = std::exp(scores[j] - largest);
            row.total += weight;
            for (int c = 0; c < k.dv; c += LANES) {
                I::put(sums + c, I::fma(I::all(weight), I::halves(t.values[at[j]] + c), I::reals(sums + c)));
            }
        }
    }

    // s[i] += bias[i] for KEYS scores; gives the largest of them, or `most`.
    static float add_bias(const float * bias, float * s, float most) {
        float lanes[16]; // as a compiler takes them for vectors
        std::fill(lanes, lanes + 16, most);
        for (int i = 0; i < KEYS; i += 16) {
            for (int j = 0; j < 16; j++) {
                s[i + j] += bias[i + j];
                lanes[j] = s[i + j] > lanes[j] ? s[i + j] : lanes[j];
            }
        }
        for (float lane : lanes) {
            most = lane > most ? lane : most;
        }
        return most;
    }

    // The scores s of a row become the weights of its keys.
    static void weigh(const attention_job & k, const float * bias, float * s, float * sums, row_state & row) {
        const float largest = add_bias(bias, s, row.most);
        if (largest == -std::numeric_limits<float>::infinity()) {
            memset(s, 0, sizeof(float) * KEYS); // scores that are none
            return;
        }
        fade(k, sums, row, largest);
        row.total += weights(s, largest);
    }

    // The keys of a row are numbered one after another from the first one that it sees on, which has its place within a tile of the cache as its number: that says which of
    // them are taken together. So its result is the same bit for bit wherever its keys lie, beside the branches of a tree as in a cache of its own. `origin` is where that
    // tile begins; `joint` is where the tiles of the cache end that are the row's as they are: behind the last of them keys lie apart that belong together.
    static attention_place find_place(const uint16_t * mask, int64_t n_keys) {
        enum { BEFORE, AMONG, BEHIND } at = BEFORE;
        attention_place place;
        int64_t end = 0; // of the keys seen
        for (int64_t key = 0; key < n_keys; key += KEYS) {
            const int count = (int) (n_keys - key < KEYS ? n_keys - key : KEYS);
            const int n     = visible(mask + key, count);
            if (n == (at == AMONG ? count : 0)) {
                continue;
            }
            for (int i = 0; i < count; i++) {
                const bool sees = mask[key + i] != MINUS_INFINITY;
                if (sees && at == BEHIND) {
                    place.joint = end / KEYS * KEYS;
                    for (int64_t behind = place.joint; behind < n_keys; behind += KEYS) {
                        place.apart += visible(mask + behind, (int) (n_keys - behind < KEYS ? n_keys - behind : KEYS));
                    }
                    place.keys = first_apart(mask, place) - place.origin + place.apart;
                    return place;
                }
                if (sees && at == BEFORE) {
                    place.origin = key;
                }
                if (sees) {
                    at = AMONG;
                } else if (at == AMONG) {
                    at  = BEHIND;
                    end = key + i;
                }
            }
        }
        place.joint = n_keys;
        place.keys  = (at == AMONG ? n_keys : end) - place.origin;
        return place;
    }

    // The cell whose number the first key behind the joint tiles has: where there are no such tiles, that of the first key.
    static int64_t first_apart(const uint16_t * mask, const attention_place & place) {
        int64_t cell = place.joint;
        while (place.joint == place.origin && mask[cell] == MINUS_INFINITY) {
            cell++;
        }
        return cell;
    }

    static void read_bias(const uint16_t * mask, int count, float * bias) {
        int i = 0;
        for (; i + LANES <= count; i += LANES) {
            I::put(bias + i, I::halves(mask + i));
        }
        for (; i < KEYS; i++) {
            bias[i] = i < count ? from_half(mask[i]) : -std::numeric_limits<float>::infinity();
        }
    }

    // A job on its way. Sums are rounded part by part of the keys as a row numbers them, and the parts then added in their order: so several threads can share the keys
    // of a row without a trace.
    struct state {
        float *   q;      // [rows][d], scaled
        float *   sums;   // [rows][dv], of the part at hand
        float *   wholes; // [rows][dv], of the parts before
        float *   scores; // [rows][KEYS]
        float *   keys;   // [d][KEYS], and [KEYS][dv] for values
        row_state rows[ATTENTION_ROWS];  // of the part at hand
        row_state whole[ATTENTION_ROWS]; // of the parts before
    };

    // The whole of some parts and one more.
    static void merge(int dv, float most, float total, const float * sums, row_state & whole, float * wholes) {
        if (most == -std::numeric_limits<float>::infinity()) {
            return;
        }
        if (whole.most == -std::numeric_limits<float>::infinity()) {
            whole.most  = most;
            whole.total = total;
            memcpy(wholes, sums, sizeof(float) * (size_t) dv);
            return;
        }
        const float largest = most > whole.most ? most : whole.most;
        const float fade    = std::exp(whole.most - largest);
        const float weight  = std::exp(most - largest);
        whole.most  = largest;
        whole.total = std::fma(total, weight, whole.total * fade);
        for (int c = 0; c < dv; c += LANES) {
            const real before = I::fma(I::reals(wholes + c), I::all(fade), I::all(0));
            I::put(wholes + c, I::fma(I::reals(sums + c), I::all(weight), before));
        }
    }

    static void give(int dv, const row_state & whole, const float * wholes, float * out) {
        const float inverse = whole.total == 0 ? 0 : 1 / whole.total;
        for (int i = 0; i < dv; i++) {
            out[i] = wholes[i] * inverse;
        }
    }

    static void attend_parts(const float * parts, size_t stride, int64_t n, int dv, float * out) {
        alignas(64) float wholes[ATTENTION_WIDTH] = {};
        row_state whole;
        for (int64_t i = 0; i < n; i++, parts += stride) {
            merge(dv, parts[0], parts[1], parts + 2, whole, wholes);
        }
        give(dv, whole, wholes, out);
    }

    // A row has seen all of a part.
    static void end_part(const attention_job & k, state & s, int r, int64_t part) {
        float * const sums = s.sums + r * k.dv;
        row_state &   row  = s.rows[r];
        if (k.part_stride > 0) {
            float * const to = k.outs[r] + (size_t) part * k.part_stride;
            to[0] = row.most;
            to[1] = row.total;
            memcpy(to + 2, sums, sizeof(float) * (size_t) k.dv);
        } else {
            merge(k.dv, row.most, row.total, sums, s.whole[r], s.wholes + r * k.dv);
        }
        row.most  = -std::numeric_limits<float>::infinity();
        row.total = 0;
        memset(sums, 0, sizeof(float) * (size_t) k.dv);
    }

    static void attend(const attention_job & k) {
        state s;
        s.q      = k.scratch; // all of it on cache lines
        s.sums   = s.q      + ATTENTION_ROWS * k.d;
        s.wholes = s.sums   + ATTENTION_ROWS * k.dv;
        s.scores = s.wholes + ATTENTION_ROWS * k.dv;
        s.keys   = s.scores + ATTENTION_ROWS * KEYS;
        for (int r = 0; r < k.rows; r++) {
            for (int i = 0; i < k.d; i++) {
                s.q[r * k.d + i] = k.q[r][i] * k.scale;
            }
            const bool again = r > 0 && k.mask[r] == k.mask[r - 1];
            s.rows[r].place = k.place[r] ? *k.place[r] : again ? s.rows[r - 1].place : find_place(k.mask[r], k.n_keys);
        }
        memset(s.sums, 0, sizeof(float) * (size_t) k.rows * (size_t) k.dv);
        memset(s.wholes, 0, sizeof(float) * (size_t) k.rows * (size_t) k.dv);

        // tiles of the cache, as far as they are of our parts of a row
        const int64_t n_parts = attention_parts(k.n_keys);
        const int64_t part1   = k.part1 < n_parts ? k.part1 : n_parts;
        int64_t begin[ATTENTION_ROWS], end[ATTENTION_ROWS], ended[ATTENTION_ROWS]; // ended: parts
        int64_t first = k.n_keys, last = 0;
        for (int r = 0; r < k.rows; r++) {
            const attention_place & place = s.rows[r].place;
            begin[r] = place.origin + k.part0 * ATTENTION_PART;
            end[r]   = place.origin + part1 * ATTENTION_PART < place.joint ? place.origin + part1 * ATTENTION_PART : place.joint;
            ended[r] = k.part0;
            first    = begin[r] < first ? begin[r] : first;
            last     = end[r] > last ? end[r] : last;
        }
        for (int64_t key = first; key < last; key += KEYS) {
            if (!k.chosen || k.chosen[key / KEYS]) {
                attend_tile(k, s, key, begin, end);
            }
            for (int r = 0; r < k.rows; r++) {
                if (key >= begin[r] && key < end[r] && (key + KEYS - s.rows[r].place.origin) % ATTENTION_PART == 0) {
                    end_part(k, s, r, ended[r]++);
                }
            }
        }
        for (int r = 0; r < k.rows; r++) {
            while (s.rows[r].place.joint == k.n_keys && ended[r] < part1) {
                end_part(k, s, r, ended[r]++);
            }
        }
        for (int r0 = 0, r1; r0 < k.rows; r0 = r1) {
            for (r1 = r0 + 1; r1 < k.rows && goes_on(k, s, r1 - 1); r1++) {
            }
            const attention_place & place = s.rows[r0].place;
            if (place.joint < k.n_keys && (place.joint - place.origin) / ATTENTION_PART < part1) {
                attend_apart(k, s, r0, r1, part1);
            }
        }
        for (int r = 0; r < k.rows && k.part_stride == 0; r++) {
            give(k.dv, s.whole[r], s.wholes + r * k.dv, k.outs[r]);
        }
    }

    // A tile of the cache, for all rows that have it as it is.
    static void attend_tile(const attention_job & k, state & s, int64_t key, const int64_t * begin, const int64_t * end) {
        row_state * const rows = s.rows;
        tile t;
        t.keys_ahead   = KEYS * k.key_stride;
        t.values_ahead = KEYS * k.value_stride;
        t.ahead        = k.ahead ? k.ahead : 2 * (size_t) (k.d > k.dv ? k.d : k.dv);
        t.count        = (int) (k.n_keys - key < KEYS ? k.n_keys - key : KEYS);
        for (int i = 0; i < t.count; i++) {
            t.put(i, cell_at(k.keys, k.key_stride, key + i), cell_at(k.values, k.value_stride, key + i));
        }
        t.close();
        // what the mask leaves of this tile: nothing, a few keys that are taken one by one, or as many as make the whole tile worth while. It is for each row by itself to
        // say, so that its result does not depend on the rows beside it.
        bool many = false;
        for (int r = 0; r < k.rows; r++) {
            const bool again = r > 0 && k.mask[r] == k.mask[r - 1];
            rows[r].seen = again ? rows[r - 1].seen : key >= begin[r] && key < end[r] ? visible(k.mask[r] + key, t.count) : 0;
            many |= rows[r].seen > FEW;
            if (rows[r].seen > 0 && rows[r].seen <= FEW) {
                if (!again) {
                    read_bias(k.mask[r] + key, t.count, t.bias);
                }
                add_few(k, t, s.q + r * k.d, s.sums + r * k.dv, rows[r]);
            }
        }
        if (!many) {
            return;
        }
        turn(t, k.d, s.keys);
        multiply(s.q, k.d, s.keys, KEYS, k.d, s.scores, KEYS, k.rows, KEYS, false);
        for (int r = 0; r < k.rows; r++) {
            if (rows[r].seen <= FEW) {
                memset(s.scores + r * KEYS, 0, sizeof(float) * KEYS);
                continue;
            }
            if (r == 0 || k.mask[r] != k.mask[r - 1]) {
                read_bias(k.mask[r] + key, t.count, t.bias);
            }
            weigh(k, t.bias, s.scores + r * KEYS, s.sums + r * k.dv, rows[r]);
        }
        unpack(t, k.dv, s.keys);
        multiply(s.scores, KEYS, s.keys, k.dv, t.count, s.sums, k.dv, k.rows, k.dv, true);
    }

    // What the keys of each tile come to in a row's softmax, without their values. The mask is read as it is, whatever a row's place.
    static void gauge(const attention_job & k, float * logs, size_t stride) {
        float * const q      = k.scratch;
        float * const scores = q + ATTENTION_ROWS * k.d;
        float * const keys   = scores + ATTENTION_ROWS * KEYS;
        for (int r = 0; r < k.rows; r++) {
            for (int i = 0; i < k.d; i++) {
                q[r * k.d + i] = k.q[r][i] * k.scale;
            }
        }
        tile t;
        t.keys_ahead = KEYS * k.key_stride;
        t.ahead      = 2 * (size_t) k.d;
        for (int64_t key = 0; key < k.n_keys; key += KEYS) {
            t.count = (int) (k.n_keys - key < KEYS ? k.n_keys - key : KEYS);
            for (int i = 0; i < t.count; i++) {
                t.put(i, cell_at(k.keys, k.key_stride, key + i), nullptr);
            }
            t.close();
            turn(t, k.d, keys);
            multiply(q, k.d, keys, KEYS, k.d, scores, KEYS, k.rows, KEYS, false);
            for (int r = 0; r < k.rows; r++) {
                float * const s = scores + r * KEYS;
                read_bias(k.mask[r] + key, t.count, t.bias);
                const float most = add_bias(t.bias, s, -std::numeric_limits<float>::infinity());
                logs[(size_t) r * stride + (size_t) (key / KEYS)] = most == -std::numeric_limits<float>::infinity() ? most : most + std::log(weights(s, most));
            }
        }
    }

    // Whether a row sees what the next one sees, up to some key: as the tokens of a prompt do.
    static bool goes_on(const attention_job & k, const state & s, int r) {
        const uint16_t * const mask = k.mask[r];
        if (mask == k.mask[r + 1] || s.rows[r].place.joint != s.rows[r + 1].place.joint || s.rows[r].place.joint == k.n_keys) {
            return mask == k.mask[r + 1];
        }
        int64_t end = k.n_keys;
        while (end > 0 && mask[end - 1] == MINUS_INFINITY) {
            end--;
        }
        return memcmp(mask, k.mask[r + 1], sizeof(*mask) * (size_t) end) == 0;
    }

    // A gathered tile for the rows [r0, r1), each of which sees its first rows[].seen keys.
    static void add_tile(const attention_job & k, state & s, tile & t, int r0, int r1) {
        const int n = r1 - r0;
        float * const q    = s.q + r0 * k.d;
        float * const sums = s.sums + r0 * k.dv;
        std::fill(t.bias + t.count, t.bias + KEYS, -std::numeric_limits<float>::infinity());
        t.close();
        const bool many = s.rows[r1 - 1].seen > FEW;
        if (many) {
            turn(t, k.d, s.keys);
            multiply(q, k.d, s.keys, KEYS, k.d, s.scores, KEYS, n, KEYS, false);
        }
        // from the row that sees most to the one that sees least
        for (int r = n - 1, left = t.count; r >= 0; r--) {
            row_state & row = s.rows[r0 + r];
            for (int hidden = r < n - 1 ? s.rows[r0 + r + 1].seen - row.seen : 0; hidden > 0; hidden--) {
                t.bias[--left] = -std::numeric_limits<float>::infinity();
            }
            if (row.seen <= FEW) {
                memset(s.scores + r * KEYS, 0, sizeof(float) * KEYS);
                if (row.seen > 0) {
                    add_few(k, t, q + r * k.d, sums + r * k.dv, row);
                }
            } else {
                weigh(k, t.bias, s.scores + r * KEYS, sums + r * k.dv, row);
            }
        }
        if (many) {
            unpack(t, k.dv, s.keys);
            multiply(s.scores, KEYS, s.keys, k.dv, t.count, sums, k.dv, n, k.dv, true);
        }
    }

    // The keys behind the joint tiles, gathered for rows [r0, r1) that see the same ones up to some key each.
    static void attend_apart(const attention_job & k, state & s, int r0, int r1, int64_t part1) {
        const uint16_t * const mask  = k.mask[r1 - 1];
        int64_t left[ATTENTION_ROWS]; // keys that a row has not seen yet
        for (int r = r0; r < r1; r++) {
            left[r] = s.rows[r].place.apart;
        }
        const int64_t from = k.part0 * ATTENTION_PART; // slots before it are not ours
        int64_t key    = first_apart(k.mask[r0], s.rows[r0].place);
        int64_t number = key - s.rows[r0].place.origin; // of the slot that comes next
        tile t;
        t.keys_ahead   = KEYS * k.key_stride;
        t.values_ahead = KEYS * k.value_stride;
        t.ahead        = k.ahead;
        t.count        = 0;
        for (; from == 0 && t.count < number % KEYS; t.count++) {
            t.put(t.count, ATTENTION_NOTHING, ATTENTION_NOTHING);
            t.bias[t.count] = -std::numeric_limits<float>::infinity();
        }
        const auto take = [&](int64_t n) {
            for (int r = r0; r < r1; r++) {
                s.rows[r].seen = (int) (left[r] < n ? left[r] : n);
                left[r] -= s.rows[r].seen;
            }
        };
        int64_t part = number / ATTENTION_PART;
        int     keys = 0;
        const auto end_tile = [&] {
            take(keys);
            add_tile(k, s, t, r0, r1);
            t.count = keys = 0;
        };
        while (key < k.n_keys && number < part1 * ATTENTION_PART) {
            const int count = (int) (k.n_keys - key < KEYS ? k.n_keys - key : KEYS);
            const int n     = visible(mask + key, count);
            if (n == 0 || number + n <= from) {
                take(n);
                number += n;
                key    += count;
                part    = number / ATTENTION_PART;
                continue;
            }
            for (const int64_t end = key + count; key < end && number < part1 * ATTENTION_PART; key++) {
                if (mask[key] == MINUS_INFINITY) {
                    continue;
                }
                if (number < from) {
                    take(1);
                } else {
                    t.put(t.count, cell_at(k.keys, k.key_stride, key), cell_at(k.values, k.value_stride, key));
                    t.bias[t.count++] = from_half(mask[key]);
                    keys++;
                }
                number++;
                if (t.count == KEYS) {
                    end_tile();
                }
                if (number % ATTENTION_PART == 0) {
                    for (int r = r0; r < r1 && part >= k.part0; r++) {
                        end_part(k, s, r, part);
                    }
                    part = number / ATTENTION_PART;
                }
            }
        }
        if (keys > 0) {
            end_tile();
        }
        for (part = part > k.part0 ? part : k.part0; part < part1; part++) {
            for (int r = r0; r < r1; r++) {
                end_part(k, s, r, part);
            }
        }
    }

    static constexpr uint16_t MINUS_INFINITY = 0xfc00; // fp16
};

} // namespace chq::kernels
