#include "release.h"

#ifdef __linux__

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <mutex>
#include <vector>

#include <sys/mman.h>
#include <unistd.h>

namespace chq::kernels {

struct range {
    uintptr_t from;
    uintptr_t to;
};

// Drops what is a shared mapping of a file now, whatever was there before: that loses nothing, as the page cache still has it. In anonymous
// memory and in private mappings (a library's relocated pages) MADV_DONTNEED would destroy data.
static void drop(const std::vector<range> & ranges) {
    FILE * maps = fopen("/proc/self/maps", "re");
    if (!maps) {
        return;
    }
    char line[4096];
    while (fgets(line, sizeof(line), maps)) {
        unsigned long from;
        unsigned long to;
        unsigned long inode;
        char kind[5];
        if (sscanf(line, "%lx-%lx %4s %*x %*s %lu", &from, &to, kind, &inode) != 4 || inode == 0 || kind[3] != 's') {
            continue;
        }
        for (const range & r : ranges) {
            const uintptr_t a = r.from > from ? r.from : from;
            const uintptr_t b = r.to < to ? r.to : to;
            if (a < b) {
                madvise((void *) a, b - a, MADV_DONTNEED);
            }
        }
    }
    fclose(maps);
}

void release_source(const void * data, size_t size) {
    // Looking at the maps costs a millisecond: the larger the model, the more is dropped at a time.
    constexpr size_t LEAST = 4 << 20;
    constexpr size_t MOST  = 32 << 20;
    static std::mutex         mutex;
    static std::vector<range> waiting;
    static size_t             bytes = 0;
    static size_t             dropped = 0;

    const uintptr_t page = (uintptr_t) sysconf(_SC_PAGESIZE);
    const uintptr_t from = ((uintptr_t) data + page - 1) / page * page;
    const uintptr_t to   = ((uintptr_t) data + size) / page * page;
    if (from >= to) {
        return;
    }
    std::lock_guard<std::mutex> lock(mutex);
    waiting.push_back({ from, to });
    bytes += to - from;
    if (bytes >= std::clamp(dropped / 16, LEAST, MOST)) {
        drop(waiting);
        waiting.clear();
        dropped += bytes;
        bytes = 0;
    }
}

} // namespace chq::kernels

#else

namespace chq::kernels {
void release_source(const void *, size_t) {}
} // namespace chq::kernels

#endif
