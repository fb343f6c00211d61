// Facility location and MMTok's coverage: the row that makes the greatest similarities of all to the selected ones grow most.
#include "selection/arithmetic.h"
#include "selection/greedy.h"
#include "selection/methods.h"

#include <algorithm>
#include <cmath>

namespace chq::selection {

namespace {

// similarity: [candidates, columns], how well a candidate stands for a column.
class coverage_score final : public falling_score {
public:
    coverage_score(std::vector<float> similarity, int32_t n_columns, std::vector<float> weight) :
            similarity(std::move(similarity)), n_columns(n_columns), weight(std::move(weight)), covered(n_columns), seen(this->weight.size()) {}

    float first(int32_t i) override { return gain(i); }

    float look(int32_t i, float) override {
        seen[i] = n_selected;
        return gain(i);
    }

    bool is_current(int32_t i) const override { return seen[i] == n_selected; }

    void select(int32_t i) override {
        fastest().raise(covered.data(), of(i), n_columns);
        ++n_selected;
    }

private:
    const float * of(int32_t i) const { return similarity.data() + (size_t) i * n_columns; }

    float gain(int32_t i) const { return weight[i] * fastest().excess(of(i), covered.data(), n_columns); }

    std::vector<float>   similarity;
    int32_t              n_columns;
    std::vector<float>   weight;
    std::vector<float>   covered;
    std::vector<int32_t> seen;
    int32_t              n_selected = 0;
};

// The rows of text against all candidates: out[t*n + i].
std::vector<float> text_cosines(const task & t) {
    const int32_t n = t.all.size();
    std::vector<const float *> text(t.image.n_text);
    for (int32_t r = 0; r < t.image.n_text; ++r) {
        text[r] = t.image.text + r * t.image.text_stride;
    }
    std::vector<const float *> rows(n);
    for (int32_t i = 0; i < n; ++i) {
        rows[i] = t.all.to().original(i);
    }
    std::vector<float> out((size_t) n * t.image.n_text);
    fastest().dots(text.data(), t.image.n_text, rows.data(), n, t.image.dim, out.data(), n);
    for (int32_t r = 0; r < t.image.n_text; ++r) {
        const float squared = dot(text[r], text[r], t.image.dim);
        const float inverse = squared > 0 && std::isfinite(squared) ? 1.0f / std::sqrt(squared) : 0.0f;
        for (int32_t i = 0; i < n; ++i) {
            const float norm = std::sqrt(t.all.to().squared_norm(i));
            float & c = out[(size_t) r * n + i];
            c = norm > 0 && inverse > 0 ? c * (inverse / norm) : 0.0f;
        }
    }
    return out;
}

// What exp takes off scale*x so that the n results sum up to share.
float shift_of_softmax(const float * x, int32_t n, float scale, float share) {
    const float most = *std::max_element(x, x + n) * scale;
    return most + std::log(fastest().sum_of_exponentials(x, most, scale, n) / share);
}

} // namespace

void select_facility(task & t) {
    const int32_t n = t.all.size();
    check_memory((uint64_t) n * n * sizeof(float));
    std::vector<float> weight(n);
    for (int32_t i = 0; i < n; ++i) {
        weight[i] = std::pow(t.all.weight(i), t.params.exponent);
    }
    std::vector<float> cosines((size_t) n * n);
    t.all.to().all_cosines(cosines.data(), n);
    coverage_score score(std::move(cosines), n, std::move(weight));
    select_greedily(t.all, score, t.chosen);
}

void select_coverage(task & t) {
    const int32_t n         = t.all.size();
    const int32_t n_text    = t.image.n_text;
    const int32_t n_columns = n_text + n;
    if (n == 0) {
        return;
    }
    check_memory((uint64_t) n * n_columns * sizeof(float));
    std::vector<float> similarity((size_t) n * n_columns);
    std::vector<float> shift(n_columns);

    const float text_scale = 1.0f / t.params.text_temperature;
    const std::vector<float> text = text_cosines(t);
    for (int32_t r = 0; r < n_text; ++r) {
        shift[r] = shift_of_softmax(text.data() + (size_t) r * n, n, text_scale, 1.0f / (float) n_text);
    }
    const float image_scale = 1.0f / t.params.image_temperature;
    t.all.to().all_cosines(similarity.data() + n_text, n_columns);
    for (int32_t i = 0; i < n; ++i) {
        shift[n_text + i] = shift_of_softmax(similarity.data() + (size_t) i * n_columns + n_text, n, image_scale, t.params.image_weight / (float) n);
    }
    for (int32_t i = 0; i < n; ++i) {
        float * row = similarity.data() + (size_t) i * n_columns;
        for (int32_t r = 0; r < n_text; ++r) {
            row[r] = text[(size_t) r * n + i];
        }
        fastest().exponentials(row,          shift.data(),          text_scale,  n_text);
        fastest().exponentials(row + n_text, shift.data() + n_text, image_scale, n);
    }
    coverage_score score(std::move(similarity), n_columns, std::vector<float>(n, 1.0f));
    select_greedily(t.all, score, t.chosen);
}

} // namespace chq::selection
