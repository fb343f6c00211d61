// TransPrune's score: how much a module of a layer changed each token.
#include "chasqui_selection.h"

#include "guard/guard.h"
#include "selection/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <vector>

using namespace chq;
using namespace chq::selection;

chq_status chq_token_transition(
        const float * input, const float * output, int32_t n_total, int32_t dim, int32_t first, int32_t n, float * out) {
    return guarded([&] {
        if (n_total < 0 || dim < 1 || first < 0 || n < 0 || n > n_total - first) {
            fail(CHQ_STATUS_ARGUMENT, "tokens %d to %d of %d, %d wide", first, first + n, n_total, dim);
        }
        if (n == 0) {
            return CHQ_STATUS_OK;
        }
        check_pointer(input, "input");
        check_pointer(output, "output");
        check_pointer(out, "out");
        std::vector<double> ratio(n_total);
        std::vector<double> turn(n_total); // 1 - |cosine|; tokens without a direction are not turned
        double sum = 0;
        for (int32_t i = 0; i < n_total; ++i) {
            const float * x = input  + (size_t) i * dim;
            const float * y = output + (size_t) i * dim;
            const double xx = dot(x, x, dim);
            const double yy = dot(y, y, dim);
            const bool ok = xx > 0 && yy > 0 && std::isfinite(xx) && std::isfinite(yy);
            ratio[i] = ok ? std::sqrt(yy / xx) : 0;
            turn[i]  = ok ? 1 - std::fabs(dot(x, y, dim)) / std::sqrt(xx * yy) : 0;
            sum += std::exp(turn[i]);
        }
        for (int32_t i = 0; i < n; ++i) {
            out[i] += (float) (std::exp(turn[first + i]) / sum * ratio[first + i]);
        }
        return CHQ_STATUS_OK;
    });
}
