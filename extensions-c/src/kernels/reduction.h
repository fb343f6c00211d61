// A request for the best outputs of the head of a model instead of all of them, from whoever decodes to the kernels that multiply: a
// vocabulary of logits per row then never leaves the cache. Handed over through the registration's functions, by the thread pool that the
// decode runs on.
#pragma once

#include <cstdint>

namespace chq::kernels {

constexpr int REDUCTION_MOST = 64; // outputs kept of a row

struct reduction {
    int       k;          // outputs kept of a row, 1..REDUCTION_MOST
    int       capacity;   // rows there is room for
    int       rows;       // rows done so far
    int32_t * index;      // [capacity, k], best first, equals by index
    float   * value;      // [capacity, k]
};

// What "chasqui_kernels_reduce" gives: from now on, products named "result_output" on this pool are reduced into r and their own
// outputs left undefined. NULL ends that.
typedef void (*set_reduction)(const void * pool, reduction * r);

} // namespace chq::kernels
