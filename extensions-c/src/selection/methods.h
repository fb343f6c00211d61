// The methods of selection: each adds to what is chosen until there is no room or no candidate that fits.
#pragma once

#include "selection/candidates.h"
#include "selection/image.h"
#include "selection/picks.h"

namespace chq::selection {

struct task {
    task(const image_rows & image, const chq_selection_params & params, int32_t k) :
            image(image), params(params), all(image, params), chosen(image, k) {}

    const image_rows &           image;
    const chq_selection_params & params;
    const candidates             all;
    picks                        chosen;
};

void select_mmr      (task & t);
void select_product  (task & t);
void select_k_center (task & t);
void select_max_sum  (task & t);
void select_facility (task & t);
void select_dpp      (task & t);
void select_coverage (task & t);
void select_residual (task & t);
void select_herding  (task & t);
void select_bipartite(task & t);
void select_top      (task & t);
void select_random   (task & t);
void select_grid     (task & t);

// CHQ_STATUS_MEMORY if what a method needs is more than half of what is left of this machine's memory.
void check_memory(uint64_t bytes);

} // namespace chq::selection
