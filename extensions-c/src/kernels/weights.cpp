// Memory for packed weights: a ggml buffer type that packs what is put into it.
#include "backend.h"
#include "cores.h"
#include "guest.h"
#include "offer.h"
#include "pack.h"
#include "packed_cache.h"
#include "pages.h"
#include "product.h"
#include "release.h"
#include "trial.h"

#include "ggml-backend-impl.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <vector>

namespace chq::kernels {

static thread_local size_t packed_so_far = 0;

size_t bytes_packed() { return packed_so_far; }
void   forget_bytes_packed() { packed_so_far = 0; }

// ---- packing

// The strips of a tensor, plane by plane, and where their rows begin in ggml's format.
struct strip_list {
    format  f;
    int64_t columns;
    int64_t rows;      // of a plane
    int64_t per_plane;
    int64_t count;
    size_t  plane;     // bytes in ggml's format

    explicit strip_list(const ggml_tensor * t)
        : f(format_of(t->type)), columns(t->ne[0]), rows(t->ne[1]), per_plane(strips_of(rows)), count(t->ne[2] * per_plane),
          plane((size_t) rows * source_row_bytes(f, columns)) {}

    size_t source_of(int64_t strip) const {
        return (size_t) (strip / per_plane) * plane + (size_t) (strip % per_plane) * STRIP * source_row_bytes(f, columns);
    }
};

// Runs convert(format, bytes of ggml's plane, rows, columns, strip of the plane, the packed strip) for the strips [first, end) of a tensor, on
// several threads.
template <class Plane, class Convert>
static void each_strip(const ggml_tensor * t, const strip_list & list, int64_t first, int64_t end, Plane * source, Convert convert) {
    const size_t strip_size = strip_bytes(list.f, list.columns);
    on_cores(first, end, 8, (size_t) (end - first) * strip_size, [&](int64_t strip) {
        convert(list.f, source + (size_t) (strip / list.per_plane) * list.plane, list.rows, list.columns, strip % list.per_plane,
            (uint8_t *) t->data + (size_t) strip * strip_size);
    });
}

// Piece by piece, so that of a large tensor the two copies are never there at once.
static void pack(const ggml_tensor * t, const uint8_t * data) {
    constexpr size_t PIECE = 8 << 20;
    const strip_list list(t);
    const int64_t step = std::max<int64_t>(1, (int64_t) (PIECE / strip_bytes(list.f, list.columns)));
    for (int64_t first = 0; first < list.count; first += step) {
        const int64_t end = std::min(first + step, list.count);
        each_strip(t, list, first, end, data, pack_strip);
        release_source(data + list.source_of(first), list.source_of(end) - list.source_of(first));
    }
}

// From the cache, if this load has one and it has them; else packed, and put there. `paged`: no page has parts of two tensors.
static void fill(const ggml_tensor * t, const uint8_t * data, bool paged) {
    constexpr size_t LEAST = 256 << 10; // less is packed in the time of opening a file; what the trial packs is less
    const size_t size = packed_bytes(t);
    packed_cache * cache = paged && size >= LEAST ? cache_of_load() : nullptr;
    if (!cache) {
        pack(t, data);
        return;
    }
    const digest key = cache->key_of(t->type, t->ne, data, ggml_nbytes(t), release_source); // what has to be packed is read again
    if (!cache->take(key, t->data, size)) {
        pack(t, data);
        cache->keep(key, t->data, size);
    }
}

static void unpack(const ggml_tensor * t, uint8_t * data) {
    const strip_list list(t);
    each_strip(t, list, 0, list.count, data, [](format f, uint8_t * plane, int64_t rows, int64_t columns, int64_t strip, const uint8_t * packed) {
        unpack_strip(f, packed, rows, columns, strip, plane);
    });
}

// ---- the buffer

static std::atomic<int> buffers { 0 };

bool any_packed() { return buffers.load(std::memory_order_relaxed) > 0; }

struct region {
    void * memory;
    bool   paged; // every tensor begins with a page of its own
};

static region & region_of(ggml_backend_buffer_t buffer) { return *(region *) buffer->context; }

// Ends with memory that kernels ask for ahead.
static size_t region_bytes(size_t size) { return size + PREFETCH; }

static void buffer_free(ggml_backend_buffer_t buffer) {
    buffers--;
    give_pages_back(region_of(buffer).memory, region_bytes(buffer->size));
    delete &region_of(buffer);
}

static void * buffer_base(ggml_backend_buffer_t buffer) { return region_of(buffer).memory; }

// In a buffer of weights tensors are packed, all of them; in one that holds results (see alone() in backend.cpp) those that cannot be lie as
// they are.

static void buffer_memset(ggml_backend_buffer_t, ggml_tensor * t, uint8_t value, size_t offset, size_t size) {
    if (can_pack(t)) {
        GGML_ASSERT(offset == 0 && size == ggml_nbytes(t) && value == 0); // the only value that means the same when packed
        memset(t->data, 0, packed_bytes(t));
    } else {
        memset((uint8_t *) t->data + offset, value, size);
    }
}

static void buffer_set(ggml_backend_buffer_t buffer, ggml_tensor * t, const void * data, size_t offset, size_t size) {
    if (!can_pack(t)) {
        memcpy((uint8_t *) t->data + offset, data, size);
        return;
    }
    GGML_ASSERT(offset == 0 && size == ggml_nbytes(t));
    fill(t, (const uint8_t *) data, region_of(buffer).paged);
    packed_so_far += packed_bytes(t);
}

static void buffer_get(ggml_backend_buffer_t, const ggml_tensor * t, void * data, size_t offset, size_t size) {
    if (!can_pack(t)) {
        memcpy(data, (const uint8_t *) t->data + offset, size);
        return;
    }
    if (offset == 0 && size == ggml_nbytes(t)) {
        unpack(t, (uint8_t *) data);
        return;
    }
    std::vector<uint8_t> whole(ggml_nbytes(t));
    unpack(t, whole.data());
    memcpy(data, whole.data() + offset, size);
}

static void buffer_clear(ggml_backend_buffer_t buffer, uint8_t value) { memset(region_of(buffer).memory, value, buffer->size); }

static const char * type_name(ggml_backend_buffer_type_t) { return "Chasqui"; }

static ggml_backend_buffer_t type_alloc(ggml_backend_buffer_type_t type, size_t size) {
    attention_wins_trial(1); // now rather than in the middle of the first decode
    auto place = std::make_unique<region>(region { take_pages(region_bytes(size)), cache_of_load() != nullptr });
    if (!place->memory) {
        return nullptr;
    }
    ggml_backend_buffer_i buffer = {};
    buffer.free_buffer   = buffer_free;
    buffer.get_base      = buffer_base;
    buffer.memset_tensor = buffer_memset;
    buffer.set_tensor    = buffer_set;
    buffer.get_tensor    = buffer_get;
    buffer.clear         = buffer_clear;
    buffers++;
    return ggml_backend_buffer_init(type, buffer, place.release(), size);
}

// With a cache, whole pages: that is what files are mapped to.
static size_t type_alignment(ggml_backend_buffer_type_t) { return cache_of_load() ? page_bytes() : VECTOR; }

static size_t type_alloc_size(ggml_backend_buffer_type_t, const ggml_tensor * t) {
    return can_pack(t) ? packed_bytes(t) : ggml_nbytes(t);
}

ggml_backend_buffer_type_t packed_buffer_type() {
    static ggml_backend_buffer_type type = [] {
        ggml_backend_buffer_type_i i = {}; // no is_host: every way of loading then goes through set_tensor
        i.get_name       = type_name;
        i.alloc_buffer   = type_alloc;
        i.get_alignment  = type_alignment;
        i.get_alloc_size = type_alloc_size;
        return ggml_backend_buffer_type { i, weights_device(), guest_context() };
    }();
    return &type;
}

bool is_packed(const ggml_tensor * tensor) {
    return tensor->buffer && tensor->buffer->buft == packed_buffer_type();
}

bool is_question(const ggml_tensor * tensor) {
    return ggml_backend_buffer_get_size(tensor->buffer) == 0;
}

} // namespace chq::kernels
