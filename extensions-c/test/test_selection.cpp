// Token selection against plain greedy loops, brute force and the properties it promises.
#include "check.h"

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <random>
#include <set>

static const float NOT_A_NUMBER = std::numeric_limits<float>::quiet_NaN();

//
// images
//

struct picture {
    int32_t n, dim;
    int64_t stride;
    std::vector<float>   rows;
    std::vector<uint8_t> marks;
    std::vector<float>   importance;
    std::vector<float>   text;
    int32_t n_text = 0;
    int32_t width = 0, height = 0;

    float *       row(int32_t i)       { return rows.data() + i * stride; }
    const float * row(int32_t i) const { return rows.data() + i * stride; }

    chq_rows_info view() const {
        chq_rows_info v = {};
        v.stride      = stride;
        v.n           = n;
        v.dim         = dim;
        v.grid_width  = width;
        v.grid_height = height;
        v.marks       = marks.empty() ? nullptr : marks.data();
        v.importance  = importance.empty() ? nullptr : importance.data();
        v.text        = text.empty() ? nullptr : text.data();
        v.text_stride = dim;
        v.n_text      = n_text;
        return v;
    }
};

// kind 0: independent, 1: clusters around directions that share a mean, some rows twice, 2: not negative
static picture make(int32_t n, int32_t dim, int kind, uint32_t seed, int64_t gap = 0) {
    picture p;
    p.n      = n;
    p.dim    = dim;
    p.stride = dim + gap;
    p.rows.resize((size_t) n * p.stride, 3.0f);
    std::mt19937 random(seed);
    std::normal_distribution<float> normal;
    std::vector<float> centres((size_t) 6 * dim);
    for (float & x : centres) {
        x = normal(random);
    }
    for (int32_t i = 0; i < n; ++i) {
        const int32_t cluster = (int32_t) (random() % 5);
        const float scale = std::exp(0.3f * normal(random));
        for (int32_t k = 0; k < dim; ++k) {
            const float x = normal(random);
            p.row(i)[k] = kind == 0 ? x : kind == 2 ? std::fabs(x) : scale * (centres[k] + centres[(cluster + 1) * dim + k] + 0.4f * x);
        }
        if (kind == 1 && i > 0 && random() % 8 == 0) {
            std::copy(p.row(i - 1), p.row(i - 1) + p.stride, p.row(i));
        }
    }
    return p;
}

static chq_selection_params params_of(int method) {
    chq_selection_params params = chq_selection_default_params();
    params.method = (chq_selection_method) method;
    return params;
}

static std::vector<int32_t> select(const picture & p, const chq_selection_params & params, int32_t k) {
    const chq_rows_info view = p.view();
    std::vector<int32_t> keep(std::max(1, std::min(k, p.n)) + 1, -5);
    int32_t n_keep = -1;
    CHECK_OK(chq_select_rows(p.rows.data(), &view, &params, k, keep.data(), &n_keep));
    REQUIRE(n_keep >= 0 && n_keep <= std::min(k, p.n));
    CHECK_EQ(keep.back(), -5);
    keep.resize(n_keep);
    for (int32_t i = 0; i < n_keep; ++i) {
        REQUIRE(keep[i] >= 0 && keep[i] < p.n && (i == 0 || keep[i] > keep[i - 1]));
    }
    return keep;
}

static std::string text_of(const std::vector<int32_t> & v) {
    std::string s;
    for (int32_t x : v) {
        s += std::to_string(x) + " ";
    }
    return s;
}

static void check_same(const std::vector<int32_t> & actual, const std::vector<int32_t> & expected, const std::string & what) {
    if (actual != expected) {
        check::report(__FILE__, __LINE__, what + ": " + text_of(actual) + "instead of " + text_of(expected));
        throw check::stop();
    }
}

//
// plain definitions
//

static float dot(const float * a, const float * b, int32_t n) {
    float lane[16] = {};
    for (int32_t k = 0; k < n; ++k) {
        const volatile float product = a[k] * b[k];
        lane[k % 16] += product;
    }
    for (int half = 8; half > 0; half /= 2) {
        for (int l = 0; l < half; ++l) {
            lane[l] += lane[l + half];
        }
    }
    return lane[0];
}

static float inverse_norm(const picture & p, int32_t i) {
    const float squared = dot(p.row(i), p.row(i), p.dim);
    return squared >= FLT_MIN ? 1.0f / std::sqrt(squared) : 0.0f;
}

class cosine_table {
public:
    explicit cosine_table(const picture & p) : n(p.n), values((size_t) p.n * p.n) {
        for (int32_t i = 0; i < n; ++i) {
            for (int32_t j = 0; j < n; ++j) {
                values[(size_t) i * n + j] = dot(p.row(i), p.row(j), p.dim) * (inverse_norm(p, i) * inverse_norm(p, j));
            }
        }
    }

    float operator()(int32_t i, int32_t j) const { return values[(size_t) i * n + j]; }

private:
    int32_t            n;
    std::vector<float> values;
};

// Norms, scaled to 0..1.
static std::vector<float> importance(const picture & p) {
    std::vector<double> w(p.n);
    for (int32_t i = 0; i < p.n; ++i) {
        w[i] = std::sqrt(dot(p.row(i), p.row(i), p.dim));
    }
    const double least = *std::min_element(w.begin(), w.end()), greatest = *std::max_element(w.begin(), w.end());
    std::vector<float> out(p.n);
    for (int32_t i = 0; i < p.n; ++i) {
        out[i] = greatest > least ? (float) ((w[i] - least) / (greatest - least)) : 0;
    }
    return out;
}

static std::vector<float> weights(const picture & p) {
    std::vector<float> w = importance(p);
    const bool any = *std::max_element(w.begin(), w.end()) > 0;
    for (float & x : w) {
        x = any ? std::max(x, 1e-6f) : 1.0f;
    }
    return w;
}

// The greatest score of all open rows, again and again; forced rows first.
using scorer = std::function<double(int32_t row, const std::vector<int32_t> & selected)>;

static std::vector<int32_t> plain_order(const picture & p, int32_t k, const scorer & score) {
    std::vector<int32_t> selected;
    for (int32_t i = 0; i < p.n; ++i) {
        if (!p.marks.empty() && p.marks[i] & CHQ_ROW_FORCE) {
            selected.push_back(i);
        }
    }
    while ((int32_t) selected.size() < k) {
        int32_t best = -1;
        double best_score = 0;
        for (int32_t i = 0; i < p.n; ++i) {
            if (std::find(selected.begin(), selected.end(), i) == selected.end()) {
                const double s = score(i, selected);
                if (best < 0 || s > best_score) {
                    best       = i;
                    best_score = s;
                }
            }
        }
        selected.push_back(best);
    }
    return selected;
}

static std::vector<int32_t> plain(const picture & p, int32_t k, const scorer & score) {
    std::vector<int32_t> selected = plain_order(p, k, score);
    std::sort(selected.begin(), selected.end());
    return selected;
}

static float largest_cosine(const cosine_table & cosine, int32_t i, const std::vector<int32_t> & selected, float least) {
    for (int32_t s : selected) {
        least = std::max(least, cosine(i, s));
    }
    return least;
}

static int32_t most_important(const picture & p) {
    const std::vector<float> w = importance(p);
    return (int32_t) (std::max_element(w.begin(), w.end()) - w.begin());
}

static std::vector<int32_t> plain_mmr(const picture & p, int32_t k, float lambda) {
    const cosine_table cosine(p);
    const std::vector<float> w = importance(p);
    return plain(p, k, [&](int32_t i, const std::vector<int32_t> & s) { return lambda * w[i] - (1.0f - lambda) * largest_cosine(cosine, i, s, 0); });
}

static std::vector<int32_t> plain_product(const picture & p, int32_t k) {
    const cosine_table cosine(p);
    const std::vector<float> w = weights(p);
    return plain(p, k, [&](int32_t i, const std::vector<int32_t> & s) { return w[i] * std::max(0.0f, 1.0f - largest_cosine(cosine, i, s, 0)); });
}

static std::vector<int32_t> plain_k_center(const picture & p, int32_t k) {
    const cosine_table cosine(p);
    const int32_t first = most_important(p);
    return plain(p, k, [&](int32_t i, const std::vector<int32_t> & s) { return s.empty() ? i == first : -largest_cosine(cosine, i, s, -2); });
}

static std::vector<int32_t> plain_max_sum(const picture & p, int32_t k) {
    const int32_t first = most_important(p);
    std::vector<float> sum(p.dim);
    size_t n_added = 0;
    return plain(p, k, [&](int32_t i, const std::vector<int32_t> & selected) -> double {
        if (selected.empty()) {
            return i == first;
        }
        for (; n_added < selected.size(); ++n_added) {
            const float * row = p.row(selected[n_added]);
            const float inverse = inverse_norm(p, selected[n_added]);
            for (int32_t d = 0; d < p.dim; ++d) {
                const volatile float unit = row[d] * inverse;
                sum[d] += unit;
            }
        }
        return -(dot(p.row(i), sum.data(), p.dim) * inverse_norm(p, i));
    });
}

static std::vector<int32_t> plain_facility(const picture & p, int32_t k, float exponent) {
    const cosine_table cosine(p);
    const std::vector<float> w = weights(p);
    return plain(p, k, [&](int32_t i, const std::vector<int32_t> & selected) {
        float lane[16] = {};
        for (int32_t u = 0; u < p.n; ++u) {
            lane[u % 16] += std::max(0.0f, cosine(i, u) - largest_cosine(cosine, u, selected, 0));
        }
        for (int half = 8; half > 0; half /= 2) {
            for (int l = 0; l < half; ++l) {
                lane[l] += lane[l + half];
            }
        }
        return std::pow(w[i], exponent) * lane[0];
    });
}

