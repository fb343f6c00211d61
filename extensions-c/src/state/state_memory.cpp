#include "chasqui_state.h"
#include "guard/guard.h"
#include "runtime/runtime.h"

#include <cstdlib>

#if defined(_WIN32)
#    include <malloc.h>
#elif defined(__linux__)
#    include <sys/mman.h>
#endif

using namespace chq;

constexpr size_t LARGE_PAGE = 2 << 20;
constexpr size_t ALIGNMENT  = 4096;

chq_status chq_state_allocate(size_t size, uint8_t ** out) {
    return guarded([&] {
        check_pointer(out, "out");
        if (size == 0) {
            fail(CHQ_STATUS_ARGUMENT, "size is 0");
        }
        if (size > available_memory()) {
            fail(CHQ_STATUS_MEMORY, "a saved state needs %zu bytes, there are %llu", size, (unsigned long long) available_memory());
        }
        void * memory = nullptr;
#if defined(_WIN32)
        memory = _aligned_malloc(size, ALIGNMENT);
#else
        if (posix_memalign(&memory, size < LARGE_PAGE ? ALIGNMENT : LARGE_PAGE, size) != 0) {
            memory = nullptr;
        }
#endif
        if (!memory) {
            fail(CHQ_STATUS_MEMORY, "a saved state needs %zu bytes", size);
        }
#if defined(__linux__)
        // Touching 200 MB in small pages takes longer than copying them. The tail shares its page with nobody: leave it small.
        if (size >= LARGE_PAGE) {
            madvise(memory, size / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
        }
#endif
        *out = (uint8_t *) memory;
        return CHQ_STATUS_OK;
    });
}

void chq_state_release(uint8_t * data) {
#if defined(_WIN32)
    _aligned_free(data);
#else
    free(data);
#endif
}
