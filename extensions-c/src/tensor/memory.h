// Memory of stored tensors. Small ones share a buffer, large ones have their own; all of it is freed at once.
#pragma once

#include "ggml-alloc.h"
#include "ggml-backend.h"

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

namespace chq {

struct free_buffer {
    void operator()(ggml_backend_buffer_t buffer) const { ggml_backend_buffer_free(buffer); }
};
using buffer_ptr = std::unique_ptr<ggml_backend_buffer, free_buffer>;

class tensor_memory {
public:
    // Gives a tensor zeroes in memory of that type. Fails with CHQ_STATUS_MEMORY.
    void place(ggml_tensor * tensor, ggml_backend_buffer_type_t type);

    // Lets a tensor read memory of somebody else.
    void wrap(ggml_tensor * tensor, const void * data, size_t n_bytes);

    uint64_t bytes() const { return n_bytes; }

private:
    struct piece {
        ggml_backend_buffer_t buffer = nullptr;
        size_t                used   = 0;
    };

    ggml_backend_buffer_t add(ggml_backend_buffer_type_t type, size_t size);

    std::vector<buffer_ptr>                     buffers;
    std::map<ggml_backend_buffer_type_t, piece> open; // where the next small tensor goes
    size_t                                      next_piece = 64 * 1024;
    uint64_t                                    n_bytes    = 0;
};

// Fails with CHQ_STATUS_MEMORY if so much is clearly not there. Systems promise memory that they do not have, and end the process that uses it.
void check_room(ggml_backend_buffer_type_t type, uint64_t n_bytes);

} // namespace chq
