#include "sparse_attention.h"

#include "attention.h"
#include "by_pool.h"
#include "file_cache.h"
#include "guest.h"
#include "offer.h"
#include "sparse/chooser.h"

#include "ggml-cpu-impl.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iterator>
#include <new>
#include <unordered_map>

namespace chq::sparse {

// A layer's keys, by the tensor that holds them.
struct layer {
    std::vector<int32_t> written;              // by cell: when, 0 = before anybody looked
    int32_t              writes = 0;
    digest               known;
    selector             shaped_for = SELECTORS;
    chosen               choice;
    int64_t              choice_step = -1;     // -1 = none
    size_t               choice_candidates = 0; // that there were
};

// What is visible to a token through one mask; layers have it in common.
struct view {
    const void * mask = nullptr;
    int64_t      step = -1;
    plan         cells;
    layer      * leader = nullptr; // whose choice the next layers share
    int32_t      shared = 0;       // layers that have it
};

// Whether sparse attention is faster than full attention here. Both are computed in one step now and then, full attention last, so that such a step is exact.
class trial {
public:
    enum verdict { UNKNOWN, PAYS, COSTS };

    void forget() { *this = trial(); }

    // At the beginning of a step with so many cells.
    void begin(int64_t n) {
        if (runs_) {
            std::sort(ratios_.begin(), ratios_.end());
            verdict_ = ratios_.empty() ? UNKNOWN : ratios_[ratios_.size() / 2] < GAIN ? PAYS : COSTS;
            ratios_.clear();
        }
        runs_ = verdict_ == UNKNOWN || n < at_ / 2 || n > at_ + (verdict_ == PAYS ? at_ / 2 : MORE);
        at_   = runs_ ? n : at_;
    }

    bool runs() const { return runs_; }
    bool pays() const { return verdict_ == PAYS; }
    void record(double sparse, double full) { ratios_.push_back(sparse / full); }

private:
    static constexpr double  GAIN = 0.97;
    static constexpr int64_t MORE = 256;

    verdict             verdict_ = UNKNOWN;
    bool                runs_    = false;
    int64_t             at_      = 0; // cells of the last trial
    std::vector<double> ratios_;      // of the layers' times
};

struct state {
    policy  how;
    bool    on        = false;
    bool    one_token = false;
    int64_t step      = 0;
    bool    failed    = false; // no memory
    counts  seen;
    int64_t last_sparse_step = -1;
    trial   tried;
    int64_t tried_step = -1; // that it has begun
    double  started    = 0;  // seconds
    double  between    = 0;

    std::unordered_map<const ggml_tensor *, layer> layers;
    std::vector<view>     views;
    chooser               choosing;
    std::vector<int32_t>  cells;  // attended to, ascending
    std::vector<uint8_t>  key_bytes;
    std::vector<uint8_t>  value_bytes;
    std::vector<uint16_t> mask;
};

} // namespace chq::sparse