// Of a symmetric matrix; -infinity if it is not positive.
static double log_det(std::vector<double> a, size_t n) {
    double sum = 0;
    for (size_t k = 0; k < n; ++k) {
        if (!(a[k * n + k] > 0)) {
            return -INFINITY;
        }
        sum += std::log(a[k * n + k]);
        for (size_t i = k + 1; i < n; ++i) {
            const double f = a[i * n + k] / a[k * n + k];
            for (size_t j = k; j < n; ++j) {
                a[i * n + j] -= f * a[k * n + j];
            }
        }
    }
    return sum;
}

static double log_det(const cosine_table & cosine, const std::vector<float> & w, const std::vector<int32_t> & selected) {
    const size_t n = selected.size();
    std::vector<double> kernel(n * n);
    for (size_t i = 0; i < n; ++i) {
        for (size_t j = 0; j < n; ++j) {
            kernel[i * n + j] = (double) w[selected[i]] * w[selected[j]] * (i == j ? 1.0 : (double) cosine(selected[i], selected[j]));
        }
    }
    return log_det(kernel, n);
}

template <typename F>
static void for_each_subset(int32_t n, int32_t k, F && f) {
    for (uint32_t bits = 0; bits < (1u << n); ++bits) {
        std::vector<int32_t> subset;
        for (int32_t i = 0; i < n; ++i) {
            if (bits >> i & 1) {
                subset.push_back(i);
            }
        }
        if ((int32_t) subset.size() == k) {
            f(subset);
        }
    }
}

template <typename F>
static void for_pictures(F && f) {
    uint32_t seed = 0;
    for (int kind : { 0, 1, 2 }) {
        for (int32_t n : { 1, 2, 5, 23, 60 }) {
            for (int32_t dim : { 1, 5, 16, 40 }) {
                ++seed;
                picture p = make(n, dim, kind, seed, seed % 3);
                if (seed % 4 == 1) {
                    p.marks.resize(n);
                    p.marks[n / 2] = CHQ_ROW_FORCE;
                    p.marks[n - 1] = CHQ_ROW_FORCE;
                }
                for (int32_t k : { 2, n / 3, n - 1 }) {
                    if (k >= 2 && k < n) {
                        f(p, k, "kind " + std::to_string(kind) + ", " + std::to_string(k) + " of " + std::to_string(n) + " x " + std::to_string(dim));
                    }
                }
            }
        }
    }
}

TEST(mmr_is_the_plain_greedy_one) {
    for_pictures([](const picture & p, int32_t k, const std::string & what) {
        for (float lambda : { 0.0f, 0.3f, 0.5f, 0.9f, 1.0f }) {
            chq_selection_params params = params_of(CHQ_SELECT_MMR);
            params.lambda = lambda;
            check_same(select(p, params, k), plain_mmr(p, k, lambda), what);
        }
    });
}

TEST(product_is_the_plain_greedy_one) {
    for_pictures([](const picture & p, int32_t k, const std::string & what) {
        check_same(select(p, params_of(CHQ_SELECT_PRODUCT), k), plain_product(p, k), what);
    });
}

TEST(k_center_is_the_plain_greedy_one) {
    for_pictures([](const picture & p, int32_t k, const std::string & what) {
        check_same(select(p, params_of(CHQ_SELECT_K_CENTER), k), plain_k_center(p, k), what);
    });
}

TEST(max_sum_is_the_plain_greedy_one) {
    for_pictures([](const picture & p, int32_t k, const std::string & what) {
        check_same(select(p, params_of(CHQ_SELECT_MAX_SUM), k), plain_max_sum(p, k), what);
    });
}

TEST(facility_location_is_the_plain_greedy_one) {
    for_pictures([](const picture & p, int32_t k, const std::string & what) {
        chq_selection_params params = params_of(CHQ_SELECT_FACILITY);
        params.exponent = 0.5f;
        check_same(select(p, params, k), plain_facility(p, k, 0.5f), what);
    });
}

// What each row adds to the likeness of the selected mean and the mean of all, from all pairs; images as small as here are looked at as far as 4 sigma.
static std::vector<int32_t> plain_herding(const picture & p, int32_t k, double width, double rarity) {
    const cosine_table cosine(p);
    const bool   grid  = p.width > 0;
    const double sigma = std::sqrt((double) p.n / k);
    const double reach = std::floor(4 * sigma);
    std::vector<double> kernel((size_t) p.n * p.n), share(p.n), gain(p.n), had(p.n);
    double total = 0;
    for (int32_t i = 0; i < p.n; ++i) {
        double like = 0;
        for (int32_t j = 0; j < p.n; ++j) {
            const double likeness = std::exp((cosine(i, j) - 1) / width);
            const double dx = grid ? i % p.width - j % p.width : 0, dy = grid ? i / p.width - j / p.width : 0;
            const double square = dx * dx + dy * dy;
            kernel[(size_t) i * p.n + j] = grid && square > reach * reach ? 0 : likeness * std::exp(-square / (2 * sigma * sigma));
            like += likeness;
        }
        total += share[i] = std::pow(like, -rarity);
    }
    std::vector<int32_t> selected;
    while ((int32_t) selected.size() < k) {
        int32_t best = -1;
        for (int32_t i = 0; i < p.n; ++i) {
            double wanted = 0;
            for (int32_t j = 0; j < p.n; ++j) {
                wanted += kernel[(size_t) i * p.n + j] * share[j] / total;
            }
            gain[i] = wanted - had[i] / ((double) selected.size() + 1);
            if (std::find(selected.begin(), selected.end(), i) == selected.end() && (best < 0 || gain[i] > gain[best])) {
                best = i;
            }
        }
        selected.push_back(best);
        for (int32_t j = 0; j < p.n; ++j) {
            had[j] += kernel[(size_t) best * p.n + j];
        }
    }
    std::sort(selected.begin(), selected.end());
    return selected;
}

TEST(herding_is_the_plain_greedy_one) {
    for (uint32_t seed = 1; seed <= 12; ++seed) {
        picture p = make(13 * 9, 40, seed % 2 ? 0 : 2, seed, seed % 3);
        if (seed % 3) {
            p.width  = 13;
            p.height = 9;
        }
        for (int32_t k : { 3, 12, 40, 100 }) {
            chq_selection_params params = params_of(CHQ_SELECT_HERDING);
            params.importance = CHQ_IMPORTANCE_NONE;
            params.rarity     = seed % 4 ? 0.1f : 0.5f;
            check_same(select(p, params, k), plain_herding(p, k, params.feature_width, params.rarity), "seed " + std::to_string(seed) + ", " + std::to_string(k) + " rows");
        }
    }
}

// Many rows: only near ones are compared, and rarity is found out from some rows. What is chosen still covers the image evenly where there is nothing to see.
TEST(herding_of_many_rows_spreads_them) {
    picture p = make(60 * 48, 320, 0, 77);
    for (int32_t i = 0; i < p.n; ++i) {
        for (int32_t k = 0; k < p.dim; ++k) {
            p.row(i)[k] = 1 + 0.1f * p.row(i)[k];
        }
    }
    p.width  = 60;
    p.height = 48;
    for (int32_t projection : { 0, 64 }) {
        chq_selection_params params = params_of(CHQ_SELECT_HERDING);
        params.importance = CHQ_IMPORTANCE_NONE;
        params.projection = projection;
        const std::vector<int32_t> kept = select(p, params, 320); // one of nine
        CHECK_EQ((int32_t) kept.size(), 320);
        std::vector<int32_t> fields(5 * 4);
        for (int32_t i : kept) {
            ++fields[i / 60 / 12 * 5 + i % 60 / 12];
        }
        for (int32_t n : fields) { // of 16 on average, of 144 cells
            CHECK(n >= 10 && n <= 22);
        }
    }
}

// Wide rows: more than one stretch of arithmetic, many looks at a row, few bits for codes.
TEST(wide_rows) {
    for (int kind : { 0, 1 }) {
        picture p = make(150, 700, kind, 100 + kind, 5);
        for (int32_t i = 0; i < p.n; ++i) {
            p.row(i)[i % 7] *= 30; // outliers as language models have them
        }
        check_same(select(p, params_of(CHQ_SELECT_MMR),      40), plain_mmr(p, 40, 0.5f), "mmr");
        check_same(select(p, params_of(CHQ_SELECT_K_CENTER), 40), plain_k_center(p, 40),  "k-center");
        check_same(select(p, params_of(CHQ_SELECT_MAX_SUM),  40), plain_max_sum(p, 40),   "max-sum");
    }
}

// Each row that is added has the greatest determinant with those before it, but for rounding.
TEST(dpp_adds_the_row_with_the_greatest_determinant) {
    for_pictures([](const picture & p, int32_t k, const std::string & what) {
        if (p.n > 23 || !p.marks.empty()) {
            return;
        }
        const cosine_table cosine(p);
        const std::vector<float> w = weights(p);
        // its order: what is selected of fewer
        std::vector<int32_t> order;
        for (int32_t m = 1; m <= k; ++m) {
            const std::vector<int32_t> prefix = select(p, params_of(CHQ_SELECT_DPP), m);
            REQUIRE((int32_t) prefix.size() == m);
            for (int32_t i : prefix) {
                if (std::find(order.begin(), order.end(), i) == order.end()) {
                    order.push_back(i);
                }
            }
            REQUIRE((int32_t) order.size() == m); // nested
            const double own = log_det(cosine, w, order);
            if (m > p.dim || !(own > -25)) {
                break; // no row adds anything but rounding
            }
            std::vector<int32_t> other(order.begin(), order.end() - 1);
            other.push_back(0);
            for (int32_t i = 0; i < p.n; ++i) {
                other.back() = i;
                if (std::find(order.begin(), order.end() - 1, i) == order.end() - 1 && log_det(cosine, w, other) > own + 1e-3) {
                    check::report(__FILE__, __LINE__, what + ": row " + std::to_string(i) + " would add more than " + std::to_string(order.back()));
                    throw check::stop();
                }
            }
        }
    });
}

