#include "sparse_prefill.h"

#include "attention.h"
#include "by_pool.h"
#include "offer.h"
#include "sparse/block_choice.h"
#include "sparse/chooser.h"

#include "ggml-cpu-impl.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstring>
#include <map>
#include <new>
#include <vector>

namespace chq::sparse {

// Queries of one operation that share their choices.
struct block {
    int32_t    token0;
    int32_t    token1;
    int32_t    query0; // of those that are gauged
    int32_t    query1;
    block_span span;
};

// Whether choices pay in a layer: what they cost against the attention that they save, as measured on one thread.
struct verdict {
    double  cost  = 0; // seconds
    double  saved = 0;
    int64_t until = 0; // keys up to which the layer is dense
};

struct prefill_state {
    prefill_policy how;
    bool           on     = false;
    bool           failed = false; // no memory
    int32_t        sparse_tokens = 0; // of the decode at hand, its first ones
    bool           counted = false;   // they are
    prefill_counts seen;
    std::map<const ggml_tensor *, verdict> layers; // by the tensors that hold their keys

    // of the operation at hand
    enum { NOT_OURS, DENSE, SPARSE }   way = NOT_OURS;
    kernels::attention_place           place; // of all tokens, whose keys begin and end differently only by the mask
    std::vector<block>                 blocks;
    std::vector<int32_t>               queries; // that are gauged: tokens
    size_t                             tiles = 0; // of the cache
    std::vector<uint8_t>               chosen;  // [heads][blocks][tiles]
    std::vector<block_chosen>          done;    // [heads][blocks]
    std::vector<std::vector<float>>    logs;    // of a thread, [ATTENTION_ROWS][tiles]
    std::vector<block_choice>          choices; // of a thread
};

} // namespace chq::sparse

