// The exponential function as softmax needs it, for files that are compiled for one instruction set each: everything in here stays inside of the file.
#pragma once

#include <cstdint>
#include <cstring>

namespace chq::kernels {

// x = exp(x - most) for n values, a multiple of 16, none above `most`; lane j gets the sum of every sixteenth from j on added. Relative error below 2e-7. A
// compiler vectorises it: what depends on a value is a mask of bits, as GCC makes branches of comparisons where the instruction set has no masks of its own.
static inline void exponentials(float * x, int64_t n, float most, float * lanes) {
    constexpr int32_t  LARGEST  = 0x42ae0000; // 87
    constexpr uint32_t LOWEST   = 0xc2ae0000; // -87
    constexpr int32_t  INFINITE = 0x7f800000;
    for (int64_t i = 0; i < n; i += 16) {
        for (int j = 0; j < 16; j++) {
            const float low = x[i + j] - most;
            uint32_t low_bits;
            memcpy(&low_bits, &low, 4);
            const int32_t  size   = (int32_t) (low_bits & INT32_MAX);
            const uint32_t fits   = (uint32_t) ((size - LARGEST - 1) >> 31 | (INFINITE - size) >> 31); // -87 and above, and what is no number
            const uint32_t y_bits = (low_bits & fits) | (LOWEST & ~fits);      // -87 for others, minus infinity as well
            float y;
            memcpy(&y, &y_bits, 4);
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
            uint32_t bits;
            uint32_t exponent;
            memcpy(&bits, &p, 4);
            memcpy(&exponent, &power, 4);
            bits = (bits + (exponent << 23)) & fits;
            float e;
            memcpy(&e, &bits, 4);
            x[i + j] = e;
            lanes[j] += e;
        }
    }
}

} // namespace chq::kernels
