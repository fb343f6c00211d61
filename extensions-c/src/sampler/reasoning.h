#pragma once

#include "llama.h"

#include <string>
#include <vector>

namespace chq {

// A stage that counts the tokens of reasoning between a start text and the first of its end texts, wherever they lie in tokens, and once there are more than
// n_tokens leaves one candidate at a time: the token that goes on with ends[0]. What the model has written of that end already is not written again, and
// a character is not cut. Later reasoning of the same answer goes on counting. opening: the end of the prompt that belongs to the answer; it counts nothing.
// Fails with CHQ_STATUS_UNSUPPORTED if the vocabulary cannot write ends[0].
llama_sampler * make_reasoning_budget(const llama_vocab * vocab, int32_t n_tokens, std::string start, std::vector<std::string> ends, const std::string & opening);

} // namespace chq
