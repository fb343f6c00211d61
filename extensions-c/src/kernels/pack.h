// From ggml's blocks to the layout of format.h.
#pragma once

#include "format.h"

namespace chq::kernels {

// Bytes of one row in ggml's format.
size_t source_row_bytes(format f, int64_t columns);

// Packs one tile: rows [16 * tile, ...) of n_rows; the missing ones of the last tile become zeros.
void pack_tile(format f, const void * source, int64_t n_rows, int64_t columns, int64_t tile, void * to);

} // namespace chq::kernels
