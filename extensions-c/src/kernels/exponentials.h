// The exponential function as softmax needs it, for files that are compiled for one instruction set each: everything in here stays inside of the file.
#pragma once

#include <cstdint>
#include <cstring>

namespace chq::kernels {

// x = exp(x - most) for n values, a multiple of 16, none above `most`; lane j gets the sum of every sixteenth from j on added. Relative error below 2e-7; a
// compiler vectorises it.
static inline void exponentials(float * x, int64_t n, float most, float * lanes) {
    for (int64_t i = 0; i < n; i += 16) {
        for (int j = 0; j < 16; j++) {
            const float low   = x[i + j] - most;
            const float y     = low < -87.0f ? -87.0f : low;          // minus infinity as well
            const float power = y * 1.44269504f + 0x1.8p23f;          // the low bits are the nearest power of two
            const float k     = power - 0x1.8p23f;
            const float r     = (y - k * 0.693359375f) + k * 2.12194440e-4f;
            float p = 1.0f / 720;
            p = p * r + 1.0f / 120;
            p = p * r + 1.0f / 24;
            p = p * r + 1.0f / 6;
            p = p * r + 0.5f;
            p = p * r + 1.0f;
            p = p * r + 1.0f;
            int32_t bits;
            int32_t exponent;
            memcpy(&bits, &p, 4);
            memcpy(&exponent, &power, 4);
            bits += (int32_t) ((uint32_t) exponent << 23);
            float e;
            memcpy(&e, &bits, 4);
            e = low < -87.0f ? 0.0f : e;
            x[i + j] = e;
            lanes[j] += e;
        }
    }
}

} // namespace chq::kernels