namespace chq::kernels {

using namespace chq::sparse;

namespace {

constexpr int MOST_HEADS = 1024;

by_pool<state *> states;
std::atomic<int> n_states { 0 }; // among them

state * state_on(const void * pool) {
    return n_states.load(std::memory_order_relaxed) > 0 ? states.of(pool).value_or(nullptr) : nullptr;
}

const ggml_tensor * root_of(const ggml_tensor * t) {
    while (t->view_src) {
        t = t->view_src;
    }
    return t;
}

// The number in "cache_k_l7", -1 if it is no such tensor.
int layer_number(const ggml_tensor * keys) {
    constexpr char NAME[] = "cache_k_l";
    return strncmp(keys->name, NAME, sizeof(NAME) - 1) == 0 ? atoi(keys->name + sizeof(NAME) - 1) : -1;
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

size_t head_bytes(const ggml_tensor * t) { return ggml_row_size(t->type, t->ne[0]); }

keys keys_of(const ggml_tensor * k) {
    keys all;
    all.data        = (const uint8_t *) k->data;
    all.cell_stride = k->nb[1];
    all.head_stride = k->nb[2];
    all.heads       = (int) k->ne[2];
    all.d           = (int) k->ne[0];
    all.fp16        = k->type == GGML_TYPE_F16;
    all.to_float    = ggml_get_type_traits(k->type)->to_float;
    return all;
}

// Copies a share of the chosen cells' rows next to each other.
void gather(const ggml_tensor * from, const std::vector<int32_t> & cells, const sparse::team & by, uint8_t * to) {
    const size_t  head  = head_bytes(from);
    const size_t  row   = head * (size_t) from->ne[2];
    const int64_t begin = (int64_t) cells.size() * by.index / by.count;
    const int64_t end   = (int64_t) cells.size() * (by.index + 1) / by.count;
    for (int64_t i = begin; i < end; ++i) {
        const char * cell = (const char *) from->data + (size_t) cells[(size_t) i] * from->nb[1];
        if (from->nb[2] == head) {
            memcpy(to + (size_t) i * row, cell, row);
            continue;
        }
        for (int64_t h = 0; h < from->ne[2]; ++h) {
            memcpy(to + (size_t) i * row + (size_t) h * head, cell + (size_t) h * from->nb[2], head);
        }
    }
}

// Where an extent lies.
struct cell_memory {
    const tier::cache * file;
    const ggml_tensor * keys;
    const ggml_tensor * values;
};

bool is_near(const void * memory, int64_t cell) {
    const auto & m = *(const cell_memory *) memory;
    return is_cell_resident(m.file, m.keys, cell) && is_cell_resident(m.file, m.values, cell);
}

ggml_tensor gathered(const ggml_tensor * like, void * data, int64_t n) {
    ggml_tensor t = *like;
    t.data     = data;
    t.view_src = nullptr;
    t.ne[1]    = n;
    t.nb[2]    = head_bytes(like);
    t.nb[1]    = t.nb[2] * (size_t) t.ne[2];
    t.nb[3]    = t.nb[1] * (size_t) n;
    return t;
}

} // namespace

bool is_sparse_attention(const ggml_tensor * op) {
    if (op->op != GGML_OP_FLASH_ATTN_EXT) {
        return false;
    }
    const ggml_tensor * q    = op->src[0];
    const ggml_tensor * k    = op->src[1];
    const ggml_tensor * v    = op->src[2];
    const ggml_tensor * mask = op->src[3];
    const float max_bias = attention_parameter(op, 1);
    return q->ne[1] == 1 && q->ne[3] == 1 && k->ne[3] == 1 && v->ne[3] == 1 && q->type == GGML_TYPE_F32 && q->nb[0] == sizeof(float)
        && mask && mask->type == GGML_TYPE_F16 && mask->nb[0] == 2 && mask->ne[2] == 1 && max_bias == 0
        && k->ne[0] % 16 == 0 && k->ne[0] <= WIDEST && k->ne[2] == v->ne[2] && q->ne[2] % k->ne[2] == 0 && q->ne[2] <= MOST_HEADS
        && k->ne[1] == mask->ne[0] && k->ne[1] == v->ne[1] && root_of(v) != root_of(k)
        && (k->type == GGML_TYPE_F16 || ggml_get_type_traits(k->type)->to_float)
        && layer_number(root_of(k)) >= 0;
}

bool is_key_write(const ggml_tensor * op) {
    return op->op == GGML_OP_SET_ROWS && op->src[1] && op->src[1]->type == GGML_TYPE_I64 && layer_number(root_of(op)) >= 0;
}

void note_key_write(const ggml_compute_params * params, const ggml_tensor * op) {
    state * const s = params->ith == 0 ? state_on(params->threadpool) : nullptr;
    if (!s) {
        return;
    }
    try {
        const ggml_tensor * const root = root_of(op);
        layer & l = s->layers[root];
        l.written.resize((size_t) root->ne[1]);
        const int64_t * cells = (const int64_t *) op->src[1]->data;
        for (int64_t i = 0; i < op->src[1]->ne[0]; ++i) {
            const int64_t cell = cells[i];
            if (cell >= 0 && cell < (int64_t) l.written.size()) {
                l.written[(size_t) cell] = ++l.writes;
                l.known.lose(cell);
            }
        }
    } catch (const std::bad_alloc &) {
        s->failed = true;
    }
}

bool attend_sparsely(const cpu_attention & cpu, const ggml_compute_params * params, ggml_tensor * op) {
    state * const at = state_on(params->threadpool);
    if (!at || !at->on || !at->one_token || at->failed) {
        return false;
    }
    state & s = *at;
    ggml_tensor * const q    = op->src[0];
    ggml_tensor * const k    = op->src[1];
    ggml_tensor * const v    = op->src[2];
    ggml_tensor * const mask = op->src[3];
    const ggml_tensor * const root = root_of(k);
    if (layer_number(root) < s.how.dense_layers || root->ne[2] != 1) { // nor several streams in one tensor
        return false;
    }
    tier::cache * const file = file_cache_of(k) == file_cache_of(v) ? file_cache_of(k) : nullptr;
    if (file && is_lost(file)) {
        return false;
    }
    const int  each   = file ? cells_together(file, k) : 1;
    const bool always = s.how.always || each > 1; // attention to everything reads all of the file
    sparse::team by;
    by.index   = params->ith;
    by.count   = params->nth;
    by.pool    = params->threadpool;
    by.barrier = cpu.barrier;

    const keys   all        = keys_of(k);
    const int    heads      = (int) q->ne[2];
    const int    group      = heads / all.heads;
    const size_t key_row    = head_bytes(k) * (size_t) k->ne[2];
    const size_t value_row  = head_bytes(v) * (size_t) v->ne[2];

    // Everything that the threads look at here is changed by the first of them alone, between two barriers or where the others no longer look.
    const auto view_of = [&]() -> view * {
        for (view & w : s.views) {
            if (w.mask == mask->data) {
                return &w;
            }
        }
        return nullptr;
    };
    const auto known_layer = s.layers.find(root);
    view * w = view_of();
    // no more than stays in memory from step to step
    const auto how_in = [&](const plan & cells) {
        policy how = s.how;
        if (each > 1) {
            const int64_t always = (int64_t) cells.always.size() + 2 * each;
            const float   fits   = (float) std::max<int64_t>(each, cells_in_budget(file, k, each) - always) / (float) std::max<int64_t>(1, cells.n_visible);
            how.most  = std::min(how.most,  fits);
            how.share = std::min(how.share, fits);
        }
        return how;
    };
    const auto most_cells = [&](const view & w) { return w.cells.always.size() + (size_t) chooser::most_of(how_in(w.cells), w.cells) + (size_t) (s.how.refresh + 2 * CHUNK); };
    const bool ready = w && w->step == s.step && known_layer != s.layers.end() && known_layer->second.shaped_for == s.how.by
        && s.choosing.fits(heads, all.d, k->ne[1], (int64_t) w->cells.always.size(), by.count)
        && s.key_bytes.size() >= most_cells(*w) * key_row && s.value_bytes.size() >= most_cells(*w) * value_row;
    if (!ready) {
        by.wait();
        if (by.index == 0) {
            try {
                layer & l = s.layers[root];
                l.written.resize((size_t) root->ne[1]);
                shape_for(s.how.by, all, group, root->ne[1], l.known);
                l.shaped_for = s.how.by;
                if (!w) {
                    s.views.erase(std::remove_if(s.views.begin(), s.views.end(), [&](const view & old) { return old.step != s.step; }), s.views.end());
                    s.views.emplace_back();
                    w = &s.views.back();
                    w->mask = mask->data;
                }
                if (w->step != s.step) {
                    w->cells.make((const uint16_t *) mask->data, k->ne[1], l.written.data(), s.how.sinks, s.how.window);
                    w->step   = s.step;
                    w->leader = nullptr;
                }
                if (s.tried_step != s.step) {
                    s.tried_step = s.step;
                    s.tried.begin(w->cells.n_visible);
                }
                s.choosing.grow(heads, all.d, root->ne[1], (int64_t) w->cells.always.size() + 2 * CHUNK, by.count);
                const size_t room = most_cells(*w) + 512;
                s.key_bytes  .resize(std::max(s.key_bytes.size(),   room * key_row));
                s.value_bytes.resize(std::max(s.value_bytes.size(), room * value_row));
                s.mask       .assign(std::max(s.mask.size(),        room + CHUNK), 0);
                s.cells      .reserve(room);
            } catch (const std::bad_alloc &) {
                s.failed = true;
            }
        }
        by.wait();
        if (s.failed) {
            return false;
        }
        w = view_of();
    }
    layer & own = s.layers.find(root)->second;
    const plan & cells = w->cells;
    const policy how = how_in(cells);
    if ((int64_t) cells.candidates.size() <= chooser::most_of(how, cells)) {
        return false;
    }

    const bool tries = !always && s.tried.runs();
    if (!always && !tries && !s.tried.pays()) {
        return false;
    }
    const auto compute = [&](ggml_tensor * attention) {
        if (is_attention(attention) && heads >= by.count && attends_on(params->threadpool, 1)) {
            attend(best_kernels(), by.index, by.count, attention, nullptr);
        } else {
            cpu.compute(params, attention);
        }
    };

    // a choice of an earlier layer or step, or a new one
    const auto usable = [&](const layer & l) {
        return l.choice_step >= 0 && l.choice_candidates <= cells.candidates.size()
            && (int64_t) (cells.candidates.size() - l.choice_candidates) < s.how.refresh + CHUNK
            && std::all_of(l.choice.cells.begin(), l.choice.cells.end(), [&](int32_t cell) { return cells.penalty[(size_t) cell] == 0; });
    };
    const bool   shares = !tries && w->leader && w->shared < s.how.layers && usable(*w->leader);
    layer      & source = shares ? *w->leader : own;
    const bool   reuses = shares || (!tries && usable(own) && s.step - own.choice_step < s.how.refresh);
    by.wait();
    const auto lose = [&] {
        if (by.index == 0) {
            zero(op);
        }
        return true;
    };
    if (!reuses && file) {
        if (by.index == 0) {
            for (int64_t chunk = cells.first_chunk; own.known.reads_chunks() && chunk < cells.end_chunk; ++chunk) {
                if (cells.wanted[(size_t) chunk] & ~own.known.known(chunk)) {
                    want_range(file, k, chunk * CHUNK, std::min<int64_t>((chunk + 1) * CHUNK, k->ne[1]));
                }
            }
            settle_wanted(file, false);
        }
        by.wait();
        if (is_lost(file)) {
            return lose();
        }
    }
    if (!reuses) {
        chooser::learn(by, best_lanes(), all, own.known, cells);
        if (tries) {
            by.wait();
            if (by.index == 0) {
                s.started = now();
            }
        }
        const float * rows[MOST_HEADS];
        for (int h = 0; h < heads; ++h) {
            rows[h] = (const float *) ((const char *) q->data + (size_t) h * q->nb[2]);
        }
        const uint64_t turn = (uint64_t) s.step << 16 ^ (uint64_t) layer_number(root);
        if (file) {
            by.wait();
            if (by.index == 0) {
                want_cells(file, k, cells.always);
                settle_wanted(file, true);
            }
            by.wait();
            if (is_lost(file)) {
                return lose();
            }
        }
        const cell_memory memory = { file, k, v };
        const extents together = { each, &memory, is_near };
        s.choosing.choose(by, best_lanes(), how, all, own.known, cells, rows, group, attention_parameter(op, 0), turn, together, own.choice);
    }
    if (by.index == 0) {
        if (!reuses) {
            own.choice_step       = s.step;
            own.choice_candidates = cells.candidates.size();
        }
        if (!shares) {
            w->leader = &own;
            w->shared = 0;
        }
        w->shared++;
        // what was no candidate yet when the choice was made was attended to anyway, and still is
        std::vector<int32_t> & to = s.cells;
        to.clear();
        std::merge(cells.always.begin(), cells.always.end(), source.choice.cells.begin(), source.choice.cells.end(), std::back_inserter(to));
        if (source.choice_candidates < cells.candidates.size()) {
            to.insert(to.end(), cells.candidates.begin() + (int64_t) source.choice_candidates, cells.candidates.end());
            std::sort(to.begin(), to.end());
            to.erase(std::unique(to.begin(), to.end()), to.end());
        }
        if (!tries) {
            s.seen.cells   += (double) to.size();
            s.seen.visible += (double) cells.n_visible;
        }
        if (!reuses && own.choice.missing >= 0) {
            s.seen.gauged++;
            s.seen.missing += own.choice.missing;
        }
        if (!tries && s.last_sparse_step != s.step) {
            s.last_sparse_step = s.step;
            s.seen.sparse_steps++;
        }
        if (file) {
            want_cells(file, k, to);
            want_cells(file, v, to);
            settle_wanted(file, true);
        }
    }
    by.wait();
    if (file && is_lost(file)) {
        return lose();
    }

    gather(k, s.cells, by, s.key_bytes.data());
    gather(v, s.cells, by, s.value_bytes.data());
    by.wait();
    const int64_t n = (int64_t) s.cells.size();
    ggml_tensor some_keys   = gathered(k, s.key_bytes.data(),   n);
    ggml_tensor some_values = gathered(v, s.value_bytes.data(), n);
    ggml_tensor no_mask     = *mask;
    no_mask.data     = s.mask.data();
    no_mask.view_src = nullptr;
    no_mask.ne[0]    = n;
    no_mask.nb[1]    = no_mask.nb[2] = no_mask.nb[3] = (size_t) n * 2;
    ggml_tensor some = *op;
    some.src[1] = &some_keys;
    some.src[2] = &some_values;
    some.src[3] = &no_mask;
    compute(&some);
    if (tries) {
        by.wait();
        if (by.index == 0) {
            s.between = now();
        }
        compute(op);
        by.wait();
        if (by.index == 0) {
            const double sparse = s.between - s.started;
            const double full   = now() - s.between;
            s.tried.record(sparse, full);
            s.seen.sparse_time += sparse;
            s.seen.dense_time  += full;
        }
    }
    return true;
}

// ---- what libchasqui calls

static state * create() { return new (std::nothrow) state; }

static void release(state * s) { delete s; }

static void forget(state * s) {
    for (auto & [tensor, l] : s->layers) {
        std::fill(l.written.begin(), l.written.end(), 0);
        l.known.forget();
        l.choice_step = -1;
    }
}

static void set(state * s, const policy * how) {
    s->on     = how != nullptr;
    s->failed = false;
    s->seen   = {};
    s->how    = how ? *how : policy();
    s->tried.forget();
    for (auto & [tensor, l] : s->layers) {
        l.choice_step = -1;
    }
}

static void begin(state * s, const void * const * pools, bool one_token) {
    s->one_token = one_token;
    s->step++;
    s->seen.steps += one_token && s->on;
    for (int i = 0; i < 2 && pools[i]; ++i) {
        states.set(pools[i], s);
    }
    n_states++;
}

static void end(state *, const void * const * pools) {
    n_states--;
    for (int i = 0; i < 2 && pools[i]; ++i) {
        states.set(pools[i], std::nullopt);
    }
}

static counts read(const state * s) {
    counts seen = s->seen;
    for (const auto & [tensor, l] : s->layers) {
        seen.sketch_bytes += l.known.bytes();
    }
    return seen;
}

const sparse::functions * sparse_functions() {
    static const sparse::functions all = { create, release, set, forget, begin, end, read };
    return &all;
}

} // namespace chq::kernels
