// What can be done with each type of elements.
#pragma once

#include "ggml.h"

#include <string>

namespace chq {

// Whether ggml has a type of this number.
bool is_known_type(int32_t type);

// "Q4_K"
std::string to_text(ggml_type type);

// F32, F16 and BF16.
bool is_float(ggml_type type);

// Whether floats can be made of it.
bool is_decodable(ggml_type type);

// Whether it can be made of floats without further knowledge.
bool is_encodable(ggml_type type);

// Whether there are kernels that multiply with it, and such that look up its rows.
bool is_multipliable(ggml_type type);

// Of n consecutive elements; is_decodable or an integer or F64.
void decode(ggml_type type, const void * data, float * values, int64_t n);

// Rows of n elements, is_encodable. False if a quantised type was given something that is not finite.
bool encode(ggml_type type, const float * values, void * data, int64_t n_rows, int64_t n);

} // namespace chq
