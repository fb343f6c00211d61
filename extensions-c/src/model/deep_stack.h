#pragma once

#include "guard/guard.h"

#include <cstddef>
#include <functional>

namespace chq {

// Runs body on a thread of its own whose stack has n_bytes, committed only as far as it is used, and waits for it.
// A failure of body is the caller's failure.
void run_on_deep_stack(size_t n_bytes, const std::function<void()> & body);

} // namespace chq
