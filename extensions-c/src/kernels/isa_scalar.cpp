// Any CPU: the same arithmetic, one row at a time.
#define CHQ_NO_UNROLL // for its size
#include "tile.h"

namespace chq::kernels {
namespace {

struct scalar {
    struct bytes { int16_t at[VECTOR]; };
    struct ints  { int32_t at[TILE]; };
    struct pairs { int16_t at[TILE][2]; };
    struct real  { float   at[TILE]; };

    static constexpr bool WIDE        = true;
    static constexpr int  PARTS       = 1;
    static constexpr int  TILES       = 1;
    static constexpr int  SLAB        = 4;
    static constexpr int  ALONE       = 4;
    static constexpr auto BY          = EACH;
    static constexpr int  SIGNED_BIAS = 0;
    static constexpr bool panel(code_kind) { return false; }

    template <class V, class Function>
    static V each(Function f) {
        V v;
        for (int i = 0; i < (int) (sizeof(v.at) / sizeof(v.at[0])); i++) {
            v.at[i] = f(i);
        }
        return v;
    }

    static bytes load(const uint8_t * p)            { return each<bytes>([&](int i) { return (int16_t) (int8_t) p[i]; }); }
    static void  store(uint8_t * p, const bytes & v) {
        for (int i = 0; i < VECTOR; i++) {
            p[i] = (uint8_t) v.at[i];
        }
    }
    static void  prefetch(const uint8_t *)          {}
    static void  prefetch_far(const uint8_t *)      {}
    static void  prefetch_write(const float *)      {}
    static bytes low_nibbles(const bytes & v)       { return each<bytes>([&](int i) { return (int16_t) (v.at[i] & 15); }); }
    static bytes high_nibbles(const bytes & v)      { return each<bytes>([&](int i) { return (int16_t) (v.at[i] >> 4 & 15); }); }
    static bytes signed_codes(const bytes & v)      { return v; }
    static bytes table(const bytes & v)             { return each<bytes>([&](int i) { return (int16_t) IQ4_NL_VALUES[v.at[i]]; }); }
    static bytes with_fifth(const bytes & v, const bytes & fifth, int at) {
        return each<bytes>([&](int i) { return (int16_t) (v.at[i] | (fifth.at[i] >> at & 1) << 4); });
    }
    static bytes with_top(const bytes & v, const bytes & top, int at) {
        return each<bytes>([&](int i) { return (int16_t) (v.at[i] | (top.at[i] >> 2*at & 3) << 4); });
    }
    static bytes quad(const int8_t * q)             { return each<bytes>([&](int i) { return (int16_t) q[i % 4]; }); }

    static ints  start(const int32_t * s)           { return each<ints>([&](int) { return *s; }); }
    static ints  zero()                             { return {}; }
    static ints  dot(const ints & s, const bytes & w, const bytes & a) {
        return each<ints>([&](int r) {
            int32_t sum = s.at[r];
            for (int i = 4*r; i < 4*r + 4; i++) {
                sum += w.at[i] * a.at[i];
            }
            return sum;
        });
    }
    static real  real_scales(const uint8_t * s)     { return each<real>([&](int r) { return (float) s[r]; }); }
    static void  signed_real_scales(const int8_t (*s)[2], real & a, real & b) {
        a = each<real>([&](int r) { return (float) s[r][0]; });
        b = each<real>([&](int r) { return (float) s[r][1]; });
    }
    static pairs unsigned_pairs(const uint8_t (*p)[2]) {
        pairs v;
        for (int r = 0; r < TILE; r++) {
            v.at[r][0] = p[r][0];
            v.at[r][1] = p[r][1];
        }
        return v;
    }
    static ints  dot_pairs(const ints & s, const pairs & p, const int16_t * by) {
        return each<ints>([&](int r) { return s.at[r] + p.at[r][0] * by[0] + p.at[r][1] * by[1]; });
    }
    static real  to_real(const ints & t)            { return each<real>([&](int r) { return (float) t.at[r]; }); }
    static real  all(float x)                       { return each<real>([&](int) { return x; }); }
    static real  reals(const float * p)             { return each<real>([&](int r) { return p[r]; }); }
    static real  halves(const uint16_t * p)         { return each<real>([&](int r) { return from_half(p[r]); }); }
    static real  mul(const real & a, const real & b) { return each<real>([&](int r) { return a.at[r] * b.at[r]; }); }
    static real  sub(const real & a, const real & b) { return each<real>([&](int r) { return a.at[r] - b.at[r]; }); }
    static real  fma(const real & a, const real & b, const real & c) { return each<real>([&](int r) { return a.at[r] * b.at[r] + c.at[r]; }); }
    static void  put(float * p, const real & v)     { memcpy(p, v.at, sizeof(v.at)); }
    static void  transpose(real (&rows)[TILE]) {
        for (int i = 0; i < TILE; i++) {
            for (int j = 0; j < i; j++) {
                const float x = rows[i].at[j];
                rows[i].at[j] = rows[j].at[i];
                rows[j].at[i] = x;
            }
        }
    }
};

} // namespace

extern const kernel_set scalar_kernels;
const kernel_set scalar_kernels = kernel_set_of<scalar>("scalar");

} // namespace chq::kernels
