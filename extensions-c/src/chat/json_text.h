// Bounds of the JSON texts that llama.cpp's recursive readers get.
#pragma once

#include "json.h"

#include <cstddef>

namespace chq {

constexpr int MAX_JSON_NESTING = 128;

// Fails with CHQ_STATUS_ARGUMENT if objects and arrays nest deeper than MAX_JSON_NESTING. Whether it is JSON is for its reader to say.
void check_nesting(const char * text, size_t n_text, const char * what);

// The same for a text that need not be JSON: counts every bracket that is open, without looking for strings.
void check_brackets(const char * text, size_t n_text, int most, const char * what);

// Throws std::invalid_argument for a schema that llama.cpp's conversion would not come to an end with in reasonable time or memory.
void check_schema(const common_json & schema);

} // namespace chq