TEST(dpp_is_near_the_best_subset) {
    for (uint32_t seed = 1; seed <= 10; ++seed) {
        const picture p = make(10, 12, seed % 2 ? 0 : 1, seed);
        const cosine_table cosine(p);
        const std::vector<float> w = weights(p);
        double best = -INFINITY;
        for_each_subset(p.n, 4, [&](const std::vector<int32_t> & s) { best = std::max(best, log_det(cosine, w, s)); });
        const double own = log_det(cosine, w, select(p, params_of(CHQ_SELECT_DPP), 4));
        CHECK(own <= best + 1e-6);
        // Cholesky's greedy pivots lose at most a factor of k! in the square root of the determinant (Civril and Magdon-Ismail, 2009)
        CHECK(own >= best - 2 * std::log(24.0));
    }
}

TEST(dpp_fills_up_by_importance_when_the_space_is_full) {
    picture p = make(20, 2, 0, 5);
    p.importance.resize(20);
    for (int32_t i = 0; i < 20; ++i) {
        p.importance[i] = (float) ((i * 7) % 20);
    }
    chq_selection_params params = params_of(CHQ_SELECT_DPP);
    params.importance = CHQ_IMPORTANCE_GIVEN;
    const std::vector<int32_t> two = select(p, params, 2);
    std::vector<int32_t> rest(20);
    std::iota(rest.begin(), rest.end(), 0);
    std::sort(rest.begin(), rest.end(), [&](int32_t a, int32_t b) { return p.importance[a] > p.importance[b]; });
    std::vector<int32_t> expected = two;
    for (int32_t i : rest) {
        if (expected.size() < 9 && std::find(two.begin(), two.end(), i) == two.end()) {
            expected.push_back(i);
        }
    }
    std::sort(expected.begin(), expected.end());
    check_same(select(p, params, 9), expected, "dpp");
}

TEST(facility_location_is_near_the_best_subset) {
    for (uint32_t seed = 1; seed <= 10; ++seed) {
        const picture p = make(11, 6, 1, seed);
        const cosine_table cosine(p);
        chq_selection_params params = params_of(CHQ_SELECT_FACILITY);
        params.importance = CHQ_IMPORTANCE_NONE;
        const auto value = [&](const std::vector<int32_t> & s) {
            double sum = 0;
            for (int32_t u = 0; u < p.n; ++u) {
                sum += largest_cosine(cosine, u, s, 0);
            }
            return sum;
        };
        double best = 0, last = 0, gain = INFINITY;
        for_each_subset(p.n, 4, [&](const std::vector<int32_t> & s) { best = std::max(best, value(s)); });
        for (int32_t k = 1; k <= 8; ++k) {
            const double now = value(select(p, params, k));
            CHECK(now - last <= gain + 1e-5); // gains never grow
            gain = now - last;
            last = now;
            if (k == 4) {
                CHECK(now >= (1 - std::exp(-1.0)) * best - 1e-6); // Nemhauser, Wolsey, Fisher, 1978
                CHECK(now <= best + 1e-6);
            }
        }
    }
}

TEST(k_center_is_within_twice_the_best_radius) {
    for (uint32_t seed = 1; seed <= 10; ++seed) {
        const picture p = make(11, 4, seed % 3, seed);
        const cosine_table cosine(p);
        // the distance of unit vectors, which is a metric and has the same order as cosines
        const auto radius = [&](const std::vector<int32_t> & s) {
            double most = 0;
            for (int32_t u = 0; u < p.n; ++u) {
                most = std::max(most, std::sqrt(std::max(0.0, 2 - 2 * (double) largest_cosine(cosine, u, s, -2))));
            }
            return most;
        };
        for (int32_t k : { 2, 3, 5 }) {
            double best = INFINITY;
            for_each_subset(p.n, k, [&](const std::vector<int32_t> & s) { best = std::min(best, radius(s)); });
            CHECK(radius(select(p, params_of(CHQ_SELECT_K_CENTER), k)) <= 2 * best + 1e-3);
        }
    }
}

// Softmax similarities in double precision; a pick may differ from the plain one only where both gain the same but for rounding.
TEST(coverage_adds_the_row_with_the_greatest_gain) {
    for (uint32_t seed = 1; seed <= 6; ++seed) {
        picture p = make(25, 10, seed % 3, seed);
        const picture words = make(4, 10, 0, 99 + seed);
        p.text   = words.rows;
        p.n_text = seed % 2 ? 4 : 0;
        chq_selection_params params = params_of(CHQ_SELECT_COVERAGE);
        params.text_temperature  = 0.1f;
        params.image_temperature = 0.3f;
        params.image_weight      = 0.7f;
        std::vector<std::vector<double>> similarity; // [columns][rows]
        const auto add = [&](const float * x, int32_t columns, double temperature, double share) {
            for (int32_t r = 0; r < columns; ++r) {
                std::vector<double> row(p.n);
                double sum = 0;
                for (int32_t i = 0; i < p.n; ++i) {
                    double xy = 0, xx = 0, yy = 0;
                    for (int32_t k = 0; k < p.dim; ++k) {
                        const double a = x[r * p.stride + k], b = p.row(i)[k];
                        xy += a * b;
                        xx += a * a;
                        yy += b * b;
                    }
                    row[i] = std::exp(xy / std::sqrt(xx * yy) / temperature);
                    sum += row[i];
                }
                for (double & v : row) {
                    v *= share / columns / sum;
                }
                similarity.push_back(row);
            }
        };
        add(p.text.data(), p.n_text, 0.1, 1);
        add(p.rows.data(), p.n, 0.3, 0.7);
        std::vector<double> covered(similarity.size());
        const auto gain = [&](int32_t i) {
            double sum = 0;
            for (size_t r = 0; r < similarity.size(); ++r) {
                sum += std::max(0.0, similarity[r][i] - covered[r]);
            }
            return sum;
        };
        std::vector<int32_t> before;
        for (int32_t k = 1; k <= 15; ++k) {
            const std::vector<int32_t> now = select(p, params, k);
            std::vector<int32_t> added;
            std::set_difference(now.begin(), now.end(), before.begin(), before.end(), std::back_inserter(added));
            REQUIRE(added.size() == 1 && now.size() == before.size() + 1);
            double best = 0;
            for (int32_t i = 0; i < p.n; ++i) {
                best = std::max(best, gain(i));
            }
            CHECK(gain(added[0]) >= best - 1e-6);
            for (size_t r = 0; r < similarity.size(); ++r) {
                covered[r] = std::max(covered[r], similarity[r][added[0]]);
            }
            before = now;
        }
    }
}

// A basis of one row for ten, then what it reconstructs worst.
TEST(residual_keeps_what_the_basis_reconstructs_worst) {
    for (uint32_t seed = 1; seed <= 6; ++seed) {
        const picture p = make(40, 20, seed % 3, seed);
        const std::vector<int32_t> keep = select(p, params_of(CHQ_SELECT_RESIDUAL), 20);
        std::vector<int32_t> basis = { most_important(p) };
        const auto distance = [&](int32_t a, int32_t b) {
            double sum = 0;
            for (int32_t k = 0; k < p.dim; ++k) {
                sum += ((double) p.row(a)[k] - p.row(b)[k]) * ((double) p.row(a)[k] - p.row(b)[k]);
            }
            return sum;
        };
        int32_t second = -1;
        for (int32_t i = 0; i < p.n; ++i) {
            if (second < 0 || distance(i, basis[0]) > distance(second, basis[0]) + 1e-4) {
                second = i;
            }
        }
        basis.push_back(second);
        // errors of least squares on two rows
        std::vector<double> error(p.n);
        const auto product = [&](int32_t a, int32_t b) {
            double sum = 0;
            for (int32_t k = 0; k < p.dim; ++k) {
                sum += (double) p.row(a)[k] * p.row(b)[k];
            }
            return sum;
        };
        const double ridge = 1e-5 * (product(basis[0], basis[0]) + product(basis[1], basis[1])) / 2;
        const double a = product(basis[0], basis[0]) + ridge, b = product(basis[0], basis[1]), c = product(basis[1], basis[1]) + ridge;
        for (int32_t i = 0; i < p.n; ++i) {
            const double x = product(i, basis[0]), y = product(i, basis[1]);
            const double u = (c * x - b * y) / (a * c - b * b), v = (a * y - b * x) / (a * c - b * b);
            for (int32_t k = 0; k < p.dim; ++k) {
                const double d = p.row(i)[k] - u * p.row(basis[0])[k] - v * p.row(basis[1])[k];
                error[i] += d * d;
            }
        }
        double least_kept = INFINITY, most_dropped = 0;
        for (int32_t i = 0; i < p.n; ++i) {
            const bool kept = std::binary_search(keep.begin(), keep.end(), i);
            if (i == basis[0] || i == basis[1]) {
                CHECK(kept);
            } else if (kept) {
                least_kept = std::min(least_kept, error[i]);
            } else {
                most_dropped = std::max(most_dropped, error[i]);
            }
        }
        CHECK(least_kept >= most_dropped * (1 - 1e-4));
    }
}

