#include "chasqui_selection.h"

#include "guard/guard.h"
#include "runtime/runtime.h"
#include "selection/image.h"
#include "selection/methods.h"

#include <algorithm>
#include <cmath>

namespace chq::selection {

void check_memory(uint64_t bytes) {
    if (bytes > available_memory() / 2) {
        fail(CHQ_STATUS_MEMORY, "this method needs %llu MiB of memory, more than half of what is left", (unsigned long long) (bytes >> 20));
    }
}

static void check_range(float value, float least, float most, const char * what) {
    if (!(value >= least && value <= most)) {
        fail(CHQ_STATUS_ARGUMENT, "%s = %g is not in %g..%g", what, value, least, most);
    }
}

static void check_params(const chq_selection_params * params, const image_rows & image) {
    check_pointer(params, "params");
    check_enum(params->method,     CHQ_SELECT_MMR,      CHQ_SELECT_HERDING,   "method");
    check_enum(params->importance, CHQ_IMPORTANCE_NONE, CHQ_IMPORTANCE_GIVEN, "importance");
    check_enum(params->scale,      CHQ_SCALE_RANGE,     CHQ_SCALE_RANK,       "scale");
    check_range(params->lambda,            0,     1,       "lambda");
    check_range(params->exponent,          0,     16,      "exponent");
    check_range(params->theta,             0,     0.9999f, "theta");
    check_range(params->text_temperature,  0.001f, 1000,   "text_temperature");
    check_range(params->image_temperature, 0.001f, 1000,   "image_temperature");
    check_range(params->image_weight,      0,     1000,    "image_weight");
    check_range(params->text_sharpness,    0,     1000,    "text_sharpness");
    check_range(params->feature_width,     0.01f, 100,     "feature_width");
    check_range(params->rarity,            0,     2,       "rarity");
    if (params->projection < 0 || params->projection > 4096 || params->projection % 16 != 0) {
        fail(CHQ_STATUS_ARGUMENT, "projection = %d is not a multiple of 16 in 0..4096", params->projection);
    }
    if (params->importance == CHQ_IMPORTANCE_TEXT) {
        check_text(image);
    }
    if (params->importance == CHQ_IMPORTANCE_GIVEN && image.n > 0) {
        check_pointer(image.importance, "importance");
    }
}

static void select(task & t) {
    switch (t.params.method) {
        case CHQ_SELECT_MMR:       return select_mmr(t);
        case CHQ_SELECT_PRODUCT:   return select_product(t);
        case CHQ_SELECT_K_CENTER:  return select_k_center(t);
        case CHQ_SELECT_MAX_SUM:   return select_max_sum(t);
        case CHQ_SELECT_FACILITY:  return select_facility(t);
        case CHQ_SELECT_DPP:       return select_dpp(t);
        case CHQ_SELECT_COVERAGE:  return select_coverage(t);
        case CHQ_SELECT_RESIDUAL:  return select_residual(t);
        case CHQ_SELECT_HERDING:   return select_herding(t);
        case CHQ_SELECT_BIPARTITE: return select_bipartite(t);
        case CHQ_SELECT_TOP:       return select_top(t);
        case CHQ_SELECT_RANDOM:    return select_random(t);
        case CHQ_SELECT_GRID:      return select_grid(t);
    }
}

static std::vector<int32_t> selected_rows(const image_rows & image, const chq_selection_params & params, int32_t k) {
    task t(image, params, k);
    if (t.chosen.room() > 0) {
        select(t);
        t.all.take_the_rest(t.chosen);
    }
    return t.chosen.rows();
}

} // namespace chq::selection

using namespace chq;
using namespace chq::selection;

struct chq_selection_params chq_selection_default_params(void) {
    chq_selection_params params = {};
    params.method            = CHQ_SELECT_MMR;
    params.importance        = CHQ_IMPORTANCE_NORM;
    params.scale             = CHQ_SCALE_RANGE;
    params.lambda            = 0.5f;
    params.exponent          = 1.0f;
    params.text_temperature  = 0.02f;
    params.image_temperature = 0.2f;
    params.image_weight      = 0.5f;
    params.feature_width     = 0.3f;
    params.rarity            = 0.1f;
    return params;
}

chq_status chq_select_rows(const float * rows, const struct chq_rows_info * info, const struct chq_selection_params * params, int32_t k,
        int32_t * keep, int32_t * n_keep) {
    return guarded([&] {
        const image_rows image = checked_image(rows, info);
        check_params(params, image);
        check_pointer(n_keep, "n_keep");
        if (k < 0) {
            fail(CHQ_STATUS_ARGUMENT, "k = %d is negative", k);
        }
        if (k > 0 && image.n > 0) {
            check_pointer(keep, "keep");
        }
        const int32_t n_forced = picks::count_forced(image);
        if (n_forced > k) {
            fail(CHQ_STATUS_ARGUMENT, "%d rows are forced, and only %d are to be kept", n_forced, k);
        }
        if (k >= image.n) {
            for (int32_t i = 0; i < image.n; ++i) {
                keep[i] = i;
            }
            *n_keep = image.n;
        } else {
            const std::vector<int32_t> selected = selected_rows(image, *params, k);
            std::copy(selected.begin(), selected.end(), keep);
            *n_keep = (int32_t) selected.size();
        }
        return CHQ_STATUS_OK;
    });
}
