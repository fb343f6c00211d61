// Numbers of rows that operations look up: ggml asserts on its threads, where nothing can be caught, that the rows exist.
#pragma once

#include "ggml.h"

#include <functional>
#include <string>
#include <vector>

namespace chq {

// Where numbers come from that must be looked at before a computation: a tensor, or a view of one, whose data are known then.
using index_sources = std::vector<ggml_tensor *>;

// Whether a tensor that is no view has data.
using data_test = std::function<bool(const ggml_tensor * root)>;

// Follows I32 tensors to where their values come from: tensors with data, which the caller must check, and operations that give positions
// among at most limit elements. False, with the reason, if something else is among them.
bool find_indices(ggml_tensor * ids, int64_t limit, const data_test & has_data, index_sources & sources, std::string & reason);

// Whether all elements of an I32 tensor are in 0..limit - 1; *wrong = one that is not. root_data: what its root holds.
bool check_indices(const ggml_tensor * ids, const void * root_data, int64_t limit, int32_t * wrong);

} // namespace chq