TEST(bipartite_drops_what_has_a_likeness) {
    // every even row is like the odd one after it, more so towards the end
    picture p = make(16, 32, 0, 3);
    for (int32_t i = 0; i < 16; i += 2) {
        for (int32_t k = 0; k < p.dim; ++k) {
            p.row(i)[k] = p.row(i + 1)[k] + (float) (16 - i) * 0.05f * p.row((i + 5) % 16 / 2 * 2 + 1)[k];
        }
    }
    check_same(select(p, params_of(CHQ_SELECT_BIPARTITE), 12), { 0, 1, 2, 3, 4, 5, 6, 7, 9, 11, 13, 15 }, "one round");
    const std::vector<int32_t> five = select(p, params_of(CHQ_SELECT_BIPARTITE), 5); // one round drops 8, a second 3 of the rest
    CHECK_EQ(five.size(), 5u);
    for (int32_t i : five) {
        CHECK_EQ(i % 2, 1);
    }
}

TEST(top_is_by_importance) {
    picture p = make(6, 3, 0, 1);
    p.importance = { 1, 5, -2, 5, 9, 0 };
    chq_selection_params params = params_of(CHQ_SELECT_TOP);
    params.importance = CHQ_IMPORTANCE_GIVEN;
    check_same(select(p, params, 3), { 1, 3, 4 }, "top");
    check_same(select(p, params, 2), { 1, 4 }, "of equals the first");
}

TEST(mmr_with_all_weight_on_importance_is_top) {
    for_pictures([](const picture & p, int32_t k, const std::string & what) {
        chq_selection_params params = params_of(CHQ_SELECT_MMR);
        params.lambda = 1;
        check_same(select(p, params, k), select(p, params_of(CHQ_SELECT_TOP), k), what);
    });
}

TEST(mmr_without_importance_is_k_center_where_no_cosine_is_negative) {
    for (uint32_t seed = 1; seed <= 8; ++seed) {
        const picture p = make(40, 9, 2, seed);
        chq_selection_params mmr = params_of(CHQ_SELECT_MMR);
        mmr.lambda = 0;
        mmr.importance = CHQ_IMPORTANCE_NONE;
        chq_selection_params center = params_of(CHQ_SELECT_K_CENTER);
        center.importance = CHQ_IMPORTANCE_NONE;
        check_same(select(p, mmr, 13), select(p, center, 13), "mmr");
    }
}

static const int COMPARING[] = { CHQ_SELECT_MMR, CHQ_SELECT_PRODUCT, CHQ_SELECT_K_CENTER, CHQ_SELECT_MAX_SUM, CHQ_SELECT_FACILITY, CHQ_SELECT_DPP,
    CHQ_SELECT_COVERAGE, CHQ_SELECT_RESIDUAL, CHQ_SELECT_TOP };

TEST(order_of_rows_does_not_matter) {
    for (int method : COMPARING) {
        for (uint32_t seed = 1; seed <= 5; ++seed) {
            const picture p = make(37, 24, 0, seed);
            std::vector<int32_t> order(p.n);
            std::iota(order.begin(), order.end(), 0);
            std::shuffle(order.begin(), order.end(), std::mt19937(seed));
            picture q = p;
            for (int32_t i = 0; i < p.n; ++i) {
                std::copy(p.row(order[i]), p.row(order[i]) + p.stride, q.row(i));
            }
            std::vector<int32_t> back;
            for (int32_t i : select(q, params_of(method), 12)) {
                back.push_back(order[i]);
            }
            std::sort(back.begin(), back.end());
            check_same(back, select(p, params_of(method), 12), "method " + std::to_string(method));
        }
    }
}

TEST(scale_does_not_matter) {
    for (int method = CHQ_SELECT_MMR; method <= CHQ_SELECT_GRID; ++method) {
        for (float scale : { 0x1p-30f, 0x1p20f }) {
            for (int32_t projection : { 0, 16 }) {
                const picture p = make(50, 33, 1, 7);
                picture q = p;
                for (float & x : q.rows) {
                    x *= scale;
                }
                chq_selection_params params = params_of(method);
                params.projection = projection;
                check_same(select(q, params, 17), select(p, params, 17), "method " + std::to_string(method));
            }
        }
    }
}

TEST(a_row_does_not_come_twice_while_another_is_left) {
    for (int method : { CHQ_SELECT_K_CENTER, CHQ_SELECT_PRODUCT, CHQ_SELECT_FACILITY, CHQ_SELECT_DPP }) {
        for (uint32_t seed = 1; seed <= 5; ++seed) {
            const picture some = make(12, 30, 0, seed);
            picture p = make(48, 30, 0, seed);
            std::mt19937 random(seed);
            std::vector<int32_t> origin(p.n);
            for (int32_t i = 0; i < p.n; ++i) {
                origin[i] = i < 12 ? i : (int32_t) (random() % 12);
                std::copy(some.row(origin[i]), some.row(origin[i]) + some.stride, p.row(i));
            }
            const std::vector<int32_t> keep = select(p, params_of(method), 12);
            std::set<int32_t> different;
            for (int32_t i : keep) {
                different.insert(origin[i]);
                CHECK_EQ(i, origin[i]); // of equals the first
            }
            CHECK_EQ(different.size(), 12u);
        }
    }
}

TEST(degenerate_images) {
    for (int method = CHQ_SELECT_MMR; method <= CHQ_SELECT_GRID; ++method) {
        for (int32_t projection : { 0, 16 }) {
            chq_selection_params params = params_of(method);
            params.projection = projection;
            picture zeros = make(30, 40, 0, 1);
            std::fill(zeros.rows.begin(), zeros.rows.end(), 0.0f);
            CHECK_EQ(select(zeros, params, 7).size(), 7u);
            picture same = make(30, 40, 0, 1);
            for (int32_t i = 1; i < same.n; ++i) {
                std::copy(same.row(0), same.row(0) + same.stride, same.row(i));
            }
            CHECK_EQ(select(same, params, 7).size(), 7u);
            if (method != CHQ_SELECT_RANDOM && method != CHQ_SELECT_GRID && method != CHQ_SELECT_BIPARTITE) {
                check_same(select(zeros, params, 3), { 0, 1, 2 }, "zeros by method " + std::to_string(method));
                check_same(select(same, params, 3), { 0, 1, 2 }, "equals by method " + std::to_string(method));
            }
            const picture p = make(9, 20, 1, 2);
            std::vector<int32_t> all(9);
            std::iota(all.begin(), all.end(), 0);
            check_same(select(p, params, 9), all, "all");
            check_same(select(p, params, 1000), all, "more than all");
            check_same(select(p, params, 0), {}, "none");
            CHECK_EQ(select(p, params, 1).size(), 1u);
            check_same(select(make(0, 5, 0, 1), params, 4), {}, "of nothing");
        }
    }
}

TEST(rows_that_are_not_numbers_come_last) {
    for (int method = CHQ_SELECT_MMR; method <= CHQ_SELECT_GRID; ++method) {
        picture p = make(30, 10, 1, 4);
        p.row(3)[9]  = NOT_A_NUMBER;
        p.row(7)[0]  = INFINITY;
        p.row(20)[5] = -INFINITY;
        p.row(29)[2] = 3e30f; // its square is infinite
        const std::vector<int32_t> keep = select(p, params_of(method), 26);
        CHECK_EQ(keep.size(), 26u);
        for (int32_t i : keep) {
            CHECK(i != 3 && i != 7 && i != 20 && i != 29);
        }
        const std::vector<int32_t> more = select(p, params_of(method), 28);
        CHECK(std::binary_search(more.begin(), more.end(), 3));
        CHECK(std::binary_search(more.begin(), more.end(), 7));
        CHECK_EQ(more.size(), 28u);
        for (float & x : p.rows) {
            x = NOT_A_NUMBER;
        }
        check_same(select(p, params_of(method), 4), { 0, 1, 2, 3 }, "nothing but NaN");
    }
}

TEST(rows_at_the_ends_of_what_floats_can_hold) {
    for (int method = CHQ_SELECT_MMR; method <= CHQ_SELECT_GRID; ++method) {
        for (float scale : { 1e-19f, 1e-30f, 1e18f, 1e19f, 1e30f }) {
            for (int importance : { CHQ_IMPORTANCE_NORM, CHQ_IMPORTANCE_SPREAD, CHQ_IMPORTANCE_TEXT }) {
                picture p = make(40, 48, 0, 6);
                for (int32_t i = 0; i < p.n; i += 2) {
                    for (int32_t k = 0; k < p.dim; ++k) {
                        p.row(i)[k] *= scale;
                    }
                }
                p.text.assign(p.rows.begin(), p.rows.begin() + 2 * p.dim);
                p.n_text = 2;
                chq_selection_params params = params_of(method);
                params.importance = (chq_importance) importance;
                for (int32_t projection : { 0, 16 }) {
                    params.projection = projection;
                    CHECK_EQ(select(p, params, 15).size(), 15u);
                }
            }
        }
    }
}

TEST(rows_whose_importance_is_no_number_come_last) {
    picture p = make(8, 10, 0, 4);
    p.importance = { 1, NOT_A_NUMBER, 3, INFINITY, 2, -INFINITY, 1, 0 };
    chq_selection_params params = params_of(CHQ_SELECT_MMR);
    params.importance = CHQ_IMPORTANCE_GIVEN;
    check_same(select(p, params, 5), { 0, 2, 4, 6, 7 }, "finite");
    check_same(select(p, params, 6), { 0, 1, 2, 4, 6, 7 }, "one more");
}

