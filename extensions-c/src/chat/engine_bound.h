#pragma once

#include <cstdint>

// Bounds the Jinja interpreter on this thread: it gives up with an exception below stack_end or after that time. stack_end = NULL
// takes the bounds away.
extern "C" void chq_engine_bound(const char * stack_end, int64_t milliseconds);
