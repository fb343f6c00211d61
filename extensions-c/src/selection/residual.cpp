// ApET: a few rows by farthest-point sampling are a basis, and what they reconstruct worst is kept with them.
#include "selection/greedy.h"
#include "selection/methods.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace chq::selection {

namespace {

// Least squared Euclidean distance to the selected rows.
class distance_score final : public falling_score {
public:
    distance_score(const candidates & all, int32_t pivot) :
            all(all), pivot(pivot), squared(all.size()), least(all.size(), INFINITY), seen(all.size()) {
        for (int32_t i = 0; i < all.size(); ++i) {
            all.to().products(i, &i, 1, &squared[i]);
        }
    }

    float first(int32_t i) override { return i == pivot ? INFINITY : std::numeric_limits<float>::max(); }

    float look(int32_t i, float) override {
        constexpr int32_t AT_ONCE = 6;
        float products[AT_ONCE];
        const int32_t n = std::min((int32_t) basis.size() - seen[i], AT_ONCE);
        all.to().products(i, basis.data() + seen[i], n, products);
        for (int32_t j = 0; j < n; ++j) {
            least[i] = std::min(least[i], squared[i] + squared[basis[seen[i] + j]] - 2 * products[j]);
        }
        seen[i] += n;
        return least[i];
    }

    bool is_current(int32_t i) const override { return seen[i] == (int32_t) basis.size(); }

    void select(int32_t i) override { basis.push_back(i); }

    std::vector<int32_t> basis;

private:
    const candidates &   all;
    int32_t              pivot;
    std::vector<float>   squared;
    std::vector<float>   least;
    std::vector<int32_t> seen;
};

// Squared errors of rows as sums of basis rows, by ridge regression.
class reconstruction {
public:
    reconstruction(const directions & rows, const std::vector<int32_t> & basis) : rows(rows), basis(basis), size(basis.size()), gram(size * size) {
        std::vector<float> products(size);
        double trace = 0;
        for (size_t a = 0; a < size; ++a) {
            rows.products(basis[a], basis.data(), (int32_t) size, products.data());
            std::copy(products.begin(), products.end(), gram.begin() + (ptrdiff_t) (a * size));
            trace += products[a];
        }
        factor = gram;
        for (size_t a = 0; a < size; ++a) {
            factor[a * size + a] += 1e-5 * trace / (double) size;
        }
        decompose();
    }

    // 0 where fp32 cannot tell.
    double squared_error(int32_t i) const {
        std::vector<float> products(size);
        rows.products(i, basis.data(), (int32_t) size, products.data());
        float squared;
        rows.products(i, &i, 1, &squared);
        const std::vector<double> c = solve({ products.begin(), products.end() });
        double error = squared;
        for (size_t a = 0; a < size; ++a) {
            double own = 0;
            for (size_t b = 0; b < size; ++b) {
                own += gram[a * size + b] * c[b];
            }
            error += c[a] * (own - 2 * products[a]);
        }
        return error > 0 ? error : 0;
    }

private:
    // Cholesky, in the lower triangle. What rounding made negative is no direction of its own.
    void decompose() {
        for (size_t a = 0; a < size; ++a) {
            for (size_t b = 0; b <= a; ++b) {
                double sum = factor[a * size + b];
                for (size_t k = 0; k < b; ++k) {
                    sum -= factor[a * size + k] * factor[b * size + k];
                }
                if (a == b) {
                    factor[a * size + a] = sum > 0 ? std::sqrt(sum) : INFINITY;
                } else {
                    factor[a * size + b] = sum / factor[b * size + b];
                }
            }
        }
    }

    std::vector<double> solve(std::vector<double> x) const {
        for (size_t a = 0; a < size; ++a) {
            for (size_t k = 0; k < a; ++k) {
                x[a] -= factor[a * size + k] * x[k];
            }
            x[a] /= factor[a * size + a];
        }
        for (size_t a = size; a-- > 0; ) {
            for (size_t k = a + 1; k < size; ++k) {
                x[a] -= factor[k * size + a] * x[k];
            }
            x[a] /= factor[a * size + a];
        }
        return x;
    }

    const directions &           rows;
    const std::vector<int32_t> & basis;
    size_t                       size;
    std::vector<double>          gram;
    std::vector<double>          factor;
};

} // namespace

void select_residual(task & t) {
    const candidates & all = t.all;
    distance_score distance(all, all.most_important(t.chosen));
    select_greedily(all, distance, t.chosen, std::max(1, t.chosen.room() / 10));
    const reconstruction basis(all.to(), distance.basis);
    std::vector<double>  error(all.size());
    std::vector<int32_t> open;
    for (int32_t i = 0; i < all.size(); ++i) {
        if (!t.chosen.taken(all.row(i))) {
            error[i] = basis.squared_error(i);
            open.push_back(i);
        }
    }
    std::stable_sort(open.begin(), open.end(), [&](int32_t a, int32_t b) { return error[a] > error[b]; });
    for (int32_t i : open) {
        if (t.chosen.room() > 0 && t.chosen.fits(all.row(i))) {
            t.chosen.take(all.row(i));
        }
    }
}

} // namespace chq::selection
