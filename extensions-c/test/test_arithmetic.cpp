// The arithmetic of token selection: every instruction set of this processor against plain loops, to the bit.
#include "runner.h"

#include "selection/arithmetic.h"

#include <cmath>
#include <cstdint>
#include <random>

using namespace chq::selection;

static std::vector<float> numbers(size_t n, uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> x(n);
    for (float & v : x) {
        v = normal(random);
    }
    return x;
}

static float total(const float * lane) {
    float x[LANES];
    memcpy(x, lane, sizeof(x));
    for (int half = LANES / 2; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) {
            x[l] += x[l + half];
        }
    }
    return x[0];
}

static float plain_dot(const float * a, const float * b, int32_t n) {
    float lane[LANES] = {};
    for (int32_t k = 0; k < n; ++k) {
        const volatile float product = a[k] * b[k]; // no fused multiplication
        lane[k % LANES] += product;
    }
    return total(lane);
}

template <typename F>
static void for_each_set(F && f) {
    for (const arithmetic * const * set = arithmetics(); *set; ++set) {
        f(**set);
    }
}

TEST(the_last_set_is_one_that_every_processor_has) {
    const arithmetic * const * all = arithmetics();
    REQUIRE(all[0]);
    CHECK(&fastest() == all[0]);
    while (all[1]) {
        ++all;
    }
    CHECK_EQ(std::string(all[0]->name), "128 bits");
}

TEST(dots_do_not_depend_on_blocks_or_instructions) {
    for (int32_t n : { 1, 2, 15, 16, 17, 31, 64, 100, 255, 256, 257, 300, 1000 }) {
        const int32_t stride = n + 3;
        const std::vector<float> x = numbers((size_t) 40 * stride, n);
        std::vector<const float *> rows(40);
        for (int i = 0; i < 40; ++i) {
            rows[i] = x.data() + (size_t) i * stride;
        }
        for_each_set([&](const arithmetic & set) {
            for (int na : { 1, 2, 3, 5, 12, 13, 30 }) {
                for (int nb : { 1, 2, 6, 7, 12, 25 }) {
                    const int ld = nb + 2;
                    std::vector<float> out((size_t) na * ld, -77);
                    set.dots(rows.data(), na, rows.data() + 10, nb, n, out.data(), ld);
                    for (int i = 0; i < na; ++i) {
                        for (int j = 0; j < ld; ++j) {
                            const float expected = j < nb ? plain_dot(rows[i], rows[10 + j], n) : -77;
                            if (out[i * ld + j] != expected) {
                                CHECK_EQ(out[i * ld + j], expected);
                                REQUIRE(false);
                            }
                        }
                    }
                }
            }
        });
    }
}

TEST(excess_raise_add_multiply) {
    for (int32_t n : { 0, 1, 7, 16, 33, 100 }) {
        const std::vector<float> x = numbers(n, 1);
        const std::vector<float> y = numbers(n, 2);
        float lane[LANES] = {};
        for (int32_t k = 0; k < n; ++k) {
            lane[k % LANES] += x[k] > y[k] ? x[k] - y[k] : 0;
        }
        for_each_set([&](const arithmetic & set) {
            CHECK_EQ(set.excess(x.data(), y.data(), n), total(lane));
            std::vector<float> raised = y, added = y, multiplied(n);
            set.raise(raised.data(), x.data(), n);
            set.add(added.data(), x.data(), n);
            set.multiply(multiplied.data(), x.data(), y.data(), n);
            for (int32_t k = 0; k < n; ++k) {
                CHECK_EQ(raised[k], std::max(x[k], y[k]));
                CHECK_EQ(added[k], x[k] + y[k]);
                CHECK_EQ(multiplied[k], x[k] * y[k]);
            }
        });
    }
}

TEST(exponentials) {
    for (int32_t n : { 1, 5, 16, 40, 1000 }) {
        std::vector<float> x = numbers(n, 3), shift = numbers(n, 4);
        x[0] = -1000;
        std::vector<float> first;
        float first_sum = 0;
        for_each_set([&](const arithmetic & set) {
            std::vector<float> y = x;
            set.exponentials(y.data(), shift.data(), 5.0f, n);
            for (int32_t k = 0; k < n; ++k) {
                const double expected = std::exp((double) (x[k] * 5.0f - shift[k]));
                CHECK(std::fabs(y[k] - expected) <= 1e-6 * expected + 1e-38);
            }
            const float sum = set.sum_of_exponentials(x.data(), 1.5f, 5.0f, n);
            double expected = 0;
            for (float v : x) {
                expected += std::exp((double) (v * 5.0f - 1.5f));
            }
            CHECK(std::fabs(sum - expected) <= 3e-6 * expected + 1e-38);
            if (first.empty()) {
                first     = y;
                first_sum = sum;
            }
            CHECK(first == y);
            CHECK_EQ(sum, first_sum);
        });
    }
}

