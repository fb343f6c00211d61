// The ggml backend "Chasqui": an accelerator device that offers the buffer type of packed weights.
//
// Two device objects. The registered one is what a model loader asks; its buffer type is that of packed weights, which is not host memory,
// so that every way of loading goes through set_tensor. The other is the device of the backend's instances, what a scheduler asks; its buffer
// type is the CPU's, so that results are shared with the CPU backend without copies.
//
// Who computes: the CPU backend itself where guest.h finds a seat in it (the instances then support nothing), else the instances, on
// threads of their own.
#pragma once

#include "ggml-backend.h"

namespace chq::kernels {

ggml_backend_dev_t weights_device();

// Whether the CPU backend computes the products. Decided at the first call.
bool has_seat();

} // namespace chq::kernels
