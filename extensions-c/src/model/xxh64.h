// XXH64: a checksum of what is saved.
#pragma once

#include <cstddef>
#include <cstdint>

namespace chq {

uint64_t xxh64(const uint8_t * p, size_t size, uint64_t seed);

} // namespace chq
