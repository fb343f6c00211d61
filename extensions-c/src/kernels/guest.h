// A seat in the CPU backend. llama.cpp's CPU backend keeps a list of "extra" buffer types, whose operations it hands to their owner on its
// own threads, in the middle of its own graph. When ours is on that list, packed products cost no split of the graph, no second thread
// pool and no copy. The list is not part of ggml's public interface, so the seat is taken only in the very version that this was built for.
#pragma once

#include "ggml-backend.h"

namespace chq::kernels {

// The object that a buffer type on the list must have as its context.
void * guest_context();

// Puts a buffer type whose context is guest_context() on the list. false if the CPU backend is another version or keeps the list to itself.
bool join_cpu_backend(ggml_backend_buffer_type_t type);

} // namespace chq::kernels
