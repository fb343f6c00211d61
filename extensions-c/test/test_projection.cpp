// How far a projection moves cosines, against what a projection by Gaussian numbers would do.
#include "runner.h"

#include "selection/directions.h"

#include <algorithm>
#include <cmath>
#include <random>

using chq::selection::directions;

enum kind { INDEPENDENT, CLUSTERS, OUTLIERS };

static std::vector<float> rows_of(kind k, int32_t n, int32_t dim) {
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> shared(dim), own((size_t) 10 * dim), rows((size_t) n * dim);
    for (float & x : shared) {
        x = 0.6f * normal(random);
    }
    for (float & x : own) {
        x = 0.8f * normal(random);
    }
    for (int32_t i = 0; i < n; ++i) {
        for (int32_t d = 0; d < dim; ++d) {
            const float noise = normal(random);
            float & x = rows[(size_t) i * dim + d];
            x = k == INDEPENDENT ? noise : shared[d] + own[(size_t) (i % 10) * dim + d] + 0.5f * noise;
            if (k == OUTLIERS && d % 511 == 7) {
                x *= 30; // a few elements as large as language models have them
            }
        }
    }
    return rows;
}

TEST(cosines_move_no_more_than_by_gaussian_numbers) {
    const int32_t n = 80;
    for (kind k : { INDEPENDENT, CLUSTERS, OUTLIERS }) {
        for (int32_t dim : { 768, 1000, 3584, 4096 }) {
            const std::vector<float> values = rows_of(k, n, dim);
            std::vector<const float *> rows(n);
            for (int32_t i = 0; i < n; ++i) {
                rows[i] = values.data() + (size_t) i * dim;
            }
            const directions exact(rows, dim, 0, 0);
            std::vector<float> a((size_t) n * n), b(a.size());
            exact.all_cosines(a.data(), n);
            for (int32_t to : { 64, 256 }) {
                double squares = 0, gaussian = 0, sum = 0;
                const int seeds = 24;
                for (int seed = 0; seed < seeds; ++seed) {
                    const directions projected(rows, dim, to, (uint64_t) seed);
                    projected.all_cosines(b.data(), n);
                    for (int32_t i = 0; i < n; ++i) {
                        for (int32_t j = 0; j < i; ++j) {
                            const double c = a[(size_t) i * n + j], error = b[(size_t) i * n + j] - c;
                            squares  += error * error;
                            gaussian += (1 - c * c) * (1 - c * c) / to;
                            sum      += error;
                        }
                    }
                }
                CHECK(std::sqrt(squares) <= 1.1 * std::sqrt(gaussian));
                CHECK(std::sqrt(squares) >= 0.5 * std::sqrt(gaussian));
                CHECK(std::fabs(sum) / (seeds * n * (n - 1) / 2) < 0.02); // and to no side
            }
        }
    }
}

TEST(a_projection_of_a_sum_is_the_sum_of_projections) {
    const int32_t dim = 640;
    std::vector<float> values = rows_of(INDEPENDENT, 2, dim);
    double a = 0, b = 0;
    for (int32_t d = 0; d < dim; ++d) {
        a += values[d] * values[d];
        b += values[dim + d] * values[dim + d];
    }
    values.resize(3 * dim);
    for (int32_t d = 0; d < dim; ++d) {
        values[2 * dim + d] = (float) (values[d] + values[dim + d]);
    }
    const directions projected({ values.data(), values.data() + dim, values.data() + 2 * dim }, dim, 64, 3);
    double worst = 0;
    for (int32_t k = 0; k < 64; ++k) {
        worst = std::max(worst, std::fabs((double) projected.row(0)[k] + projected.row(1)[k] - projected.row(2)[k]));
    }
    CHECK(worst < 1e-3);
    CHECK(projected.squared_norm(0) > 0.99 * a && projected.squared_norm(1) < 1.01 * b); // of the rows as they were
}

MAIN
