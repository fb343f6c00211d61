// What the plug-in offers to llama.cpp, and to whom: which instruction set, which weights, in which mode.
#pragma once

#include "kernels.h"
#include "ggml-backend.h"

namespace chq::kernels {

class packed_cache;

enum mode { MODE_AUTO, MODE_ON, MODE_OFF };

// The best instruction set of this CPU, or the one that CHASQUI_KERNELS_ISA names.
const kernel_set & best_kernels();

// Of the models that the calling thread loads from now on. The process starts with what CHASQUI_KERNELS says (auto, on, off).
void set_mode(mode m);
void reset_mode();

// Whether a format's weights are to be packed: what the mode says, and for auto whether the kernels win the trial.
bool offered(format f);

// Holds the trials that the type's weights may need, on the calling thread.
void try_early(ggml_type type);

// Whether attention on a thread pool of ggml's is to be ours: what its owner said (ATTENTION_DEFAULT ends that), else whether any weights are
// packed in this process. For a number of queries that lose the trial it is with ATTENTION_ALWAYS only.
enum { ATTENTION_DEFAULT = -1, ATTENTION_OFF = 0, ATTENTION_ON = 1, ATTENTION_ALWAYS = 2 };
void set_attention(const void * pool, int what);
bool attends_on(const void * pool, int64_t queries);

// Whether a tensor lies in a buffer of packed weights.
bool is_packed(const ggml_tensor * tensor);

// Whether a tensor in packed weights is only the question of a model loader, which puts it into a buffer of no size.
bool is_question(const ggml_tensor * tensor);

// The buffer type of packed weights.
ggml_backend_buffer_type_t packed_buffer_type();

// Where packed weights are kept for the next load (packed_cache.h) of the models that the calling thread loads from now on; NULL or "" = nowhere.
// reset_mode brings back what CHASQUI_PACKED_CACHE says, a folder.
constexpr uint64_t CACHE_BYTES = (uint64_t) 16 << 30;
void set_cache(const char * folder, uint64_t max_bytes);

// The cache of the calling thread's load, opened at the first call. NULL if it has none.
packed_cache * cache_of_load();

// Bytes of weights that the calling thread packed since the last set_mode.
size_t bytes_packed();
void   forget_bytes_packed();

// Whether any buffer of packed weights is there.
bool any_packed();

} // namespace chq::kernels