TEST(what_nan_neighbours_do_not_change) {
    for (int method : COMPARING) {
        const picture p = make(30, 12, 0, 8);
        picture q = make(32, 12, 0, 8);
        std::copy(p.rows.begin(), p.rows.begin() + 10 * p.stride, q.rows.begin() + q.stride);
        std::copy(p.rows.begin() + 10 * p.stride, p.rows.end(), q.rows.begin() + 12 * q.stride);
        std::fill(q.row(0), q.row(0) + q.stride, NOT_A_NUMBER);
        std::fill(q.row(11), q.row(11) + q.stride, NOT_A_NUMBER);
        std::vector<int32_t> expected = select(p, params_of(method), 9);
        for (int32_t & i : expected) {
            i += i < 10 ? 1 : 2;
        }
        check_same(select(q, params_of(method), 9), expected, "method " + std::to_string(method));
    }
}

TEST(forced_rows_are_kept_and_count) {
    for (int method = CHQ_SELECT_MMR; method <= CHQ_SELECT_GRID; ++method) {
        picture p = make(30, 12, 1, 5);
        p.marks.assign(30, 0);
        p.marks[4] = p.marks[5] = p.marks[29] = CHQ_ROW_FORCE;
        p.row(5)[0] = NOT_A_NUMBER;
        const std::vector<int32_t> keep = select(p, params_of(method), 6);
        CHECK_EQ(keep.size(), 6u);
        for (int32_t i : { 4, 5, 29 }) {
            CHECK(std::binary_search(keep.begin(), keep.end(), i));
        }
        check_same(select(p, params_of(method), 3), { 4, 5, 29 }, "only those");
        const chq_rows_info view = p.view();
        const chq_selection_params params = params_of(method);
        int32_t out[30], n_keep = 77;
        CHECK_STATUS(chq_select_rows(p.rows.data(), &view, &params, 2, out, &n_keep), CHQ_STATUS_ARGUMENT);
        CHECK_EQ(n_keep, 77);
    }
}

//
// layout
//

// 5 x 4 cells, each row of the grid with a break but the last.
static picture pixtral(uint32_t seed) {
    picture p = make(6 * 4 - 1, 8, 0, seed);
    p.width  = 5;
    p.height = 4;
    p.marks.assign(p.n, 0);
    for (int32_t i = 5; i < p.n; i += 6) {
        std::fill(p.row(i), p.row(i) + p.stride, 0.25f);
    }
    return p;
}

TEST(breaks_are_found) {
    for (int32_t row_stride : { 0, 6 }) {
        picture p = pixtral(1);
        p.marks[2] = CHQ_ROW_FORCE;
        const chq_rows_info view = p.view();
        CHECK_OK(chq_mark_breaks(p.rows.data(), &view, row_stride, p.marks.data()));
        for (int32_t i = 0; i < p.n; ++i) {
            CHECK_EQ((int) p.marks[i], i == 2 ? CHQ_ROW_FORCE : i % 6 == 5 ? CHQ_ROW_BREAK : 0);
        }
    }
    // a grid without them, and one where what would be the breaks is not the same
    picture plain = make(20, 8, 0, 1);
    plain.width  = 5;
    plain.height = 4;
    picture other = pixtral(2);
    other.row(11)[3] = 9;
    other.row(17)[3] = 8;
    other.row(5)[3]  = 7;
    for (picture * p : { &plain, &other }) {
        p->marks.assign(p->n, 0);
        const chq_rows_info view = p->view();
        CHECK_OK(chq_mark_breaks(p->rows.data(), &view, 0, p->marks.data()));
        CHECK_EQ(std::count(p->marks.begin(), p->marks.end(), 0), (ptrdiff_t) p->n);
    }
}

TEST(repeated_rows_of_an_unknown_grid_are_breaks_unless_they_are_the_image) {
    picture p = make(20, 8, 0, 1);
    for (int32_t i : { 3, 7, 19 }) {
        std::copy(p.row(11), p.row(11) + p.stride, p.row(i));
    }
    p.marks.assign(20, 0);
    chq_rows_info view = p.view();
    CHECK_OK(chq_mark_breaks(p.rows.data(), &view, 0, p.marks.data()));
    for (int32_t i = 0; i < 20; ++i) {
        CHECK_EQ((int) p.marks[i], i == 3 || i == 7 || i == 11 || i == 19 ? CHQ_ROW_BREAK : 0);
    }
    for (int32_t i = 0; i < 10; ++i) {
        std::copy(p.row(15), p.row(15) + p.stride, p.row(i));
    }
    p.marks.assign(20, 0);
    CHECK_OK(chq_mark_breaks(p.rows.data(), &view, 0, p.marks.data()));
    CHECK_EQ(std::count(p.marks.begin(), p.marks.end(), 0), 20);
}

// What rows need, by the rule: each break that closes a stretch of rows one of which is kept.
static std::vector<int32_t> breaks_of(const picture & p, const std::vector<int32_t> & keep) {
    std::vector<int32_t> out;
    bool any = false, after_break = false;
    for (int32_t i = 0; i < p.n; ++i) {
        if (p.marks[i] & CHQ_ROW_BREAK) {
            if (any) {
                out.push_back(i);
            }
            after_break = true;
        } else {
            any = (any && !after_break) || std::binary_search(keep.begin(), keep.end(), i);
            after_break = false;
        }
    }
    return out;
}

TEST(the_break_of_each_grid_row_with_a_token_is_kept) {
    for (int method = CHQ_SELECT_MMR; method <= CHQ_SELECT_GRID; ++method) {
        for (uint32_t seed = 1; seed <= 6; ++seed) {
            picture p = pixtral(seed);
            if (seed % 2 == 0) {
                p.marks.resize(p.n + 2);
                p.rows.resize((size_t) (p.n + 2) * p.stride, 0.5f); // two more breaks at the end
                p.marks[p.n] = p.marks[p.n + 1] = CHQ_ROW_BREAK;
                p.n += 2;
            }
            for (int32_t i = 5; i < p.n; i += 6) {
                p.marks[i] |= CHQ_ROW_BREAK;
            }
            for (int32_t k = 0; k <= p.n; ++k) {
                const std::vector<int32_t> keep = select(p, params_of(method), k);
                std::vector<int32_t> breaks;
                for (int32_t i : keep) {
                    if (p.marks[i] & CHQ_ROW_BREAK) {
                        breaks.push_back(i);
                    }
                }
                check_same(breaks, breaks_of(p, keep), "breaks of method " + std::to_string(method) + " with " + std::to_string(k));
                CHECK((int32_t) keep.size() <= k && (int32_t) keep.size() >= std::min(k, p.n) - 2);
            }
        }
    }
}

// With breaks the rows are those that would be chosen without, as long as they fit.
TEST(breaks_do_not_take_part) {
    for (int method : COMPARING) {
        picture p = pixtral(9);
        for (int32_t i = 5; i < p.n; i += 6) {
            p.marks[i] |= CHQ_ROW_BREAK;
        }
        picture q = make(20, 8, 0, 9);
        for (int32_t i = 0; i < 20; ++i) {
            std::copy(p.row(i / 5 * 6 + i % 5), p.row(i / 5 * 6 + i % 5) + p.stride, q.row(i));
        }
        std::vector<int32_t> expected = select(q, params_of(method), 1);
        for (int32_t & i : expected) {
            i = i / 5 * 6 + i % 5;
        }
        std::vector<int32_t> keep = select(p, params_of(method), 2);
        keep.erase(std::remove_if(keep.begin(), keep.end(), [&](int32_t i) { return p.marks[i] & CHQ_ROW_BREAK; }), keep.end());
        if (expected[0] < 18) {
            check_same(keep, expected, "method " + std::to_string(method));
        }
    }
}

//
// controls
//

TEST(random_is_a_fair_subset_that_its_seed_decides) {
    const picture p = make(20, 4, 0, 1);
    chq_selection_params params = params_of(CHQ_SELECT_RANDOM);
    std::vector<int> count(20);
    for (uint64_t seed = 0; seed < 2000; ++seed) {
        params.seed = seed;
        const std::vector<int32_t> keep = select(p, params, 5);
        CHECK_EQ(keep.size(), 5u);
        check_same(select(p, params, 5), keep, "again");
        for (int32_t i : keep) {
            ++count[i];
        }
    }
    for (int c : count) {
        CHECK(c > 400 && c < 600); // 500 expected, standard deviation 19
    }
}

TEST(grid_takes_one_row_of_each_field) {
    picture p = make(12 * 8, 4, 0, 1);
    p.width  = 12;
    p.height = 8;
    chq_selection_params params = params_of(CHQ_SELECT_GRID);
    std::set<std::vector<int32_t>> different;
    for (uint64_t seed = 0; seed < 50; ++seed) {
        params.seed = seed;
        const std::vector<int32_t> keep = select(p, params, 24); // fields of 2 x 2
        REQUIRE(keep.size() == 24);
        std::set<std::pair<int32_t, int32_t>> fields;
        for (int32_t i : keep) {
            fields.insert({ i % 12 / 2, i / 12 / 2 });
        }
        CHECK_EQ(fields.size(), 24u);
        different.insert(keep);
    }
    CHECK(different.size() > 40);
    for (int32_t k = 1; k < 96; ++k) {
        CHECK_EQ(select(p, params, k).size(), (size_t) k);
    }
    // rows without a grid are a grid of one row
    p.width = p.height = 0;
    const std::vector<int32_t> keep = select(p, params, 12);
    for (int32_t i = 0; i < 12; ++i) {
        CHECK_EQ(keep[i] / 8, i);
    }
}

