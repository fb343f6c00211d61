// Bounds what a chat template may do. Compiled into libllama-common, whose Jinja interpreter calls the hook below at the entry of
// each of its functions (-finstrument-functions, see CMakeLists.txt): a flag, not a patch.
#include "chat/engine_bound.h"

#include <atomic>
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

// What may_throw found out, by the function's address, for all threads: the dynamic linker looks through all its symbols for an
// answer. The interpreter has some two thousand functions; when the table is full, the linker is asked again.
constexpr size_t       N_KNOWN = 8192;
constexpr uintptr_t    THROWS  = (uintptr_t) 1 << (8 * sizeof(uintptr_t) - 1); // no address of a function has this bit
std::atomic<uintptr_t> known[N_KNOWN];

NO_HOOK int64_t now() {
    return std::chrono::steady_clock::now().time_since_epoch().count();
}

// Destructors run through the hook too and must not throw; what a template nests and repeats are the nodes of its syntax tree.
NO_HOOK bool may_throw(void * function) {
    const uintptr_t address = (uintptr_t) function;
    size_t slot = (address >> 4) * 0x9E3779B1u % N_KNOWN;
    uintptr_t entry = 0;
    for (size_t i = 0; i < N_KNOWN; i++, slot = (slot + 1) % N_KNOWN) {
        entry = known[slot].load(std::memory_order_relaxed);
        if (!entry || (entry & ~THROWS) == address) {
            break;
        }
    }
    if ((entry & ~THROWS) != address) {
        Dl_info info;
        const bool throws = dladdr(function, &info) && info.dli_sname && strstr(info.dli_sname, "execute_impl");
        const bool vacant = entry == 0;
        entry = address | (throws ? THROWS : 0);
        if (vacant) {
            known[slot].store(entry, std::memory_order_relaxed); // losing a race costs another question
        }
    }
    return entry & THROWS;
}

} // namespace

extern "C" NO_HOOK __attribute__((visibility("default"))) void chq_engine_bound(const char * stack_end, int64_t milliseconds) {
    current = { stack_end, now() + milliseconds * 1000000, 0, false };
}

// The library is linked so that its own calls bind here and not to the C library's empty one.
extern "C" NO_HOOK void __cyg_profile_func_enter(void * function, void *) {
    bounds & mine = current;
    if (!mine.stack_end) {
        return;
    }
    const char here = 0;
    if (&here < mine.stack_end && may_throw(function)) {
        throw std::runtime_error("it nests too deeply");
    }
    if (!mine.expired && ++mine.n_calls % 4096 == 0) {
        mine.expired = now() > mine.deadline;
    }
    if (mine.expired && may_throw(function)) {
        throw std::runtime_error("it takes too long");
    }
}

extern "C" NO_HOOK void __cyg_profile_func_exit(void *, void *) {
}
