#pragma once

#include <cstdint>

namespace chq {

// Fails unless there are 1..CHQ_AUDIO_MAX_SAMPLES samples.
void check_n_samples(int64_t n_samples);

// The first number that is no sample, so large that encoders would compute infinities of it, or n_samples.
int64_t find_no_sample(const float * samples, int64_t n_samples);

} // namespace chq
