#pragma once

#include "ggml-backend.h"

namespace chq::kernels {

// From now on the device leaves attention of few tokens to the CPU where the keys are in host memory. llama.cpp's scheduler gives it to the device of the
// layer's weights otherwise, and copies the whole cache there for every token. Any thread; a device that is gone may be followed by another at its place.
void leave_attention_to_host(ggml_backend_dev_t device);

} // namespace chq::kernels
