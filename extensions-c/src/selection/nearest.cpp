// MMR, the product form and k-center: the score of a row falls with its largest cosine to the selected ones.
#include "selection/greedy.h"
#include "selection/methods.h"

#include <algorithm>

namespace chq::selection {

namespace {

class nearest_score : public falling_score {
public:
    explicit nearest_score(const candidates & all) : all(all), largest(all.size()), seen(all.size()) {}

    float first(int32_t i) override {
        largest[i] = least();
        return score(i, largest[i]);
    }

    float look(int32_t i, float) override {
        float cosines[AT_ONCE];
        const int32_t n = std::min((int32_t) selected.size() - seen[i], AT_ONCE);
        all.to().cosines(i, selected.data() + seen[i], n, cosines);
        for (int32_t j = 0; j < n; ++j) {
            largest[i] = std::max(largest[i], cosines[j]);
        }
        seen[i] += n;
        return score(i, largest[i]);
    }

    bool is_current(int32_t i) const override { return seen[i] == (int32_t) selected.size(); }

    void select(int32_t i) override { selected.push_back(i); }

protected:
    // What the largest cosine is without any, and at least.
    virtual float least() const { return 0; }

    virtual float score(int32_t i, float cosine) const = 0;

    const candidates & all;

private:
    // As many as a tile of arithmetic.h has: fewer would not be faster.
    static constexpr int32_t AT_ONCE = 6;

    std::vector<float>   largest;
    std::vector<int32_t> seen; // how many of the selected are in it
    std::vector<int32_t> selected;
};

class mmr_score final : public nearest_score {
public:
    mmr_score(const candidates & all, float lambda) : nearest_score(all), lambda(lambda) {}

protected:
    float score(int32_t i, float cosine) const override { return lambda * all.importance(i) - (1.0f - lambda) * cosine; }

private:
    float lambda;
};

class product_score final : public nearest_score {
public:
    using nearest_score::nearest_score;

protected:
    float score(int32_t i, float cosine) const override {
        return all.weight(i) * std::max(0.0f, 1.0f - cosine);
    }
};

class farthest_score final : public nearest_score {
public:
    farthest_score(const candidates & all, int32_t pivot) : nearest_score(all), pivot(pivot) {}

protected:
    // Before the first is selected, that is the most important one.
    float first(int32_t i) override { return nearest_score::first(i) + (i == pivot ? 1.0f : 0.0f); }
    float least() const override { return -2.0f; }
    float score(int32_t, float cosine) const override { return -cosine; }

private:
    int32_t pivot;
};

} // namespace

void select_mmr(task & t) {
    mmr_score score(t.all, t.params.lambda);
    select_greedily(t.all, score, t.chosen);
}

void select_product(task & t) {
    product_score score(t.all);
    select_greedily(t.all, score, t.chosen);
}

void select_k_center(task & t) {
    farthest_score score(t.all, t.all.most_important(t.chosen));
    select_greedily(t.all, score, t.chosen);
}

} // namespace chq::selection