namespace chq::kernels {

using namespace chq::sparse;

namespace {

constexpr int QUERIES  = ATTENTION_KEYS; // of a block, so that it ends where a tile of keys does
constexpr int EVERY    = 16;             // one query of so many is gauged
constexpr int TOGETHER = ATTENTION_ROWS / (QUERIES / EVERY); // blocks whose queries are gauged together

by_pool<prefill_state *> states;
std::atomic<int> n_states { 0 }; // among them

prefill_state * state_on(const void * pool) {
    return n_states.load(std::memory_order_relaxed) > 0 ? states.of(pool).value_or(nullptr) : nullptr;
}

const ggml_tensor * root_of(const ggml_tensor * t) {
    while (t->view_src) {
        t = t->view_src;
    }
    return t;
}

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

const uint16_t * mask_of(const ggml_tensor * mask, int64_t token) { return (const uint16_t *) ((const char *) mask->data + token * mask->nb[1]); }

// What the threads have to know of an operation.
decltype(prefill_state::way) prepare(prefill_state & s, const kernel_set & kernels, const ggml_tensor * op, int threads) {
    const ggml_tensor * const q    = op->src[0];
    const ggml_tensor * const k    = op->src[1];
    const ggml_tensor * const mask = op->src[3];
    const int32_t n_tokens = (int32_t) q->ne[1];
    const int32_t n_sparse = std::min(s.sparse_tokens, n_tokens);
    const ggml_tensor * const root = root_of(k);
    if (root == k || root->ne[2] != 1 || mask->ne[2] != 1 || mask->ne[0] < k->ne[1]) {
        return prefill_state::NOT_OURS;
    }
    // a text whose keys lie one after another, each token's behind those before
    const attention_place front = kernels.find_place(mask_of(mask, 0), k->ne[1]);
    const attention_place back  = kernels.find_place(mask_of(mask, n_tokens - 1), k->ne[1]);
    if (front.joint != k->ne[1] || back.joint != k->ne[1] || back.origin != front.origin || back.keys != front.keys + n_tokens - 1) {
        return prefill_state::NOT_OURS;
    }
    if (!s.how.always && back.keys < s.layers[root].until) {
        return prefill_state::DENSE;
    }
    const int64_t first_tile = front.origin / ATTENTION_KEYS;
    const int64_t sinks      = first_tile + ((int64_t) s.how.sinks + ATTENTION_KEYS - 1) / ATTENTION_KEYS;
    s.place = back;
    s.tiles = (size_t) ((k->ne[1] + ATTENTION_KEYS - 1) / ATTENTION_KEYS);
    s.blocks.clear();
    s.queries.clear();
    bool any = false;
    for (int32_t token = 0; token < n_sparse;) {
        const int64_t number = front.keys - 1 + token; // of its key
        block b;
        b.token0 = token;
        b.token1 = (int32_t) std::min<int64_t>(n_sparse, token + QUERIES - number % QUERIES);
        b.query0 = (int32_t) s.queries.size();
        for (int32_t t = b.token0; t < b.token1; t++) {
            if ((front.keys - 1 + t) % EVERY == EVERY / 2) {
                s.queries.push_back(t);
            }
        }
        if (b.query0 == (int32_t) s.queries.size()) {
            s.queries.push_back(b.token1 - 1);
        }
        b.query1      = (int32_t) s.queries.size();
        b.span.tiles  = first_tile + (front.keys + b.token1 - 2) / ATTENTION_KEYS + 1;
        b.span.sinks  = std::min(sinks, b.span.tiles);
        b.span.window = first_tile + std::max<int64_t>(0, number - s.how.window) / ATTENTION_KEYS;
        any |= b.span.sinks < b.span.window;
        s.blocks.push_back(b);
        token = b.token1;
    }
    if (!any) {
        return prefill_state::DENSE; // they see no more than what is always there
    }
    const size_t n = (size_t) q->ne[2] * s.blocks.size();
    s.chosen.resize(n * s.tiles);
    s.done.resize(n);
    s.logs.resize(std::max(s.logs.size(), (size_t) threads));
    s.choices.resize(s.logs.size());
    for (auto & logs : s.logs) {
        logs.resize((size_t) ATTENTION_ROWS * s.tiles);
    }
    return prefill_state::SPARSE;
}

// The choices of one head for the blocks [block0, block1).
void choose(prefill_state & s, const kernel_set & kernels, const ggml_tensor * op, int thread, int64_t head, size_t block0, size_t block1) {
    const int32_t query0 = s.blocks[block0].query0;
    attention_job job = job_of(op, head, s.queries.data() + query0, s.blocks[block1 - 1].query1 - query0);
    job.n_keys = std::min<int64_t>(job.n_keys, s.blocks[block1 - 1].span.tiles * ATTENTION_KEYS);
    float * const logs = s.logs[(size_t) thread].data();
    kernels.gauge(job, logs, s.tiles);
    for (size_t i = block0; i < block1; i++) {
        const block & b  = s.blocks[i];
        const size_t  at = (size_t) head * s.blocks.size() + i;
        s.done[at] = s.choices[(size_t) thread].choose(logs + (size_t) (b.query0 - query0) * s.tiles, s.tiles, b.query1 - b.query0, b.span, s.how.missing,
            s.chosen.data() + at * s.tiles);
    }
}

// Of one head, for the tokens [token0, token1). chosen: NULL = dense
void attend_some(const prefill_state & s, const kernel_set & kernels, const ggml_tensor * op, int64_t head, int32_t token0, int32_t token1, const uint8_t * chosen) {
    while (token0 < token1) {
        int32_t tokens[ATTENTION_ROWS];
        const int n = std::min(ATTENTION_ROWS, token1 - token0);
        for (int i = 0; i < n; i++) {
            tokens[i] = token0++;
        }
        attention_job job = job_of(op, head, tokens, n);
        job.chosen = chosen;
        std::fill(job.place, job.place + n, &s.place);
        kernels.attend(job);
    }
}

// All pieces of the operation in their order, each thread a run of them that costs as much as those of the others.
void attend_share(const prefill_state & s, const kernel_set & kernels, const ggml_tensor * op, int thread, int threads) {
    const int64_t heads    = op->src[0]->ne[2];
    const int32_t n_tokens = (int32_t) op->src[0]->ne[1];
    const int32_t rest     = s.blocks.back().token1; // from here on dense
    const auto each_piece = [&](const auto & visit) {
        for (int64_t head = 0; head < heads; head++) {
            for (size_t i = 0; i < s.blocks.size(); i++) {
                const size_t at = (size_t) head * s.blocks.size() + i;
                visit(head, s.blocks[i].token0, s.blocks[i].token1, s.done[at].tiles, s.chosen.data() + at * s.tiles);
            }
            for (int32_t token = rest; token < n_tokens; token += QUERIES) {
                visit(head, token, std::min(n_tokens, token + QUERIES), (int64_t) s.tiles, nullptr);
            }
        }
    };
    int64_t all = 0;
    each_piece([&](int64_t, int32_t token0, int32_t token1, int64_t tiles, const uint8_t *) { all += (token1 - token0) * tiles; });
    int64_t before = 0;
    each_piece([&](int64_t head, int32_t token0, int32_t token1, int64_t tiles, const uint8_t * chosen) {
        const int64_t cost = (token1 - token0) * tiles;
        if ((2 * before + cost) * threads / (2 * all) == thread) {
            attend_some(s, kernels, op, head, token0, token1, chosen);
        }
        before += cost;
    });
}

// What the first thread knows after its part.
void record(prefill_state & s, const ggml_tensor * op, double choice_time, double attention_time) {
    const int64_t heads = op->src[0]->ne[2];
    double chosen = 0, visible = 0, dense = 0, missing = 0;
    for (size_t i = 0; i < s.done.size(); i++) {
        const block & b    = s.blocks[i % s.blocks.size()];
        const double  rows = b.token1 - b.token0;
        chosen  += rows * (double) s.done[i].tiles;
        visible += rows * (double) (b.span.tiles - s.place.origin / ATTENTION_KEYS);
        missing += s.done[i].missing;
    }
    dense = (double) (heads * (op->src[0]->ne[1] - s.blocks.back().token1)) * (double) s.tiles;
    const double saved = attention_time * (visible - chosen) / (chosen + dense);
    s.seen.chosen      += chosen;
    s.seen.visible     += visible;
    s.seen.gauged      += (double) s.done.size();
    s.seen.missing     += missing;
    s.seen.choice_time += choice_time;
    s.seen.saved_time  += saved;
    verdict & v = s.layers[root_of(op->src[1])];
    v.cost  = v.cost / 2 + choice_time; // what was measured long ago counts little
    v.saved = v.saved / 2 + saved;
    v.until = v.saved > v.cost ? 0 : s.place.keys + s.place.keys / 4;
    if (!s.counted) {
        s.counted = true;
        s.seen.sparse_tokens += s.blocks.back().token1;
    }
}

} // namespace

bool attend_prompt_sparsely(const cpu_attention & cpu, const ggml_compute_params * params, ggml_tensor * op) {
    prefill_state * const at = state_on(params->threadpool);
    if (!at || at->sparse_tokens < QUERIES || op->src[0]->ne[1] < QUERIES) {
        return false;
    }
    prefill_state & s = *at;
    sparse::team by;
    by.index   = params->ith;
    by.count   = params->nth;
    by.pool    = params->threadpool;
    by.barrier = cpu.barrier;
    const kernel_set & kernels = best_kernels();
    if (by.index == 0) {
        try {
            s.way = s.failed ? prefill_state::NOT_OURS : prepare(s, kernels, op, by.count);
        } catch (const std::bad_alloc &) {
            s.failed = true;
            s.way    = prefill_state::NOT_OURS;
        }
    }
    by.wait();
    if (s.way != prefill_state::SPARSE) {
        if (s.way == prefill_state::DENSE) { // by the same kernel, whichever dense prompts get: so it does not matter what shares a pass
            attend(kernels, by.index, by.count, op, nullptr);
        }
        return s.way == prefill_state::DENSE;
    }
    const double  started = now();
    const int64_t heads   = op->src[0]->ne[2];
    const int64_t groups  = ((int64_t) s.blocks.size() + TOGETHER - 1) / TOGETHER;
    for (int64_t item = by.index; item < heads * groups; item += by.count) {
        const size_t block0 = (size_t) (item % groups * TOGETHER);
        choose(s, kernels, op, by.index, item / groups, block0, std::min(s.blocks.size(), block0 + TOGETHER));
    }
    const double chosen = now();
    by.wait();
    const double attended_from = now();
    attend_share(s, kernels, op, by.index, by.count);
    if (by.index == 0) {
        record(s, op, chosen - started, now() - attended_from);
    }
    return true;
}

// ---- what libchasqui calls

static prefill_state * create() { return new (std::nothrow) prefill_state; }

static void release(prefill_state * s) { delete s; }

static void set(prefill_state * s, const prefill_policy * how) {
    s->on     = how != nullptr;
    s->failed = false;
    s->seen   = {};
    s->how    = how ? *how : prefill_policy();
    s->layers.clear();
}

static void begin(prefill_state * s, const void * const * pools, int32_t tokens, int32_t sparse_tokens) {
    s->sparse_tokens = s->on ? sparse_tokens : 0;
    s->counted       = false;
    s->seen.tokens  += s->on ? tokens : 0;
    for (int i = 0; i < 2 && pools[i]; ++i) {
        states.set(pools[i], s);
    }
    n_states++;
}

static void end(prefill_state * s, const void * const * pools) {
    n_states--;
    s->sparse_tokens = 0;
    for (int i = 0; i < 2 && pools[i]; ++i) {
        states.set(pools[i], std::nullopt);
    }
}

static prefill_counts read(const prefill_state * s) { return s->seen; }

const sparse::prefill_functions * sparse_prefill_functions() {
    static const sparse::prefill_functions all = { create, release, set, begin, end, read };
    return &all;
}

} // namespace chq::kernels
