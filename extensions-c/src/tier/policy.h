// What libchasqui and the kernels agree on about KV caches that are larger than the memory for them. libchasqui decides which context has its cache on a
// file; the kernels make the buffers and see to it that what an operation touches is there (kernels/file_cache.h).
#pragma once

#include <cstdint>

namespace chq::tier {

struct settings {
    const char * folder;                 // where the file is made; it has no name there
    uint64_t     budget;                 // bytes of the cache in memory
    void (*on_failure)(const char * why); // on the thread that decodes
};

struct counts {
    uint64_t file_bytes     = 0;
    uint64_t budget_bytes   = 0;
    uint64_t resident_bytes = 0; // by the system's count
    uint64_t most_resident  = 0; // ever, by ours
    uint64_t loaded_bytes   = 0; // made resident that had been evicted
    uint64_t evicted_bytes  = 0;
};

// How the making of buffers ended.
enum outcome { DONE, NO_CACHE, NO_FILE, TOO_SMALL };

struct cache;

// What "chasqui_kernels_file_cache" gives. A cache is used by one thread at a time, and outlives its buffers.
struct functions {
    cache * (*create)(const settings *); // NULL without memory. From now on the buffers that this thread makes are the cache's.
    outcome (*made)(cache *, char * why, uint64_t capacity); // until this
    void    (*free)(cache *);
    bool    (*lost)(const cache *);   // whether something could not be read or written since begin; decodes do nothing more with keys and values then
    bool    (*broken)(const cache *); // whether that was while what the cache holds was changed, so that it is of no use
    void    (*begin)(cache *);
    counts  (*read)(const cache *);
};

} // namespace chq::tier
