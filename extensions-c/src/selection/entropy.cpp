// EntropyPrune's score: the von Neumann entropy of a token's queries over the heads.
#include "chasqui_selection.h"

#include "guard/guard.h"
#include "selection/spectrum.h"

#include <cmath>
#include <limits>
#include <vector>

namespace chq::selection {

namespace {

// The heads' queries less their mean, times their transpose, over the number of heads: as many rows as heads, with the non-zero spectrum of the
// covariance.
std::vector<double> covariance(const float * queries, int32_t n_heads, int32_t head_dim) {
    std::vector<double> centred((size_t) n_heads * head_dim);
    for (int32_t k = 0; k < head_dim; ++k) {
        double mean = 0;
        for (int32_t h = 0; h < n_heads; ++h) {
            mean += queries[(size_t) h * head_dim + k];
        }
        mean /= n_heads;
        for (int32_t h = 0; h < n_heads; ++h) {
            centred[(size_t) h * head_dim + k] = queries[(size_t) h * head_dim + k] - mean;
        }
    }
    std::vector<double> out((size_t) n_heads * n_heads);
    for (int32_t a = 0; a < n_heads; ++a) {
        for (int32_t b = 0; b <= a; ++b) {
            double sum = 0;
            for (int32_t k = 0; k < head_dim; ++k) {
                sum += centred[(size_t) a * head_dim + k] * centred[(size_t) b * head_dim + k];
            }
            out[(size_t) a * n_heads + b] = out[(size_t) b * n_heads + a] = sum / n_heads;
        }
    }
    return out;
}

double trace(const std::vector<double> & matrix, int32_t n) {
    double sum = 0;
    for (int32_t i = 0; i < n; ++i) {
        sum += matrix[(size_t) i * n + i];
    }
    return sum;
}

double entropy(std::vector<double> matrix, int32_t n, chq_entropy_form form) {
    const double sum = trace(matrix, n);
    if (!std::isfinite(sum)) {
        return std::numeric_limits<double>::quiet_NaN();
    }
    if (form != CHQ_ENTROPY_ENERGY && !(sum > 0)) {
        return 0;
    }
    if (form == CHQ_ENTROPY_RENYI) {
        double squares = 0;
        for (double x : matrix) {
            squares += (x / sum) * (x / sum);
        }
        return -std::log(squares);
    }
    double total = 0;
    for (double value : eigenvalues(std::move(matrix), n)) {
        const double x = std::max(form == CHQ_ENTROPY_SHAPE ? value / sum : value, 1e-10);
        total -= x * std::log(x);
    }
    return total;
}

} // namespace
} // namespace chq::selection

using namespace chq;
using namespace chq::selection;

chq_status chq_query_entropy(const float * queries, int32_t n, int32_t n_heads, int32_t head_dim, int32_t form, float * out) {
    return guarded([&] {
        if (n < 0 || n_heads < 2 || n_heads > 256 || head_dim < 1 || head_dim > 65536) {
            fail(CHQ_STATUS_ARGUMENT, "%d tokens of %d heads of %d", n, n_heads, head_dim);
        }
        if (form < CHQ_ENTROPY_ENERGY || form > CHQ_ENTROPY_RENYI) {
            fail(CHQ_STATUS_ARGUMENT, "form = %d is unknown", form);
        }
        if (n > 0) {
            check_pointer(queries, "queries");
            check_pointer(out, "out");
        }
        for (int32_t i = 0; i < n; ++i) {
            const float * token = queries + (size_t) i * n_heads * head_dim;
            out[i] = (float) (entropy(covariance(token, n_heads, head_dim), n_heads, (chq_entropy_form) form) / std::log((double) n_heads));
        }
        return CHQ_STATUS_OK;
    });
}
