// The kernels alone, on one core: what they reach of the core's peak and of the memory's speed.
//
//   bench_kernels [ISA [COLUMNS [ROWS]]]      ISA: a name as `chasqui info` prints it, default the best
//
// Peak: a loop of nothing but independent int8 dot products in registers, timed in the same process.
#include "timing.h"

#include "kernels/kernels.h"
#include "kernels/pack.h"

#include "ggml.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#if defined(__x86_64__)
#    include <immintrin.h>
#endif

using namespace chq::kernels;

#if defined(__x86_64__)
// Multiplications per second of a register-only loop.
__attribute__((target("avx512f,avx512vnni"))) static double peak_avx512() {
    const __m512i a = _mm512_set1_epi8(3);
    const __m512i b = _mm512_set1_epi8(5);
    constexpr long LOOPS = 20000000;
    const double start = now();
    for (long n = 0; n < LOOPS; n++) {
        __asm__ volatile(
            "vpdpbusd %1, %0, %%zmm4 \n vpdpbusd %1, %0, %%zmm5 \n vpdpbusd %1, %0, %%zmm6 \n vpdpbusd %1, %0, %%zmm7 \n"
            "vpdpbusd %1, %0, %%zmm8 \n vpdpbusd %1, %0, %%zmm9 \n vpdpbusd %1, %0, %%zmm10\n vpdpbusd %1, %0, %%zmm11\n"
            "vpdpbusd %1, %0, %%zmm12\n vpdpbusd %1, %0, %%zmm13\n vpdpbusd %1, %0, %%zmm14\n vpdpbusd %1, %0, %%zmm15\n"
            : : "v"(a), "v"(b) : "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    }
    const double seconds = now() - start;
    return 12.0 * 64 * LOOPS / seconds;
}

// The same without VNNI: products of bytes added up in 16 bits.
__attribute__((target("avx2"))) static double peak_avx2() {
    const __m256i a = _mm256_set1_epi8(3);
    const __m256i b = _mm256_set1_epi8(5);
    constexpr long LOOPS = 20000000;
    const double start = now();
    for (long n = 0; n < LOOPS; n++) {
        __asm__ volatile(
            "vpmaddubsw %1, %0, %%ymm4 \n vpaddw %%ymm4, %%ymm8,  %%ymm8  \n vpmaddubsw %1, %0, %%ymm5 \n vpaddw %%ymm5, %%ymm9,  %%ymm9  \n"
            "vpmaddubsw %1, %0, %%ymm6 \n vpaddw %%ymm6, %%ymm10, %%ymm10 \n vpmaddubsw %1, %0, %%ymm7 \n vpaddw %%ymm7, %%ymm11, %%ymm11 \n"
            "vpmaddubsw %1, %0, %%ymm4 \n vpaddw %%ymm4, %%ymm12, %%ymm12 \n vpmaddubsw %1, %0, %%ymm5 \n vpaddw %%ymm5, %%ymm13, %%ymm13 \n"
            "vpmaddubsw %1, %0, %%ymm6 \n vpaddw %%ymm6, %%ymm14, %%ymm14 \n vpmaddubsw %1, %0, %%ymm7 \n vpaddw %%ymm7, %%ymm15, %%ymm15 \n"
            : : "x"(a), "x"(b) : "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
    }
    const double seconds = now() - start;
    return 8.0 * 32 * LOOPS / seconds;
}
#endif

int main(int argc, char ** argv) {
    const kernel_set * set = kernel_sets()[0];
    for (int i = 0; argc > 1 && kernel_sets()[i]; i++) {
        if (strcmp(argv[1], kernel_sets()[i]->name) == 0) {
            set = kernel_sets()[i];
        }
    }
    const int64_t columns = argc > 2 ? atoll(argv[2]) : 1536;
    const int64_t rows    = argc > 3 ? atoll(argv[3]) : 8960;
    double peak = 0;
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512vnni")) {
        peak = peak_avx512();
        printf("peak of this core with 512 bits: %.0f GMAC/s\n", peak / 1e9);
    } else if (__builtin_cpu_supports("avx2")) {
        peak = peak_avx2();
        printf("peak of this core with AVX2: %.0f GMAC/s\n", peak / 1e9);
    }
#endif
    printf("%s, one thread, %lld x %lld\n%-8s", set->name, (long long) rows, (long long) columns, "rows");
    const int counts[] = { 1, 2, 3, 4, 6, 8, 12, 16, 32, 64, 512 };
    for (int n : counts) {
        printf(" %7d", n);
    }
    printf("\n");
    const struct { const char * name; format f; ggml_type type; } formats[] = {
        { "Q4_0", Q4_0, GGML_TYPE_Q4_0 }, { "Q4_1", Q4_1, GGML_TYPE_Q4_1 }, { "IQ4_NL", IQ4_NL, GGML_TYPE_IQ4_NL }, { "Q5_0", Q5_0, GGML_TYPE_Q5_0 },
        { "Q8_0", Q8_0, GGML_TYPE_Q8_0 }, { "Q4_K", Q4_K, GGML_TYPE_Q4_K }, { "Q5_K", Q5_K, GGML_TYPE_Q5_K }, { "Q6_K", Q6_K, GGML_TYPE_Q6_K },
    };
    std::mt19937 random(1);
    std::normal_distribution<float> normal(0, 0.05f);
    std::vector<float> x((size_t) columns * 512);
    for (float & v : x) {
        v = normal(random);
    }
    for (const auto & format : formats) {
        if (columns % columns_multiple(format.f) != 0) {
            continue;
        }
        // copies beyond the caches, so that one row is a matter of memory
        const size_t bytes  = packed_bytes(format.f, rows, columns);
        const int    copies = (int) std::max<size_t>(1, (128u << 20) / bytes);
        std::vector<uint8_t> source(ggml_row_size(format.type, columns) * rows);
        ggml_quantize_chunk(format.type, x.data(), source.data(), 0, std::min<int64_t>(rows, 512), columns, nullptr);
        for (size_t at = ggml_row_size(format.type, columns) * 512; at < source.size(); at += ggml_row_size(format.type, columns)) {
            memcpy(source.data() + at, source.data(), ggml_row_size(format.type, columns));
        }
        auto * packed = (uint8_t *) aligned_alloc(2 << 20, (bytes * copies + PREFETCH + (2 << 20)) / (2 << 20) * (2 << 20));
        for (int64_t strip = 0; strip < strips_of(rows); strip++) {
            pack_strip(format.f, source.data(), rows, columns, strip, packed + strip * strip_bytes(format.f, columns));
        }
        for (int i = 1; i < copies; i++) {
            memcpy(packed + i * bytes, packed, bytes);
        }
        std::vector<double> speed;
        printf("%-8s", format.name);
        for (int n : counts) {
            std::vector<uint8_t> activations(activation_row_bytes(format.f, set->wide, columns) * n);
            std::vector<float> out((size_t) n * rows);
            std::vector<float *> outs;
            for (int j = 0; j < n; j++) {
                outs.push_back(out.data() + (size_t) j * rows);
            }
            double best = 1e9;
            for (int repetition = 0; repetition < 5; repetition++) {
                const int times = n > 64 ? 1 : copies;
                const double start = now();
                for (int i = 0; i < times; i++) {
                    for (int j = 0; j < n; j++) {
                        set->quantize(format.f, x.data() + j * columns, columns, 0, blocks_of(columns), n, j, activations.data());
                    }
                    set->multiply[format.f](packed + i * bytes, rows, columns, 0, strips_of(rows), activations.data(), outs.data(), n);
                }
                best = std::min(best, (now() - start) / times);
            }
            speed.push_back((double) rows * columns * n / best);
            printf(" %7.0f", speed.back() / 1e9);
            fflush(stdout);
            if (n == 1) {
                speed.push_back(bytes / best);
            }
        }
        printf("  GMAC/s; %.1f GB/s for one row; %.0f%% of peak for 512\n", speed[1] / 1e9, peak > 0 ? 100 * speed.back() / peak : 0);
        free(packed);
    }
}