TEST(exponentials_of_what_is_out_of_range) {
    for_each_set([&](const arithmetic & set) {
        std::vector<float> x = { 1e30f, -1e30f, 0, 0 };
        const std::vector<float> shift = { 0, 0, INFINITY, 0 };
        set.exponentials(x.data(), shift.data(), 1.0f, 4);
        CHECK(x[0] > 1e38f && std::isfinite(x[0]));
        CHECK_EQ(x[1], 0.0f);
        CHECK_EQ(x[2], 0.0f);
        CHECK_EQ(x[3], 1.0f);
    });
}

TEST(hadamard_is_its_own_inverse_but_for_scale_and_mixes_everything) {
    for (int32_t rows : { 1, 2, 4, 8, 16, 32, 128, 256 }) {
        std::vector<float> x((size_t) rows * LANES);
        for (size_t k = 0; k < x.size(); ++k) {
            x[k] = (float) ((k * 37) % 101);
        }
        for_each_set([&](const arithmetic & set) {
            std::vector<float> y = x;
            set.hadamard(y.data(), rows);
            set.hadamard(y.data(), rows);
            for (size_t k = 0; k < x.size(); ++k) {
                CHECK_EQ(y[k], x[k] * (float) rows);
            }
            std::vector<float> one((size_t) rows * LANES);
            one[(size_t) (rows - 1) * LANES + 3] = 1;
            set.hadamard(one.data(), rows);
            for (size_t k = 0; k < one.size(); ++k) {
                CHECK_EQ(std::fabs(one[k]), k % LANES == 3 ? 1.0f : 0.0f);
            }
        });
    }
}

TEST(fold_turns_and_adds) {
    for (int32_t rows : { 16, 48, 80, 272 }) {
        for (int32_t n_out : { 1, 4, 16 }) {
            const std::vector<float> x = numbers((size_t) rows * LANES, 5), factor = numbers(x.size(), 6);
            std::vector<float> expected((size_t) n_out * LANES);
            for (int32_t r = 0; r < rows; ++r) {
                for (int l = 0; l < LANES; ++l) {
                    const size_t from = (size_t) r * LANES + (l + r / n_out) % LANES;
                    const volatile float product = x[from] * factor[from];
                    expected[(size_t) (r % n_out) * LANES + l] += product;
                }
            }
            for_each_set([&](const arithmetic & set) {
                std::vector<float> out(expected.size(), 9);
                set.fold(x.data(), factor.data(), rows, out.data(), n_out);
                CHECK(out == expected);
            });
        }
    }
}

TEST(codes_miss_no_more_than_they_say) {
    for (int32_t n : { 1, 100, 255, STRETCH }) {
        for (float factor : { 0.0f, 1e-3f, 1.0f, 1e-35f }) {
            const std::vector<float> x = numbers(n, 7);
            std::vector<int8_t> first(STRETCH);
            for_each_set([&](const arithmetic & set) {
                std::vector<int8_t> codes(STRETCH, 0);
                float missed = 0;
                const float scale = set.encode(x.data(), n, factor, codes.data(), &missed);
                double squares = 0, length = 0;
                for (int32_t k = 0; k < n; ++k) {
                    length += (double) x[k] * factor * x[k] * factor;
                    const double d = (double) x[k] * factor - (double) scale * codes[k];
                    squares += d * d;
                    CHECK(std::fabs(d) <= 0.51 * scale + 1e-30);
                }
                CHECK(std::sqrt(squares) <= 1.001 * std::sqrt((double) missed) + 1e-6 * std::sqrt(length) + 1e-20);
                if (&set == &fastest()) {
                    first = codes;
                }
                CHECK(first == codes);
            });
        }
    }
}

TEST(coarse_dots) {
    const int32_t rows = 5, stretches = 3;
    std::mt19937 random(8);
    std::vector<int8_t>  codes(rows * stretches * STRETCH);
    std::vector<int16_t> query(stretches * STRETCH);
    for (int8_t & c : codes) {
        c = (int8_t) ((int) (random() % 255) - 127);
    }
    for (int16_t & q : query) {
        q = (int16_t) ((int) (random() % 32767) - 16383);
    }
    const std::vector<float> scale = numbers(rows * stretches, 9), query_scale = numbers(stretches, 10);
    for_each_set([&](const arithmetic & set) {
        std::vector<float> out(rows);
        set.coarse_dots(codes.data(), scale.data(), rows, query.data(), query_scale.data(), stretches, out.data());
        for (int32_t i = 0; i < rows; ++i) {
            double expected = 0, most = 0;
            for (int32_t s = 0; s < stretches; ++s) {
                double product = 0;
                for (int32_t k = 0; k < STRETCH; ++k) {
                    product += (double) codes[(i * stretches + s) * STRETCH + k] * query[s * STRETCH + k];
                }
                expected += (double) scale[i * stretches + s] * query_scale[s] * product;
                most     += std::fabs((double) scale[i * stretches + s] * query_scale[s] * product);
            }
            CHECK(std::fabs(out[i] - expected) <= 1e-6 * most);
        }
    });
}

MAIN
