// How much each query head seems to want each cell, by the different selectors.
#pragma once

#include "sparse/keys.h"
#include "sparse/plan.h"
#include "sparse/policy.h"

namespace chq::sparse {

// The queries of one token, already scaled: query heads [h * group, (h + 1) * group) share key head h.
struct queries {
    const float * rows  = nullptr; // [key heads * group, d]
    int           group = 0;
};

// Makes a digest one of what a selector wants to know of keys; what it knows stays if it is one already. group: query heads of a key head.
void shape_for(selector by, const keys & all, int group, int64_t n_cells, digest & known);

// Whether the scores of some cells depend on those of others, so that the first thread has to compute all of them.
bool is_global(selector by, const digest & known);

// scores[head * stride + cell] = about q . key, for the cells of the chunks [begin, end); what is written for others than candidates does not matter.
// Minus infinity for what cannot be chosen. n_wanted: cells that will be chosen at most. begin and end are those of the plan for selectors that are global.
void score(const policy & how, const lanes & loops, const keys & all, digest & known, const plan & cells, const queries & q, int64_t begin, int64_t end,
    int64_t n_wanted, float * scores, size_t stride);

} // namespace chq::sparse
