// KV caches on files (tier/policy.h): the buffers, and what operations need of them.
//
// llama.cpp takes the memory of a KV cache from the CPU's buffer type, and clears it at once. So while a context with such a cache is made, on its thread
// alone, that type's buffers are ours: plain memory, until one that has a KV cache's tensors is cleared, which puts a file in its place before anybody has
// touched it. The type stays the CPU's. As with the seat for operations (guest.h), ggml has no public way in, so this is done only
// in the very version that this was built for.
#pragma once

#include "sparse/plan.h"
#include "tier/policy.h"
#include "ggml.h"

#include <vector>

struct ggml_compute_params;

namespace chq::kernels {

// Of use only with a seat.
const tier::functions * file_cache_functions();

// The cache that a tensor is a part of, NULL if it is in plain memory.
tier::cache * file_cache_of(const ggml_tensor * t);

// Whether an operation reads or writes such a cache.
bool is_on_file(const ggml_tensor * op);

struct cpu_team {
    int    index;
    void * pool;
    void (*barrier)(void * pool);
};

// Each thread of the pool calls it before such an operation. false: it must not be done; what it was to give is zero now, and the cache is lost.
bool prepare_on_file(const cpu_team & by, ggml_tensor * op);

// For one thread while the others wait. Rows of cells, ascending, of the keys or values of a layer.
void want_cells(tier::cache * cache, const ggml_tensor * rows, const std::vector<int32_t> & cells);
void want_range(tier::cache * cache, const ggml_tensor * rows, int64_t begin, int64_t end);

// As residency::settle; false also where something was lost before.
bool settle_wanted(tier::cache * cache, bool chosen);

// How many cells go together: those in the same pages. 1 where all of the cache is in memory.
int cells_together(const tier::cache * cache, const ggml_tensor * keys);

// How many cells of a layer fit into the budget if every layer has as many, with pages that only a part of is wanted.
int64_t cells_in_budget(const tier::cache * cache, const ggml_tensor * keys, int together);

bool is_cell_resident(const tier::cache * cache, const ggml_tensor * rows, int64_t cell);

bool is_lost(const tier::cache * cache);

void zero(ggml_tensor * t);

} // namespace chq::kernels
