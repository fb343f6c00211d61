#include "check.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>

static const float INF = std::numeric_limits<float>::infinity();
static const float NOT = std::numeric_limits<float>::quiet_NaN();

static float key(float x) {
    return std::isnan(x) ? -INF : x;
}

static int32_t reference_argmax(const float * x, int32_t n) {
    int32_t best = 0;
    for (int32_t i = 1; i < n; ++i) {
        if (key(x[i]) > key(x[best])) {
            best = i;
        }
    }
    return best;
}

static double reference_logsumexp(const float * x, int32_t n) {
    double max = -INFINITY;
    for (int32_t i = 0; i < n; ++i) {
        max = std::max(max, (double) key(x[i]));
    }
    if (std::isinf(max)) {
        return max;
    }
    double sum = 0;
    for (int32_t i = 0; i < n; ++i) {
        sum += std::exp((double) key(x[i]) - max);
    }
    return max + std::log(sum);
}

struct rows {
    int32_t n_rows;
    int32_t n_cols;
    int64_t stride;
    std::vector<float> data;

    const float * row(int32_t r) const { return data.data() + r * stride; }
};

// kind: 0 normal, 1 with NaN, 2 few values so that ties abound, 3 with infinities, 4 nothing but NaN and -INF, 5 wide range
static rows make(int32_t n_rows, int32_t n_cols, int64_t stride, int kind, uint32_t seed) {
    rows result { n_rows, n_cols, stride, std::vector<float>(n_rows * stride, 1e30f) }; // what is between the rows must not count
    std::mt19937 random(seed);
    std::normal_distribution<float> normal(0, kind == 5 ? 60.0f : 4.0f);
    for (int32_t r = 0; r < n_rows; ++r) {
        for (int32_t i = 0; i < n_cols; ++i) {
            float x = normal(random);
            switch (kind) {
                case 1: x = random() % 3 == 0 ? NOT : x; break;
                case 2: x = (float) (random() % 3); break;
                case 3: x = random() % 5 == 0 ? -INF : random() % 1000 == 0 ? INF : x; break;
                case 4: x = random() % 2 ? NOT : -INF; break;
                default: break;
            }
            result.data[r * stride + i] = x;
        }
    }
    return result;
}

static void compare_measures(const rows & in, const std::vector<int32_t> & tokens, const std::vector<float> & probability, const std::vector<float> & total) {
    const int32_t n = in.n_rows;
    std::vector<float>   logprob(n), logsumexp(n), entropy(n), mass(n);
    std::vector<int32_t> rank(n);
    CHECK_OK(chq_rows_measure(in.data.data(), n, in.n_cols, in.stride, tokens.data(), logprob.data(), logsumexp.data(), entropy.data(), mass.data(), rank.data()));
    for (int32_t r = 0; r < n; ++r) {
        const float * x     = in.row(r);
        const float   mine  = key(x[tokens[r]]);
        const double  sum   = reference_logsumexp(x, in.n_cols);
        int32_t expected_rank    = 1;
        double  expected_entropy = 0;
        double  expected_mass    = 0;
        for (int32_t i = 0; i < in.n_cols; ++i) {
            const bool   before = key(x[i]) > mine || (key(x[i]) == mine && i < tokens[r]);
            const double p      = std::isinf(sum) ? 0 : std::exp(key(x[i]) - sum);
            expected_rank += before;
            expected_mass += before || i == tokens[r] ? p : 0;
            expected_entropy -= p > 0 ? p * std::log(p) : 0;
        }
        CHECK_EQ(logprob[r], probability[r]);
        CHECK_EQ(logsumexp[r], total[r]);
        CHECK_EQ(rank[r], expected_rank);
        if (std::isinf(sum)) {
            CHECK_EQ(entropy[r], 0.0f);
            CHECK_EQ(mass[r], sum > 0 ? 1.0f : 0.0f);
        } else {
            CHECK(std::fabs(entropy[r] - expected_entropy) < 1e-5 * std::max(1.0, expected_entropy));
            CHECK(std::fabs(mass[r] - expected_mass) < 1e-5);
            CHECK(mass[r] <= 1.0f);
        }
    }
}

