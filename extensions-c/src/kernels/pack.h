// From ggml's blocks to the layout of format.h and back.
#pragma once

#include "format.h"

namespace chq::kernels {

// Bytes of one row in ggml's format.
size_t source_row_bytes(format f, int64_t columns);

// Packs one strip: rows [32 * strip, ...) of n_rows; the missing ones of the last strip become zeros.
void pack_strip(format f, const void * source, int64_t n_rows, int64_t columns, int64_t strip, void * to);

// The inverse, bit for bit: writes the rows of one strip in ggml's format.
void unpack_strip(format f, const void * packed, int64_t n_rows, int64_t columns, int64_t strip, void * to);

} // namespace chq::kernels