//
// projection
//

TEST(projection_keeps_angles) {
    // of 256 floats the standard deviation of a cosine is (1 - cosine^2)/16
    for (int32_t dim : { 300, 1000, 1024, 2048, 4096, 5120 }) {
        picture p = make(60, dim, 1, dim);
        for (int32_t i = 0; i < p.n; ++i) {
            p.row(i)[7] *= 40; // where two large elements meet in one sum, angles would be lost
            p.row(i)[7 + 256] *= 40;
            p.row(i)[dim - 1] *= 40;
        }
        const cosine_table cosine(p);
        // k-center tells cosines from each other: the radius by exact cosines must not be much worse
        chq_selection_params params = params_of(CHQ_SELECT_K_CENTER);
        const std::vector<int32_t> exact = select(p, params, 20);
        params.projection = 256;
        const std::vector<int32_t> projected = select(p, params, 20);
        const auto radius = [&](const std::vector<int32_t> & s) {
            double most = 0;
            for (int32_t u = 0; u < p.n; ++u) {
                most = std::max(most, 1 - (double) largest_cosine(cosine, u, s, -2));
            }
            return most;
        };
        CHECK(radius(projected) <= radius(exact) * 1.5 + 0.05);
        check_same(select(p, params, 20), projected, "again");
        params.projection = 4096;
        if (dim <= 4096) {
            check_same(select(p, params, 20), exact, "no projection to more than there is");
        }
    }
}

TEST(projection_by_another_seed_is_another_one) {
    const picture p = make(80, 500, 0, 2);
    chq_selection_params params = params_of(CHQ_SELECT_K_CENTER);
    params.projection = 32;
    std::set<std::vector<int32_t>> different;
    for (uint64_t seed = 0; seed < 8; ++seed) {
        params.seed = seed;
        different.insert(select(p, params, 20));
    }
    CHECK_EQ(different.size(), 8u);
}

//
// importance
//

TEST(importance_by_norm_and_spread) {
    picture p = make(4, 3, 0, 1, 2);
    const float rows[4][3] = { { 3, 4, 0 }, { 0, 0, 0 }, { 1, 2, 2 }, { NOT_A_NUMBER, 0, 0 } };
    for (int32_t i = 0; i < 4; ++i) {
        std::copy(rows[i], rows[i] + 3, p.row(i));
    }
    const chq_rows_info view = p.view();
    float out[4];
    CHECK_OK(chq_importance_of(p.rows.data(), &view, CHQ_IMPORTANCE_NORM, 0, out));
    CHECK_EQ(out[0], 5.0f);
    CHECK_EQ(out[1], 0.0f);
    CHECK_EQ(out[2], 3.0f);
    CHECK(std::isnan(out[3]));
    CHECK_OK(chq_importance_of(p.rows.data(), &view, CHQ_IMPORTANCE_SPREAD, 0, out));
    const double mean[3] = { 4 / 3.0, 2, 2 / 3.0 };
    for (int32_t i = 0; i < 3; ++i) {
        double sum = 0;
        for (int k = 0; k < 3; ++k) {
            sum += (rows[i][k] - mean[k]) * (rows[i][k] - mean[k]);
        }
        CHECK(std::fabs(out[i] - std::sqrt(sum)) < 1e-6);
    }
    CHECK(std::isnan(out[3]));
}

TEST(importance_by_text_is_centred) {
    picture p = make(6, 4, 0, 1);
    const float shared[4] = { 10, 0, 0, 0 };
    const float own[6][4] = { { 0, 1, 0, 0 }, { 0, -1, 0, 0 }, { 0, 0, 1, 0 }, { 0, 0, -1, 0 }, { 0, 0, 0, 1 }, { 0, 0, 0, -1 } };
    for (int32_t i = 0; i < 6; ++i) {
        for (int k = 0; k < 4; ++k) {
            p.row(i)[k] = shared[k] + own[i][k];
        }
    }
    const float vocab_mean[4] = { 0, 7, 0, 0 };
    p.text   = { 0, 9, 0, 0, 0, 7, 0, 5 }; // two words; less the mean: along +y and along +w
    p.n_text = 2;
    chq_rows_info view = p.view();
    view.vocab_mean = vocab_mean;
    float out[6];
    CHECK_OK(chq_importance_of(p.rows.data(), &view, CHQ_IMPORTANCE_TEXT, 0, out));
    const float expected[6] = { 1, 0, 0, 0, 1, 0 };
    for (int i = 0; i < 6; ++i) {
        CHECK(std::fabs(out[i] - expected[i]) < 1e-6);
    }
    CHECK_OK(chq_importance_of(p.rows.data(), &view, CHQ_IMPORTANCE_TEXT, 3, out));
    CHECK(std::fabs(out[0] - std::exp(3.0) / (std::exp(3.0) + 1)) < 1e-6);   // cosines 1 and 0
    CHECK(std::fabs(out[1] + std::exp(-3.0) / (std::exp(-3.0) + 1)) < 1e-6); // -1 and 0
    CHECK_STATUS(chq_importance_of(p.rows.data(), &view, CHQ_IMPORTANCE_GIVEN, 0, out), CHQ_STATUS_ARGUMENT);
    view.n_text = 0;
    CHECK_STATUS(chq_importance_of(p.rows.data(), &view, CHQ_IMPORTANCE_TEXT, 0, out), CHQ_STATUS_ARGUMENT);
}

TEST(scales_of_importance) {
    picture p = make(200, 6, 2, 3);
    p.importance.resize(200);
    for (int32_t i = 0; i < 200; ++i) {
        p.importance[i] = i == 17 ? 1e6f : (float) (i % 100);
    }
    chq_selection_params params = params_of(CHQ_SELECT_MMR);
    params.importance = CHQ_IMPORTANCE_GIVEN;
    params.lambda = 0.7f;
    // one outlier leaves nothing of the rest: beside it, the choice is by diversity alone
    chq_selection_params none = params;
    none.importance = CHQ_IMPORTANCE_NONE;
    picture forced = p;
    forced.marks.assign(200, 0);
    forced.marks[17] = CHQ_ROW_FORCE;
    check_same(select(p, params, 10), select(forced, none, 10), "range");
    // but not of ranks and percentiles
    double mean[3];
    for (int scale : { CHQ_SCALE_RANGE, CHQ_SCALE_CLIPPED, CHQ_SCALE_RANK }) {
        params.scale = (chq_importance_scale) scale;
        mean[scale] = 0;
        for (int32_t i : select(p, params, 10)) {
            mean[scale] += i % 100 / 10.0;
        }
    }
    CHECK(mean[CHQ_SCALE_CLIPPED] > mean[CHQ_SCALE_RANGE] + 10);
    CHECK(mean[CHQ_SCALE_RANK] > mean[CHQ_SCALE_RANGE] + 10);
}

TEST(parts_are_ranked_by_their_best_rows) {
    picture p = make(6, 3, 0, 1);
    const float rows[6][3] = { { 1, 0, 0 }, { 0, 1, 0 }, { 0, 0, 1 }, { -1, 0, 0 }, { 0, -1, 0 }, { 0, 0, -1 } }; // mean 0
    for (int32_t i = 0; i < 6; ++i) {
        std::copy(rows[i], rows[i] + 3, p.row(i));
    }
    p.text   = { 2, 0, 0, 0, 3, 0 };
    p.n_text = 2;
    const chq_rows_info view = p.view();
    const int32_t begin[] = { 0, 2, 4, 4, 6 };
    float out[4];
    CHECK_OK(chq_rank_parts(p.rows.data(), &view, begin, 4, out));
    CHECK_EQ(out[0], 1.0f);       // both words have their row
    CHECK_EQ(out[1], 0.0f);
    CHECK_EQ(out[2], -INFINITY);  // no rows
    CHECK_EQ(out[3], 0.0f);
    const int32_t bad[] = { 0, 4, 3, 6 };
    CHECK_STATUS(chq_rank_parts(p.rows.data(), &view, bad, 3, out), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_rank_parts(p.rows.data(), &view, begin, 3, out), CHQ_STATUS_ARGUMENT);
}

//
// scores from inside of models
//

// Jacobi rotations, slow and sure.
static std::vector<double> jacobi(std::vector<double> a, int n) {
    for (int sweep = 0; sweep < 50; ++sweep) {
        for (int p = 0; p < n; ++p) {
            for (int q = p + 1; q < n; ++q) {
                if (a[p * n + q] == 0) {
                    continue;
                }
                const double theta = (a[q * n + q] - a[p * n + p]) / (2 * a[p * n + q]);
                const double t = (theta >= 0 ? 1 : -1) / (std::fabs(theta) + std::sqrt(theta * theta + 1));
                const double c = 1 / std::sqrt(t * t + 1), s = t * c;
                for (int k = 0; k < n; ++k) {
                    const double x = a[k * n + p], y = a[k * n + q];
                    a[k * n + p] = c * x - s * y;
                    a[k * n + q] = s * x + c * y;
                }
                for (int k = 0; k < n; ++k) {
                    const double x = a[p * n + k], y = a[q * n + k];
                    a[p * n + k] = c * x - s * y;
                    a[q * n + k] = s * x + c * y;
                }
            }
        }
    }
    std::vector<double> out(n);
    for (int i = 0; i < n; ++i) {
        out[i] = a[i * n + i];
    }
    return out;
}

