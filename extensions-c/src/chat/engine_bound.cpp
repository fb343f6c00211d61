// Bounds what a chat template may do. Compiled into libllama-common, whose Jinja interpreter calls the hook below at the entry of
// each of its functions (-finstrument-functions, see CMakeLists.txt): a flag, not a patch.
#include "chat/engine_bound.h"

#include <chrono>
#include <cstdint>
#include <cstring>
#include <dlfcn.h>
#include <stdexcept>

#define NO_HOOK __attribute__((no_instrument_function))

namespace {

struct bounds {
    const char * stack_end = nullptr; // below it there is no room to go on; NULL = no bounds
    int64_t      deadline  = 0;       // steady clock, nanoseconds
    uint32_t     n_calls   = 0;
    bool         expired   = false;
};

thread_local bounds current;

// What may_throw found out, by the function's address: asking the dynamic linker takes a microsecond.
struct known_function {
    void * function;
    bool   may_throw;
};
thread_local known_function known[256];

NO_HOOK int64_t now() {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

// Destructors run through the hook too and must not throw; what a template nests and repeats are the nodes of its syntax tree.
NO_HOOK bool may_throw(void * function) {
    known_function & entry = known[((uintptr_t) function >> 4) % 256];
    if (entry.function != function) {
        Dl_info info;
        entry.may_throw = dladdr(function, &info) && info.dli_sname && strstr(info.dli_sname, "execute_impl");
        entry.function  = function;
    }
    return entry.may_throw;
}

} // namespace

extern "C" NO_HOOK __attribute__((visibility("default"))) void chq_engine_bound(const char * stack_end, int64_t milliseconds) {
    current = { stack_end, now() + milliseconds * 1000000, 0, false };
}

// The library is linked so that its own calls bind here and not to the C library's empty one.
extern "C" NO_HOOK void __cyg_profile_func_enter(void * function, void *) {
    if (!current.stack_end) {
        return;
    }
    const char here = 0;
    if (&here < current.stack_end && may_throw(function)) {
        throw std::runtime_error("it nests too deeply");
    }
    if (!current.expired && ++current.n_calls % 4096 == 0) {
        current.expired = now() > current.deadline;
    }
    if (current.expired && may_throw(function)) {
        throw std::runtime_error("it takes too long");
    }
}

extern "C" NO_HOOK void __cyg_profile_func_exit(void *, void *) {
}