static void compare(const rows & in, uint32_t seed) {
    const int32_t n = in.n_rows;
    std::vector<int32_t> index(n);
    std::vector<float>   value(n);
    CHECK_OK(chq_rows_argmax(in.data.data(), n, in.n_cols, in.stride, index.data(), value.data()));
    for (int32_t r = 0; r < n; ++r) {
        const int32_t expected = reference_argmax(in.row(r), in.n_cols);
        CHECK_EQ(index[r], expected);
        CHECK_EQ(value[r], key(in.row(r)[expected]));
    }
    CHECK_OK(chq_rows_argmax(in.data.data(), n, in.n_cols, in.stride, index.data(), nullptr));

    for (int32_t k : { 1, 2, 10, 40, 1024 }) {
        if (k > in.n_cols) {
            continue;
        }
        std::vector<int32_t> top(n * k);
        std::vector<float>   top_value(n * k);
        CHECK_OK(chq_rows_top_k(in.data.data(), n, in.n_cols, in.stride, k, top.data(), top_value.data()));
        for (int32_t r = 0; r < n; ++r) {
            const float * x = in.row(r);
            std::vector<int32_t> order(in.n_cols);
            for (int32_t i = 0; i < in.n_cols; ++i) {
                order[i] = i;
            }
            std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return key(x[a]) > key(x[b]); });
            for (int32_t i = 0; i < k; ++i) {
                CHECK_EQ(top[r * k + i], order[i]);
                CHECK_EQ(top_value[r * k + i], key(x[order[i]]));
            }
        }
    }

    std::mt19937 random(seed);
    std::vector<float>   total(n);
    std::vector<float>   probability(n);
    std::vector<int32_t> tokens(n);
    for (int32_t & t : tokens) {
        t = (int32_t) (random() % in.n_cols);
    }
    CHECK_OK(chq_rows_logsumexp(in.data.data(), n, in.n_cols, in.stride, total.data()));
    CHECK_OK(chq_rows_logprob(in.data.data(), n, in.n_cols, in.stride, tokens.data(), probability.data()));
    for (int32_t r = 0; r < n; ++r) {
        const double expected = reference_logsumexp(in.row(r), in.n_cols);
        const float  x        = in.row(r)[tokens[r]];
        if (std::isinf(expected)) {
            CHECK_EQ(total[r], (float) expected);
        } else {
            CHECK(std::fabs(total[r] - expected) < 1e-6 * std::max(1.0, std::fabs(expected)));
            if (key(x) == -INF) {
                CHECK_EQ(probability[r], -INF);
            } else {
                CHECK(std::fabs(probability[r] - (x - expected)) < 2e-6 * std::max(1.0, std::fabs(x - expected)));
            }
        }
        CHECK(!std::isnan(probability[r]));
    }
    compare_measures(in, tokens, probability, total);
}

TEST(agrees_with_double_arithmetic) {
    uint32_t seed = 0;
    for (int kind = 0; kind <= 5; ++kind) {
        for (int32_t n_cols : { 1, 2, 3, 31, 32, 33, 63, 255, 256, 257, 511, 1000, 4099 }) {
            for (int64_t gap : { 0, 1, 13 }) {
                ++seed;
                compare(make(3, n_cols, n_cols + gap, kind, seed), seed);
            }
        }
    }
    compare(make(2, 151936, 151936, 0, 4711), 4711);
}

TEST(zeros_of_both_signs_are_equal) {
    const float x[] = { -1.0f, -0.0f, 0.0f, -0.0f };
    int32_t index;
    float value;
    CHECK_OK(chq_rows_argmax(x, 1, 4, 4, &index, &value));
    CHECK_EQ(index, 1);
    CHECK(std::signbit(value));
}

TEST(infinite_logits) {
    const float x[] = { 0.0f, INF, 2.0f };
    const int32_t inf_token = 1;
    const int32_t other     = 2;
    float out;
    CHECK_OK(chq_rows_logsumexp(x, 1, 3, 3, &out));
    CHECK_EQ(out, INF);
    CHECK_OK(chq_rows_logprob(x, 1, 3, 3, &inf_token, &out));
    CHECK_EQ(out, 0.0f);
    CHECK_OK(chq_rows_logprob(x, 1, 3, 3, &other, &out));
    CHECK_EQ(out, -INF);
}

TEST(bad_arguments) {
    float x[4] = { 0 };
    int32_t index[4];
    float out[4];
    const int32_t bad = 4;
    CHECK_STATUS(chq_rows_argmax(nullptr, 1, 4, 4, index, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_argmax(x, 1, 4, 4, nullptr, nullptr),     CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_argmax(x, 1, 0, 4, index, nullptr),       CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_argmax(x, -1, 4, 4, index, nullptr),      CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_argmax(x, 1, 4, 3, index, nullptr),       CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_argmax(x, 3, 4, INT64_MAX / 2, index, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_argmax(nullptr, 0, 4, 4, nullptr, nullptr), CHQ_STATUS_OK);
    CHECK_STATUS(chq_rows_top_k(x, 1, 4, 4, 5, index, nullptr),     CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_top_k(x, 1, 4, 4, 0, index, nullptr),     CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_logsumexp(x, 1, 4, 4, nullptr),           CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_logprob(x, 1, 4, 4, &bad, out),           CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_logprob(x, 1, 4, 4, nullptr, out),        CHQ_STATUS_ARGUMENT);
    const int32_t good = 0;
    CHECK_STATUS(chq_rows_measure(x, 1, 4, 4, &bad, out, out, out, out, index),      CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_measure(x, 1, 4, 4, nullptr, out, out, out, out, index),   CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_measure(x, 1, 4, 4, &good, out, out, nullptr, out, index), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_measure(x, 1, 4, 4, &good, out, out, out, out, nullptr),   CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rows_measure(nullptr, 0, 4, 4, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr), CHQ_STATUS_OK);
}

MAIN