TEST(entropy_of_queries) {
    for (int heads : { 2, 3, 8, 32 }) {
        for (int dim : { 1, 4, 64 }) {
            const picture p = make(5, heads * dim, 0, heads * 100 + dim);
            float energy[5], shape[5], renyi[5];
            CHECK_OK(chq_query_entropy(p.rows.data(), 5, heads, dim, CHQ_ENTROPY_ENERGY, energy));
            CHECK_OK(chq_query_entropy(p.rows.data(), 5, heads, dim, CHQ_ENTROPY_SHAPE, shape));
            CHECK_OK(chq_query_entropy(p.rows.data(), 5, heads, dim, CHQ_ENTROPY_RENYI, renyi));
            for (int i = 0; i < 5; ++i) {
                std::vector<double> a(heads * heads), centred(heads * dim);
                double trace = 0, squares = 0;
                for (int k = 0; k < dim; ++k) {
                    double mean = 0;
                    for (int h = 0; h < heads; ++h) {
                        mean += p.row(i)[h * dim + k] / heads;
                    }
                    for (int h = 0; h < heads; ++h) {
                        centred[h * dim + k] = p.row(i)[h * dim + k] - mean;
                    }
                }
                for (int x = 0; x < heads; ++x) {
                    for (int y = 0; y < heads; ++y) {
                        for (int k = 0; k < dim; ++k) {
                            a[x * heads + y] += centred[x * dim + k] * centred[y * dim + k] / heads;
                        }
                    }
                    trace += a[x * heads + x];
                }
                double e = 0, s = 0;
                for (double v : jacobi(a, heads)) {
                    e -= std::max(v, 1e-10) * std::log(std::max(v, 1e-10));
                    s -= std::max(v / trace, 1e-10) * std::log(std::max(v / trace, 1e-10));
                    squares += v / trace * v / trace;
                }
                CHECK(std::fabs(energy[i] - e / std::log(heads)) < 1e-5 * std::max(1.0, std::fabs(e)));
                CHECK(std::fabs(shape[i] - s / std::log(heads)) < 1e-5);
                CHECK(std::fabs(renyi[i] + std::log(squares) / std::log(heads)) < 1e-5);
                CHECK(renyi[i] <= shape[i] + 1e-5); // Renyi's entropy of order 2 is no more than Shannon's
            }
        }
    }
    // heads that all ask the same have no entropy of shape; those that ask different things have almost all there is
    const float same[] = { 1, 2, 1, 2, 1, 2, 1, 2 }, different[] = { 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1 };
    float out;
    CHECK_OK(chq_query_entropy(same, 1, 4, 2, CHQ_ENTROPY_SHAPE, &out));
    CHECK_EQ(out, 0.0f);
    CHECK_OK(chq_query_entropy(different, 1, 4, 4, CHQ_ENTROPY_SHAPE, &out));
    CHECK(std::fabs(out - std::log(3.0) / std::log(4.0)) < 1e-5);
    const float nan[] = { 1, NOT_A_NUMBER, 2, 3 };
    CHECK_OK(chq_query_entropy(nan, 1, 2, 2, CHQ_ENTROPY_ENERGY, &out));
    CHECK(std::isnan(out));
}

TEST(transition_of_tokens) {
    // unchanged, turned by a right angle and doubled, nothing
    const float input[]  = { 1, 0, 1, 0, 0, 0 };
    const float output[] = { 3, 0, 0, 2, 5, 5 };
    float out[3] = { 10, 10, 10 };
    CHECK_OK(chq_token_transition(input, output, 3, 2, 0, 3, out));
    const double sum = 1 + std::exp(1.0) + 1;
    CHECK(std::fabs(out[0] - (10 + 3 / sum)) < 1e-6);
    CHECK(std::fabs(out[1] - (10 + 2 * std::exp(1.0) / sum)) < 1e-6);
    CHECK_EQ(out[2], 10.0f);
    float one = 0;
    CHECK_OK(chq_token_transition(input, output, 3, 2, 1, 1, &one)); // the softmax is over all
    CHECK(std::fabs(one - 2 * std::exp(1.0) / sum) < 1e-6);
    CHECK_STATUS(chq_token_transition(input, output, 3, 2, 2, 2, out), CHQ_STATUS_ARGUMENT);
}

TEST(attention_that_keys_receive) {
    const int n = 7, nq = 3, heads = 4, kv = 2, dim = 5;
    const picture q = make(nq, heads * dim, 0, 1), k = make(n, kv * dim, 0, 2);
    std::vector<double> expected(n);
    for (int h = 0; h < heads; ++h) {
        for (int i = 0; i < nq; ++i) {
            std::vector<double> w(n);
            double sum = 0;
            for (int j = 0; j < n; ++j) {
                double product = 0;
                for (int d = 0; d < dim; ++d) {
                    product += (double) q.row(i)[h * dim + d] * k.row(j)[h / 2 * dim + d];
                }
                w[j] = std::exp(product / std::sqrt((double) dim));
                sum += w[j];
            }
            for (int j = 0; j < n; ++j) {
                expected[j] += w[j] / sum / (heads * nq);
            }
        }
    }
    float out[n];
    CHECK_OK(chq_received_attention(q.rows.data(), nq, heads, k.rows.data(), n, kv, dim, out));
    double total = 0;
    for (int j = 0; j < n; ++j) {
        CHECK(std::fabs(out[j] - expected[j]) < 1e-6);
        total += out[j];
    }
    CHECK(std::fabs(total - 1) < 1e-6);
    CHECK_STATUS(chq_received_attention(q.rows.data(), nq, 3, k.rows.data(), n, 2, dim, out), CHQ_STATUS_ARGUMENT);
}

//
// tiles
//

TEST(budget_of_tiles) {
    // a thumbnail of 4 x 2 whose right half has everything
    const float score[] = { 0, 0, 1, 2, 0, 0, 3, 4 };
    const chq_tile tiles[] = { { 0, 0, 0.5f, 1, 100 }, { 0.5f, 0, 1, 1, 100 } };
    int32_t keep[2];
    CHECK_OK(chq_tile_budget(score, 4, 2, tiles, 2, 0.25f, 10, keep));
    const double p = std::exp(-1.0) / (1 + std::exp(-1.0)); // of the left one: sums 0 and 10
    CHECK_EQ(keep[0], (int32_t) (25 * (0.5 + p)));
    CHECK_EQ(keep[1], (int32_t) (25 * (1.5 - p)));
    CHECK_OK(chq_tile_budget(score, 4, 2, tiles, 2, 0.25f, 1e-3f, keep)); // winner takes all of what is spread
    CHECK_EQ(keep[0], 12);
    CHECK_EQ(keep[1], 37);
    CHECK_OK(chq_tile_budget(score, 4, 2, tiles, 2, 0.9f, 1e-3f, keep)); // no more than there is
    CHECK_EQ(keep[0], 45);
    CHECK_EQ(keep[1], 100);
    const float even[] = { 1, 1, 1, 1, 1, 1, 1, 1 };
    const chq_tile three[] = { { 0, 0, 1, 1 / 3.0f, 30 }, { 0, 1 / 3.0f, 1, 2 / 3.0f, 30 }, { 0, 2 / 3.0f, 1, 1, 30 } }; // cut through cells
    int32_t same[3];
    CHECK_OK(chq_tile_budget(even, 4, 2, three, 3, 0.5f, 10, same));
    CHECK(same[0] == 15 && same[1] == 15 && same[2] == 15);
    const float bad[] = { NOT_A_NUMBER, -5, INFINITY, 0, 0, 0, 0, 0 };
    CHECK_OK(chq_tile_budget(bad, 4, 2, tiles, 2, 0.5f, 1, keep));
    CHECK(keep[0] == 50 && keep[1] == 50);
    const chq_tile outside = { 0, 0, 1.5f, 1, 1 }, empty = { 0.5f, 0, 0.5f, 1, 1 };
    CHECK_STATUS(chq_tile_budget(score, 4, 2, &outside, 1, 0.5f, 1, keep), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tile_budget(score, 4, 2, &empty, 1, 0.5f, 1, keep), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tile_budget(score, 4, 2, tiles, 2, 1.5f, 1, keep), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tile_budget(score, 4, 2, tiles, 2, 0.5f, 0, keep), CHQ_STATUS_ARGUMENT);
}

TEST(importance_of_tiles) {
    const float score[] = { 0, 1, 2, 3 };
    const chq_tile whole = { 0, 0, 1, 1, 0 }, right = { 0.5f, 0, 1, 1, 0 };
    float out[16];
    CHECK_OK(chq_tile_importance(score, 2, 2, &whole, 2, 2, out)); // the same grid
    for (int i = 0; i < 4; ++i) {
        CHECK_EQ(out[i], score[i]);
    }
    CHECK_OK(chq_tile_importance(score, 2, 2, &whole, 4, 4, out));
    CHECK_EQ(out[0], 0.0f);             // beyond the centres: the nearest
    CHECK_EQ(out[5], 0.25f + 0.5f);     // a quarter of the way right and down
    CHECK_EQ(out[15], 3.0f);
    CHECK_OK(chq_tile_importance(score, 2, 2, &right, 1, 2, out));
    CHECK_EQ(out[0], 1.0f);
    CHECK_EQ(out[1], 3.0f);
    const float one = 5;
    CHECK_OK(chq_tile_importance(&one, 1, 1, &right, 2, 1, out));
    CHECK(out[0] == 5 && out[1] == 5);
}

//
// rows that are made
//

