#include "file_cache.h"

#include "guest.h"
#include "tier/residency.h"

#include "ggml-backend-impl.h"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <new>

namespace chq::tier {

struct cache {
    explicit cache(const settings & wanted)
        : folder(wanted.folder), on_failure(wanted.on_failure), pages(wanted.budget), mapped(can_map() && !getenv("CHASQUI_KV_FILE_COPIED")) {}

    const std::string folder;
    void (*const on_failure)(const char *);
    residency  pages;
    const bool mapped;

    // while buffers are made
    std::map<int, uint64_t> layer_bytes; // of keys and values
    std::string             why;         // no file

    std::atomic<bool> lost   { false };
    std::atomic<bool> broken { false };

    // Makes what was wanted resident. changing: on behalf of what changes the cache in place.
    bool settle(bool chosen, bool changing) {
        if (!lost && !pages.settle(chosen)) {
            lost = true;
            on_failure(pages.why().c_str());
        }
        pages.forget_wanted();
        broken = broken || (lost && changing);
        return !lost;
    }
};

} // namespace chq::tier

namespace chq::kernels {

using tier::cache;

namespace {

std::atomic<int>     n_caches { 0 };
thread_local cache * being_made = nullptr;

// ---- buffers

struct memory {
    uint8_t * at;
    size_t    bytes;           // whole pages
    cache   * owner;           // while it is made, and later if it is on a file
    bool      has_keys = false; // or values
    bool      on_file  = false;
};

constexpr size_t PIECE = 256 << 10; // bytes that are moved at a time: a budget can be small

memory * memory_of(ggml_backend_buffer_t buffer) { return (memory *) buffer->context; }

void * base_of(ggml_backend_buffer_t buffer) { return memory_of(buffer)->at; }

void release(ggml_backend_buffer_t buffer) {
    memory * m = memory_of(buffer);
    tier::give_up(m->at, m->bytes);
    delete m;
}

// The number of the layer of "cache_k_l7" or "cache_v_l7", -1 for others.
int layer_of(const ggml_tensor * t) {
    if (strncmp(t->name, "cache_", 6) != 0) {
        return -1;
    }
    const char * number = strrchr(t->name, 'l');
    const char * kind   = number ? number - 2 : t->name;
    return kind > t->name && (*kind == 'k' || *kind == 'v') && kind[1] == '_' ? atoi(number + 1) : -1;
}

ggml_status init_tensor(ggml_backend_buffer_t buffer, ggml_tensor * t) {
    memory * m = memory_of(buffer);
    const int layer = m->owner && m->owner == being_made && !t->view_src ? layer_of(t) : -1;
    if (layer >= 0) {
        m->has_keys = true;
        m->owner->layer_bytes[layer] += ggml_nbytes(t);
    }
    return GGML_STATUS_SUCCESS;
}

// Makes a part of the memory, and what it is moved from if that is such memory, too, ready to be touched.
bool ready(memory * m, const void * at, size_t n, bool to_write, const void * other = nullptr) {
    if (!m->on_file) {
        return true;
    }
    m->owner->pages.want(at, n, to_write);
    m->owner->pages.want(other, n, false);
    return m->owner->settle(false, to_write);
}

template <typename F>
void by_pieces(size_t size, F && piece) {
    for (size_t done = 0; done < size; done += PIECE) {
        piece(done, std::min(PIECE, size - done));
    }
}

void memset_tensor(ggml_backend_buffer_t buffer, ggml_tensor * t, uint8_t value, size_t offset, size_t size) {
    uint8_t * at = (uint8_t *) t->data + offset;
    by_pieces(size, [&](size_t from, size_t n) {
        if (ready(memory_of(buffer), at + from, n, true)) {
            memset(at + from, value, n);
        }
    });
}

void set_tensor(ggml_backend_buffer_t buffer, ggml_tensor * t, const void * data, size_t offset, size_t size) {
    uint8_t * at = (uint8_t *) t->data + offset;
    by_pieces(size, [&](size_t from, size_t n) {
        if (ready(memory_of(buffer), at + from, n, true, (const uint8_t *) data + from)) {
            memcpy(at + from, (const uint8_t *) data + from, n);
        }
    });
}

void get_tensor(ggml_backend_buffer_t buffer, const ggml_tensor * t, void * data, size_t offset, size_t size) {
    const uint8_t * at = (const uint8_t *) t->data + offset;
    by_pieces(size, [&](size_t from, size_t n) {
        if (ready(memory_of(buffer), at + from, n, false)) {
            memcpy((uint8_t *) data + from, at + from, n);
        } else {
            memset((uint8_t *) data + from, 0, n);
        }
    });
}

bool copy_tensor(ggml_backend_buffer_t buffer, const ggml_tensor * from, ggml_tensor * to) {
    if (!ggml_backend_buffer_is_host(from->buffer)) {
        return false;
    }
    set_tensor(buffer, to, from->data, 0, ggml_nbytes(from));
    return true;
}

void clear(ggml_backend_buffer_t buffer, uint8_t value) {
    memory * m = memory_of(buffer);
    cache * made = m->owner == being_made && m->has_keys && !m->on_file ? m->owner : nullptr;
    if (made && value == 0 && made->why.empty()) {
        try {
            if (auto file = tier::make_backing(m->at, m->bytes, made->folder, made->mapped, made->why)) {
                made->pages.add(m->at, m->bytes, std::move(file));
                m->on_file = true;
            }
        } catch (const std::bad_alloc &) {
            made->why = "out of memory";
        }
        return; // zeros as it is
    }
    if (made) {
        return; // nobody is going to use it
    }
    by_pieces(m->bytes, [&](size_t from, size_t n) {
        if (ready(m, m->at + from, n, true)) {
            memset(m->at + from, value, n);
        }
    });
}

constexpr ggml_backend_buffer_i BUFFER = {
    release, base_of, init_tensor, memset_tensor, set_tensor, get_tensor, nullptr, nullptr, copy_tensor, clear, nullptr,
};

ggml_backend_buffer_t (*plain_buffer)(ggml_backend_buffer_type_t, size_t);

ggml_backend_buffer_t make_buffer(ggml_backend_buffer_type_t type, size_t size) {
    if (!being_made) {
        return plain_buffer(type, size);
    }
    const size_t bytes = (size + tier::page_size() - 1) / tier::page_size() * tier::page_size();
    void * at = tier::reserve(bytes);
    memory * m = at ? new (std::nothrow) memory { (uint8_t *) at, bytes, being_made } : nullptr;
    if (!m) {
        if (at) {
            tier::give_up(at, bytes);
        }
        return nullptr;
    }
    return ggml_backend_buffer_init(type, BUFFER, m, size);
}

void take_buffer_type() {
    static const bool taken = [] {
        ggml_backend_buffer_type_t type = ggml_backend_cpu_buffer_type();
        plain_buffer = type->iface.alloc_buffer;
        type->iface.alloc_buffer = make_buffer; // for good: other threads may be about to call either
        return true;
    }();
    (void) taken;
}

// ---- what libchasqui calls

cache * create(const tier::settings * wanted) {
    take_buffer_type();
    try {
        being_made = new cache(*wanted);
        n_caches++;
        return being_made;
    } catch (const std::bad_alloc &) {
        return nullptr;
    }
}

tier::outcome made(cache * c, char * why, uint64_t capacity) {
    being_made = nullptr;
    const auto say = [&](tier::outcome how, const std::string & text) {
        snprintf(why, capacity, "%s", text.c_str());
        return how;
    };
    if (!c->why.empty()) {
        return say(tier::NO_FILE, c->why);
    }
    if (c->layer_bytes.empty()) {
        return say(tier::NO_CACHE, "the model has no KV cache on the CPU");
    }
    uint64_t most = 0;
    for (const auto & [layer, bytes] : c->layer_bytes) {
        most = std::max(most, bytes);
    }
    most += 8 * tier::page_size(); // of which only a part belongs to it
    if (c->pages.budget_bytes() < most && !c->pages.holds_all()) {
        return say(tier::TOO_SMALL, "a KV cache of " + std::to_string(c->pages.file_bytes()) + " bytes needs at least " + std::to_string(most)
            + " of them in memory, those of one layer; " + std::to_string(c->pages.budget_bytes()) + " are allowed");
    }
    c->layer_bytes.clear();
    return tier::DONE;
}

void free_cache(cache * c) {
    if (being_made == c) {
        being_made = nullptr;
    }
    n_caches--;
    delete c;
}

void begin(cache * c) {
    c->lost   = false;
    c->broken = false;
}

tier::counts read(const cache * c) {
    tier::counts n;
    n.file_bytes     = c->pages.file_bytes();
    n.budget_bytes   = c->pages.budget_bytes();
    n.resident_bytes = c->pages.resident_bytes();
    n.most_resident  = c->pages.most_bytes();
    n.loaded_bytes   = c->pages.loaded_bytes();
    n.evicted_bytes  = c->pages.evicted_bytes();
    return n;
}

// ---- operations

const ggml_tensor * root_of(const ggml_tensor * t) { return t->view_src ? t->view_src : t; }

bool is_write(const ggml_tensor * op) { return op->op == GGML_OP_SET_ROWS; }

// The part of memory that a tensor spans.
void want_tensor(cache * c, const ggml_tensor * t, bool to_write) { c->pages.want(t->data, ggml_nbytes(t), to_write); }

// Rows that are written.
void want_rows(cache * c, const ggml_tensor * op) {
    const ggml_tensor * rows = op->src[1];
    if (!rows || rows->type != GGML_TYPE_I64 || op->ne[2] != 1 || op->ne[3] != 1 || !ggml_is_contiguous(rows)) {
        want_tensor(c, op, true);
        return;
    }
    const size_t row = ggml_row_size(op->type, op->ne[0]);
    for (int64_t i = 0; i < ggml_nelements(rows); ++i) {
        const int64_t r = ((const int64_t *) rows->data)[i];
        if (r >= 0 && r < op->ne[1]) {
            c->pages.want((const uint8_t *) op->data + (size_t) r * op->nb[1], row, true);
        }
    }
}

} // namespace

const tier::functions * file_cache_functions() {
    static const tier::functions all = {
        create, made, free_cache, [](const cache * c) { return c->lost.load(); }, [](const cache * c) { return c->broken.load(); }, begin, read,
    };
    return &all;
}

cache * file_cache_of(const ggml_tensor * t) {
    if (n_caches.load(std::memory_order_relaxed) == 0) {
        return nullptr;
    }
    const ggml_backend_buffer_t buffer = root_of(t)->buffer;
    return buffer && buffer->iface.get_base == base_of && memory_of(buffer)->on_file ? memory_of(buffer)->owner : nullptr;
}

static cache * touched_by(const ggml_tensor * op) {
    if (n_caches.load(std::memory_order_relaxed) == 0) {
        return nullptr;
    }
    cache * c = file_cache_of(op);
    for (int i = 0; !c && i < GGML_MAX_SRC && op->src[i]; ++i) {
        c = file_cache_of(op->src[i]);
    }
    return c;
}

bool is_on_file(const ggml_tensor * op) {
    switch (op->op) {
        case GGML_OP_NONE: case GGML_OP_VIEW: case GGML_OP_RESHAPE: case GGML_OP_PERMUTE: case GGML_OP_TRANSPOSE: return false;
        default: return touched_by(op) != nullptr;
    }
}

bool prepare_on_file(const cpu_team & by, ggml_tensor * op) {
    cache * c = touched_by(op);
    if (by.index == 0) {
        const bool in_place = file_cache_of(op) && !is_write(op);
        if (is_write(op)) {
            want_rows(c, op);
        } else {
            for (int i = 0; i < GGML_MAX_SRC && op->src[i]; ++i) {
                want_tensor(c, op->src[i], false);
            }
            want_tensor(c, op, true);
        }
        if (!c->settle(false, in_place) && !file_cache_of(op)) {
            zero(op);
        }
    }
    by.barrier(by.pool);
    return !c->lost;
}

void want_range(cache * c, const ggml_tensor * rows, int64_t begin, int64_t end) {
    if (begin < end) {
        c->pages.want((const uint8_t *) rows->data + (size_t) begin * rows->nb[1], (size_t) (end - begin) * rows->nb[1], false);
    }
}

void want_cells(cache * c, const ggml_tensor * rows, const std::vector<int32_t> & cells) {
    for (size_t i = 0; i < cells.size();) {
        size_t j = i + 1;
        while (j < cells.size() && cells[j] == cells[j - 1] + 1) {
            ++j;
        }
        want_range(c, rows, cells[i], cells[j - 1] + 1);
        i = j;
    }
}

bool settle_wanted(cache * c, bool chosen) {
    return c->settle(chosen, false);
}

int cells_together(const cache * c, const ggml_tensor * keys) {
    if (c->pages.holds_all()) {
        return 1;
    }
    for (int cells = 8; cells < sparse::CHUNK; cells *= 2) {
        if ((size_t) cells * keys->nb[1] % tier::page_size() == 0) {
            return cells;
        }
    }
    return sparse::CHUNK;
}

int64_t cells_in_budget(const cache * c, const ggml_tensor * keys, int together) {
    const double part   = (double) c->pages.budget_bytes() / (double) c->pages.file_bytes();
    const double extent = (double) together * (double) keys->nb[1];
    const double edges  = std::fmod(extent, (double) tier::page_size()) == 0 ? 0 : (double) tier::page_size();
    return (int64_t) (0.97 * part * (double) root_of(keys)->ne[1] * (extent / (extent + edges)));
}

bool is_cell_resident(const cache * c, const ggml_tensor * rows, int64_t cell) {
    return c->pages.is_resident((const uint8_t *) rows->data + (size_t) cell * rows->nb[1]);
}

bool is_lost(const cache * c) { return c->lost; }

void zero(ggml_tensor * t) {
    if (ggml_is_contiguous(t)) {
        memset(t->data, 0, ggml_nbytes(t));
    }
}

} // namespace chq::kernels
