// Greedy MAP inference of a determinantal point process (Chen, Zhang, Zhou, 2018) with the kernel w_i*cosine*w_j: the row that adds most to its
// log-determinant.
//
// The factors w leave the determinant, so that the Cholesky factor is that of the cosines. Its rows are computed only as far as a candidate needs to
// be looked at (Hemmi et al., "Lazy and fast greedy MAP inference for determinantal point process", 2022).
#include "selection/greedy.h"
#include "selection/methods.h"

#include <algorithm>
#include <cmath>

namespace chq::selection {

namespace {

class determinant_score final : public falling_score {
public:
    determinant_score(const candidates & all, float theta) : all(all), squared_weight(all.size()), rest(all.size()), factor(all.size()) {
        const double alpha = 0.5 * theta / (1.0 - theta);
        for (int32_t i = 0; i < all.size(); ++i) {
            const double w = theta > 0 ? std::exp(alpha * all.importance(i)) : all.weight(i);
            squared_weight[i] = w * w;
            rest[i] = all.to().squared_norm(i) > 0 ? 1 : 0;
        }
    }

    float first(int32_t i) override { return score(i); }

    float look(int32_t i, float) override {
        constexpr size_t AT_ONCE = 6;
        float cosines[AT_ONCE];
        const size_t done = factor[i].size();
        const size_t n    = std::min(basis.size() - done, AT_ONCE);
        all.to().cosines(i, basis.data() + done, (int32_t) n, cosines);
        for (size_t j = 0; j < n && !exhausted(i); ++j) {
            const std::vector<double> & other = factor[basis[done + j]];
            const double e = (cosines[j] - product(other.data(), factor[i].data(), done + j)) / std::sqrt(rest[basis[done + j]]);
            factor[i].push_back(e);
            rest[i] -= e * e;
        }
        return score(i);
    }

    bool is_current(int32_t i) const override { return exhausted(i) || factor[i].size() == basis.size(); }

    // A row in the span of the others adds nothing to what they exclude.
    void select(int32_t i) override {
        while (!is_current(i)) {
            look(i, 0);
        }
        if (!exhausted(i)) {
            basis.push_back(i);
        }
    }

private:
    // What is left of a row outside the span of the selected ones is no more than the rounding of cosines.
    bool exhausted(int32_t i) const { return rest[i] < 1e-5; }

    // Rows that add nothing come last, by importance.
    float score(int32_t i) const { return exhausted(i) ? all.importance(i) - 2.0f : (float) (squared_weight[i] * rest[i]); }

    static double product(const double * a, const double * b, size_t n) {
        double lane[4] = {};
        size_t k = 0;
        for (; k + 4 <= n; k += 4) {
            for (int l = 0; l < 4; ++l) {
                lane[l] += a[k + l] * b[k + l];
            }
        }
        for (; k < n; ++k) {
            lane[0] += a[k] * b[k];
        }
        return (lane[0] + lane[1]) + (lane[2] + lane[3]);
    }

    const candidates &               all;
    std::vector<double>              squared_weight;
    std::vector<double>              rest;   // squared length outside the span of the basis rows in factor
    std::vector<std::vector<double>> factor; // of each candidate: its row of the Cholesky factor, as far as it is known
    std::vector<int32_t>             basis;  // selected, each outside the span of those before
};

} // namespace

void select_dpp(task & t) {
    check_memory((uint64_t) t.all.size() * std::min(t.chosen.room(), t.image.dim) * sizeof(double));
    determinant_score score(t.all, t.params.theta);
    select_greedily(t.all, score, t.chosen);
}

} // namespace chq::selection