TEST(dropped_rows_are_merged_into_the_nearest) {
    picture p = make(6, 2, 0, 1, 1);
    const float rows[6][3] = { { 1, 0, 10 }, { 2, 0.2f, 20 }, { 0, 1, 30 }, { 0.1f, 3, 40 }, { 0.2f, 1, 50 }, { NOT_A_NUMBER, 1, 60 } };
    for (int32_t i = 0; i < 6; ++i) {
        std::copy(rows[i], rows[i] + 3, p.row(i));
    }
    const int32_t keep[] = { 0, 2 };
    const chq_rows_info view = p.view();
    float out[2 * 4];
    std::fill(out, out + 8, -1.0f);
    CHECK_OK(chq_merge_rows(p.rows.data(), &view, keep, 2, 0.5f, out, 4));
    CHECK_EQ(out[0], 1.5f); // one row: half of each
    CHECK_EQ(out[1], 0.1f);
    CHECK_EQ(out[2], 15.0f); // the deep-stack part goes along
    CHECK_EQ(out[3], -1.0f);
    CHECK(std::fabs(out[4] - 0.075f) < 1e-7); // two rows: no more than half
    CHECK(std::fabs(out[5] - 1.5f) < 1e-7);
    CHECK_EQ(out[6], 0.5f * 30 + 0.5f * 45);
    CHECK_OK(chq_merge_rows(p.rows.data(), &view, keep, 2, 0, out, 4));
    CHECK_EQ(out[0], 1.0f);
    CHECK_EQ(out[5], 1.0f);
    // rows of the layout neither give nor take
    p.marks = { 0, CHQ_ROW_BREAK, CHQ_ROW_BREAK, 0, 0, 0 };
    const chq_rows_info marked = p.view();
    CHECK_OK(chq_merge_rows(p.rows.data(), &marked, keep, 2, 0.5f, out, 4));
    CHECK_EQ(out[5], 1.0f);
    CHECK(std::fabs(out[0] - (0.5f + 0.5f * 0.15f)) < 1e-6);
    const int32_t bad[] = { 2, 0 };
    CHECK_STATUS(chq_merge_rows(p.rows.data(), &view, bad, 2, 0.5f, out, 4), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_merge_rows(p.rows.data(), &view, keep, 2, 0.6f, out, 4), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_merge_rows(p.rows.data(), &view, keep, 2, 0.5f, out, 2), CHQ_STATUS_ARGUMENT);
}

TEST(blocks_are_pooled) {
    picture p = make(2 * 3 * 4, 2, 0, 1, 1); // two frames of 4 x 3
    p.width  = 4;
    p.height = 3;
    for (int32_t i = 0; i < p.n; ++i) {
        p.row(i)[2] = (float) i;
    }
    chq_rows_info view = p.view();
    int32_t n_out = 0;
    CHECK_OK(chq_pool_blocks(p.rows.data(), &view, 2, 2, 2, 0, nullptr, 0, &n_out));
    CHECK_EQ(n_out, 1 * 2 * 2);
    float out[12 * 3];
    CHECK_OK(chq_pool_blocks(p.rows.data(), &view, 2, 2, 2, 0, out, 3, &n_out));
    CHECK_EQ(out[2], (0 + 1 + 4 + 5 + 12 + 13 + 16 + 17) / 8.0f);
    CHECK_EQ(out[2 * 3 + 2], (4 + 5 + 8 + 9 + 16 + 17 + 20 + 21) / 8.0f); // 3 is no multiple of 2: the second block overlaps
    // with a text, mostly the rows that are like it
    p.text   = { p.row(5)[0], p.row(5)[1] };
    p.n_text = 1;
    view = p.view();
    const cosine_table cosine(p);
    CHECK_OK(chq_pool_blocks(p.rows.data(), &view, 2, 2, 2, 4, out, 3, &n_out));
    double sum = 0, weights = 0;
    for (int32_t i : { 0, 1, 4, 5, 12, 13, 16, 17 }) {
        const double w = std::exp(4.0 * cosine(5, i));
        weights += w;
        sum     += w * i;
    }
    CHECK(std::fabs(out[2] - sum / weights) < 1e-4);
    // a block as large as the video
    CHECK_OK(chq_pool_blocks(p.rows.data(), &view, 2, 9, 9, 0, out, 3, &n_out));
    CHECK_EQ(n_out, 1);
    CHECK_EQ(out[2], 11.5f);
    p.row(7)[0] = NOT_A_NUMBER;
    CHECK_OK(chq_pool_blocks(p.rows.data(), &view, 2, 9, 9, 0, out, 3, &n_out));
    CHECK(std::fabs(out[2] - (276 - 7) / 23.0f) < 1e-5);
    CHECK_STATUS(chq_pool_blocks(p.rows.data(), &view, 3, 2, 2, 0, out, 3, &n_out), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_pool_blocks(p.rows.data(), &view, 2, 0, 2, 0, out, 3, &n_out), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_pool_blocks(p.rows.data(), &view, 2, 2, 2, -1, out, 3, &n_out), CHQ_STATUS_ARGUMENT);
}

TEST(bad_arguments) {
    const picture p = make(5, 4, 0, 1);
    const chq_rows_info good = p.view();
    const chq_selection_params params = chq_selection_default_params();
    int32_t keep[5], n = 0;
    CHECK_OK(chq_select_rows(p.rows.data(), &good, &params, 2, keep, &n));
    CHECK_STATUS(chq_select_rows(p.rows.data(), nullptr, &params, 2, keep, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_select_rows(nullptr, &good, &params, 2, keep, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_select_rows(p.rows.data(), &good, nullptr, 2, keep, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_select_rows(p.rows.data(), &good, &params, -1, keep, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_select_rows(p.rows.data(), &good, &params, 2, nullptr, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_select_rows(p.rows.data(), &good, &params, 2, keep, nullptr), CHQ_STATUS_ARGUMENT);
    const auto refuse_image = [&](const std::function<void(chq_rows_info &)> & change) {
        chq_rows_info image = good;
        change(image);
        CHECK_STATUS(chq_select_rows(p.rows.data(), &image, &params, 2, keep, &n), CHQ_STATUS_ARGUMENT);
    };
    refuse_image([](chq_rows_info & i) { i.n = -1; });
    refuse_image([](chq_rows_info & i) { i.dim = 0; });
    refuse_image([](chq_rows_info & i) { i.stride = 3; });
    refuse_image([](chq_rows_info & i) { i.stride = INT64_MAX / 2; });
    refuse_image([](chq_rows_info & i) { i.grid_width = -1; });
    refuse_image([](chq_rows_info & i) { i.n_text = -1; });
    refuse_image([](chq_rows_info & i) { i.n_text = 1; });
    const auto refuse = [&](const std::function<void(chq_selection_params &)> & change) {
        chq_selection_params changed = params;
        change(changed);
        CHECK_STATUS(chq_select_rows(p.rows.data(), &good, &changed, 2, keep, &n), CHQ_STATUS_ARGUMENT);
    };
    refuse([](chq_selection_params & c) { const int bad = 99; memcpy(&c.method, &bad, sizeof(bad)); });
    refuse([](chq_selection_params & c) { const int bad = -1; memcpy(&c.importance, &bad, sizeof(bad)); });
    refuse([](chq_selection_params & c) { const int bad = 3; memcpy(&c.scale, &bad, sizeof(bad)); });
    refuse([](chq_selection_params & c) { c.importance = CHQ_IMPORTANCE_GIVEN; });
    refuse([](chq_selection_params & c) { c.importance = CHQ_IMPORTANCE_TEXT; });
    refuse([](chq_selection_params & c) { c.lambda = NOT_A_NUMBER; });
    refuse([](chq_selection_params & c) { c.lambda = 1.1f; });
    refuse([](chq_selection_params & c) { c.theta = 1; });
    refuse([](chq_selection_params & c) { c.exponent = -1; });
    refuse([](chq_selection_params & c) { c.text_temperature = 0; });
    refuse([](chq_selection_params & c) { c.image_temperature = INFINITY; });
    refuse([](chq_selection_params & c) { c.image_weight = -1; });
    refuse([](chq_selection_params & c) { c.projection = 100; });
    refuse([](chq_selection_params & c) { c.projection = -16; });
    refuse([](chq_selection_params & c) { c.projection = 8192; });
    float out[5];
    CHECK_STATUS(chq_importance_of(p.rows.data(), &good, CHQ_IMPORTANCE_NORM, -1, out), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_importance_of(p.rows.data(), &good, CHQ_IMPORTANCE_NORM, 0, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_mark_breaks(p.rows.data(), &good, 0, nullptr), CHQ_STATUS_ARGUMENT);
    uint8_t marks[5] = {};
    CHECK_STATUS(chq_mark_breaks(p.rows.data(), &good, 3, marks), CHQ_STATUS_ARGUMENT); // a stride, but no grid
    CHECK_STATUS(chq_query_entropy(p.rows.data(), 1, 1, 4, 0, out), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_query_entropy(p.rows.data(), 1, 2, 2, 7, out), CHQ_STATUS_ARGUMENT);
}

TEST(what_needs_more_memory_than_there_is_is_refused) {
    picture p;
    p.n = 3000000;
    p.dim = 1;
    p.stride = 1;
    p.rows.resize(p.n, 1.0f);
    const chq_rows_info view = p.view();
    std::vector<int32_t> keep(10);
    int32_t n = 0;
    for (int method : { CHQ_SELECT_FACILITY, CHQ_SELECT_COVERAGE }) {
        const chq_selection_params params = params_of(method);
        CHECK_STATUS(chq_select_rows(p.rows.data(), &view, &params, 10, keep.data(), &n), CHQ_STATUS_MEMORY);
    }
}

MAIN
