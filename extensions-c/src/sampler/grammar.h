#pragma once

#include <string>

namespace chq {

// Reads a GBNF text as llama.cpp's parser does and fails with CHQ_STATUS_GRAMMAR, naming the line, if it does not parse,
// has no such root, or would make llama.cpp loop, recurse without bound or run out of memory.
void check_grammar(const char * gbnf, const char * root);

} // namespace chq
