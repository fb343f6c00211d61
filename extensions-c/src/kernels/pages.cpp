#include "pages.h"

#include <cstdint>
#include <cstdlib>

#ifdef _WIN32

#include <malloc.h>

namespace chq::kernels {

size_t page_bytes() { return 4096; }
void * take_pages(size_t size) { return _aligned_malloc(size, page_bytes()); }
void   give_pages_back(void * memory, size_t) { _aligned_free(memory); }
bool   can_map_files() { return false; }
bool   map_file(void *, size_t, int, size_t) { return false; }
bool   unmap_file(void *, size_t) { return false; }

} // namespace chq::kernels

#else

#include <sys/mman.h>
#include <unistd.h>

namespace chq::kernels {

size_t page_bytes() {
    static const size_t bytes = (size_t) sysconf(_SC_PAGESIZE);
    return bytes;
}

static size_t whole_pages(size_t size) { return (size + page_bytes() - 1) / page_bytes() * page_bytes(); }

static size_t region_bytes(size_t size) { return size >= LARGE_PAGE ? (size + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE : whole_pages(size); }

static void want_large_pages(void * memory, size_t bytes) {
#ifdef __linux__
    madvise(memory, bytes, MADV_HUGEPAGE);
#else
    (void) memory;
    (void) bytes;
#endif
}

void * take_pages(size_t size) {
    const size_t bytes = region_bytes(size);
    const size_t extra = bytes >= LARGE_PAGE ? LARGE_PAGE : 0;
    void * memory = mmap(nullptr, bytes + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
        return nullptr;
    }
    auto * begin = (uint8_t *) memory;
    if (extra) {
        const size_t before = (LARGE_PAGE - (uintptr_t) memory % LARGE_PAGE) % LARGE_PAGE;
        if (before) {
            munmap(begin, before);
        }
        if (extra - before) {
            munmap(begin + before + bytes, extra - before);
        }
        begin += before;
        want_large_pages(begin, bytes);
    }
    return begin;
}

void give_pages_back(void * memory, size_t size) { munmap(memory, region_bytes(size)); }

bool can_map_files() { return true; }

bool unmap_file(void * at, size_t size) {
    if (mmap(at, whole_pages(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED) {
        return false;
    }
    want_large_pages(at, whole_pages(size));
    return true;
}

bool map_file(void * at, size_t size, int file, size_t offset) {
    if (mmap(at, whole_pages(size), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, (off_t) offset) == MAP_FAILED) {
        unmap_file(at, size); // old kernels may have removed what was there
        return false;
    }
    want_large_pages(at, whole_pages(size));
    return true;
}

} // namespace chq::kernels

#endif
