#include "selection/relevance.h"

#include "selection/arithmetic.h"
#include "selection/directions.h"

#include <algorithm>
#include <cfloat>
#include <cmath>

namespace chq::selection {

std::vector<float> mean_row(const directions & rows, int32_t dim) {
    std::vector<float> mean(dim);
    for (int32_t i = 0; i < rows.size(); ++i) {
        fastest().add(mean.data(), rows.original(i), dim);
    }
    for (float & x : mean) {
        x /= (float) std::max(rows.size(), 1);
    }
    return mean;
}

static float inverse_norm(const float * row, int32_t dim) {
    const float squared = dot(row, row, dim);
    return squared >= FLT_MIN && std::isfinite(squared) ? 1.0f / std::sqrt(squared) : 0.0f;
}

// Unit rows; zeros for what has no direction.
static std::vector<float> centred_text(const image_rows & image) {
    const int32_t dim = image.dim;
    std::vector<float> unit((size_t) image.n_text * dim);
    for (int32_t t = 0; t < image.n_text; ++t) {
        float * to = unit.data() + (size_t) t * dim;
        for (int32_t k = 0; k < dim; ++k) {
            to[k] = image.text[t * image.text_stride + k] - (image.vocab_mean ? image.vocab_mean[k] : 0.0f);
        }
        const float inverse = inverse_norm(to, dim);
        for (int32_t k = 0; k < dim; ++k) {
            to[k] = inverse > 0 ? to[k] * inverse : 0.0f;
        }
    }
    return unit;
}

void centred_cosines(const directions & rows, const image_rows & image, const std::function<void(int32_t row, const float * cosines)> & take) {
    const int32_t dim = image.dim;
    const std::vector<float> mean = mean_row(rows, dim);
    const std::vector<float> text = centred_text(image);
    std::vector<const float *> text_rows(image.n_text);
    for (int32_t t = 0; t < image.n_text; ++t) {
        text_rows[t] = text.data() + (size_t) t * dim;
    }
    std::vector<float> centred(dim);
    std::vector<float> cosines(image.n_text);
    const float * row = centred.data();
    for (int32_t i = 0; i < rows.size(); ++i) {
        for (int32_t k = 0; k < dim; ++k) {
            centred[k] = rows.original(i)[k] - mean[k];
        }
        const float inverse = inverse_norm(row, dim);
        fastest().dots(&row, 1, text_rows.data(), image.n_text, dim, cosines.data(), image.n_text);
        for (float & c : cosines) {
            c *= inverse;
        }
        take(i, cosines.data());
    }
}

float relevance(const float * cosines, int32_t n, float sharpness) {
    const float most = *std::max_element(cosines, cosines + n);
    if (sharpness == 0) {
        return most;
    }
    double sum     = 0;
    double weights = 0;
    for (int32_t t = 0; t < n; ++t) {
        const double weight = std::exp((double) sharpness * (cosines[t] - most));
        sum     += weight * cosines[t];
        weights += weight;
    }
    return (float) (sum / weights);
}

std::vector<float> relevance(const directions & rows, const image_rows & image, float sharpness) {
    std::vector<float> out(rows.size());
    centred_cosines(rows, image, [&](int32_t row, const float * cosines) { out[row] = relevance(cosines, image.n_text, sharpness); });
    return out;
}

} // namespace chq::selection
