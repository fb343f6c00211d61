#pragma once

#include "guard/guard.h"

#include <cstddef>
#include <functional>

namespace chq {

// Stack that std::regex takes for each character of a match; measured: 214 to 358 bytes, several times that with sanitizers.
#if defined(__SANITIZE_ADDRESS__)
constexpr size_t REGEX_STACK = 8192;
#else
constexpr size_t REGEX_STACK = 1024;
#endif

// Characters that the stack of any caller bears.
constexpr size_t REGEX_SHALLOW = ((size_t) 256 << 10) / REGEX_STACK;

// Runs body on a thread of its own whose stack has n_bytes, committed only as far as it is used, and waits for it.
// A failure of body is the caller's failure.
void run_on_deep_stack(size_t n_bytes, const std::function<void()> & body);

} // namespace chq
