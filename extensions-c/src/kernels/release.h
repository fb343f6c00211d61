// Giving back the pages of a mapped model file once their content is packed, so that no second copy stays resident.
#pragma once

#include <cstddef>

namespace chq::kernels {

// Tells that [data, data + size) will not be read again. Pages of a file that is mapped there leave memory, now or with a later call
// (they can be read again; the page cache keeps them as long as it likes). Memory that is no mapped file is left alone.
void release_source(const void * data, size_t size);

} // namespace chq::kernels
