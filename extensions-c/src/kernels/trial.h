// The quick measurement behind "auto": our kernels against what the CPU backend would use for a format, on a small matrix.
#pragma once

#include "format.h"

namespace chq::kernels {

// Whether the kernels are clearly faster for one row, a few and many. Measured at the first call for a format, some milliseconds each.
bool wins_trial(format f);

// The same for attention with so many queries.
bool attention_wins_trial(int64_t queries);

// What attends_on is to say while the calling thread measures, ATTENTION_DEFAULT when it does not.
int attention_in_trial();

} // namespace chq::kernels
