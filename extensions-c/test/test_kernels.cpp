// The kernels alone: every instruction set of this CPU, every format, every small number of rows, odd shapes, against sums in double of
// what ggml itself reads from the same weights.
#include "runner.h"

#include "kernels/kernels.h"
#include "kernels/pack.h"

#include "ggml.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>

using namespace chq::kernels;

static const struct { format f; ggml_type type; } FORMATS[] = {
    { Q4_0, GGML_TYPE_Q4_0 }, { Q4_1, GGML_TYPE_Q4_1 }, { IQ4_NL, GGML_TYPE_IQ4_NL }, { Q5_0, GGML_TYPE_Q5_0 },
    { Q8_0, GGML_TYPE_Q8_0 }, { Q4_K, GGML_TYPE_Q4_K }, { Q5_K, GGML_TYPE_Q5_K },     { Q6_K, GGML_TYPE_Q6_K },
};

// Memory at an odd multiple of 64 bytes: exactly what the layouts promise.
struct aligned_bytes {
    explicit aligned_bytes(size_t size, int align = 64) : memory(new uint8_t[size + 192]) {
        data = (uint8_t *) (((size_t) memory.get() + 127) / 128 * 128) + align;
    }
    std::unique_ptr<uint8_t[]> memory;
    uint8_t * data;
};

struct matrix {
    format  f;
    int64_t rows;
    int64_t columns;
    std::vector<uint8_t> source;
    std::vector<float>   values;   // as ggml dequantizes them
    aligned_bytes        packed;

    matrix(format f, ggml_type type, int64_t rows, int64_t columns, std::mt19937 & random)
        : f(f), rows(rows), columns(columns), source(ggml_row_size(type, columns) * rows), values(rows * columns),
          packed(packed_bytes(f, rows, columns) + PREFETCH) {
        std::normal_distribution<float> normal(0, 0.05f);
        std::vector<float> x(rows * columns);
        for (float & v : x) {
            v = normal(random);
        }
        if (rows > 2) {
            std::fill_n(x.begin() + columns, columns, 0.0f);      // a row of zeros
            std::fill_n(x.begin() + 2 * columns, columns, 0.25f); // and one of equal values
        }
        ggml_quantize_chunk(type, x.data(), source.data(), 0, rows, columns, nullptr);
        ggml_get_type_traits(type)->to_float(source.data(), values.data(), rows * columns);
        for (int64_t strip = 0; strip < strips_of(rows); strip++) {
            pack_strip(f, source.data(), rows, columns, strip, packed.data + strip * strip_bytes(f, columns));
        }
    }
};

// Activations of very different sizes, some of them zero for whole blocks.
static std::vector<float> some_activations(int64_t n, std::mt19937 & random) {
    std::normal_distribution<float> normal(0, 1);
    std::vector<float> x(n);
    for (int64_t i = 0; i < n; i++) {
        x[i] = i / 256 % 5 == 3 ? 0 : normal(random) * std::pow(10.0f, (float) (i / 32 % 7) - 3);
    }
    return x;
}

// What the kernels see of a row: rounded to 8 bits with a scale per 32 or 256 columns.
static std::vector<double> rounded(const float * x, int64_t columns, int block) {
    std::vector<double> y(columns);
    for (int64_t b = 0; b < columns; b += block) {
        float largest = 0;
        for (int i = 0; i < block; i++) {
            largest = std::max(largest, std::fabs(x[b + i]));
        }
        const float d = largest / 127;
        const float inverse = largest > 0 ? 127 / largest : 0;
        for (int i = 0; i < block; i++) {
            y[b + i] = std::nearbyint(x[b + i] * inverse) * (double) d;
        }
    }
    return y;
}

static void compare(const kernel_set & set, const matrix & w, int n, int64_t strip0, int64_t strip1, std::mt19937 & random) {
    const std::vector<float> x = some_activations(n * w.columns, random);
    const size_t row = activation_row_bytes(w.f, set.wide, w.columns);
    aligned_bytes activations(row * n, 4); // 4 is what they are promised
    memset(activations.data, 0xa5, row * n);
    for (int j = 0; j < n; j++) {
        const int64_t part = j % (blocks_of(w.columns) + 1); // in two parts, in any order
        set.quantize(w.f, x.data() + j * w.columns, w.columns, part, blocks_of(w.columns), n, j, activations.data);
        set.quantize(w.f, x.data() + j * w.columns, w.columns, 0, part, n, j, activations.data);
    }
    constexpr float UNTOUCHED = 12345.5f;
    std::vector<float> out(n * (w.rows + 1), UNTOUCHED);
    std::vector<float *> outs;
    for (int j = 0; j < n; j++) {
        outs.push_back(out.data() + j * (w.rows + 1));
    }
    set.multiply[w.f](w.packed.data, w.rows, w.columns, strip0, strip1, activations.data, outs.data(), n);
    for (int j = 0; j < n; j++) {
        const std::vector<double> y = rounded(x.data() + j * w.columns, w.columns, is_k(w.f) ? 256 : 32);
        for (int64_t r = 0; r <= w.rows; r++) {
            if (r < strip0 * STRIP || r >= std::min(strip1 * STRIP, w.rows)) {
                if (outs[j][r] != UNTOUCHED) {
                    CHECK_EQ(outs[j][r], UNTOUCHED);
                    return;
                }
                continue;
            }
            double sum   = 0;
            double bound = 1e-30;
            for (int64_t c = 0; c < w.columns; c++) {
                sum   += w.values[r * w.columns + c] * y[c];
                bound += std::fabs(w.values[r * w.columns + c] * y[c]);
            }
            // codes and minima are added up apart, which costs digits where they cancel
            if (!(std::fabs(outs[j][r] - sum) <= 2e-5 * bound)) {
                std::ostringstream what;
                what << set.name << ", format " << w.f << ", " << w.rows << " x " << w.columns << ", row " << j << " of " << n << ": output " << r
                     << " is " << outs[j][r] << ", expected " << sum << " within " << 2e-5 * bound;
                check::report(__FILE__, __LINE__, what.str());
                return;
            }
        }
    }
}

TEST(every_set_format_and_number_of_rows_agrees_with_sums_in_double) {
    std::mt19937 random(1);
    int compared = 0;
    for (int s = 0; kernel_sets()[s]; s++) {
        fprintf(stderr, "       %s\n", kernel_sets()[s]->name);
        for (const auto & format : FORMATS) {
            const int64_t block = columns_multiple(format.f);
            for (const int64_t blocks : { 1, 3, 9 }) {
                for (const int64_t rows : { 1, 16, 17, 50 }) {
                    const matrix w(format.f, format.type, rows, blocks * block, random);
                    for (int n = 1; n <= 33; n++) {
                        compare(*kernel_sets()[s], w, n, 0, strips_of(rows), random);
                        compared++;
                    }
                }
            }
        }
    }
    CHECK(compared >= 8 * 3 * 4 * 33);
}

TEST(more_rows_than_one_pass_over_the_weights_serves) {
    std::mt19937 random(2);
    for (int s = 0; kernel_sets()[s]; s++) {
        for (const auto & format : FORMATS) {
            const matrix w(format.f, format.type, 40, 256, random);
            for (const int n : { 511, 512, 513, 700 }) {
                compare(*kernel_sets()[s], w, n, 0, strips_of(w.rows), random);
            }
        }
    }
}

TEST(a_part_of_the_strips_leaves_the_others_alone) {
    std::mt19937 random(3);
    for (int s = 0; kernel_sets()[s]; s++) {
        for (const auto & format : FORMATS) {
            const matrix w(format.f, format.type, 100, 256, random);
            for (int64_t strip0 = 0; strip0 < 4; strip0++) {
                for (int64_t strip1 = strip0; strip1 <= 4; strip1++) {
                    compare(*kernel_sets()[s], w, 1 + (int) (strip0 + strip1), strip0, strip1, random);
                }
            }
        }
    }
}

TEST(extreme_codes_do_not_overflow) {
    // every byte 0xff or 0x80 with the largest activations: the sums of 16 bits are at their limit
    std::mt19937 random(4);
    for (int s = 0; kernel_sets()[s]; s++) {
        for (const auto & format : FORMATS) {
            matrix w(format.f, format.type, 32, 512, random);
            for (const uint8_t byte : { 0xff, 0x80, 0x7f, 0x00 }) {
                const size_t size = w.source.size() / (32 * 512 / columns_multiple(format.f)); // of a block
                for (size_t at = 0; at < w.source.size(); at += size) {
                    memset(w.source.data() + at, byte, size);
                    const uint16_t one = 0x3c00;
                    if (format.f == Q6_K) {
                        memcpy(w.source.data() + at + size - 2, &one, 2);
                    } else {
                        memcpy(w.source.data() + at, &one, 2);
                        if (format.f == Q4_1 || format.f == Q4_K || format.f == Q5_K) {
                            memcpy(w.source.data() + at + 2, &one, 2);
                        }
                    }
                }
                ggml_get_type_traits(format.type)->to_float(w.source.data(), w.values.data(), w.rows * w.columns);
                for (int64_t strip = 0; strip < strips_of(w.rows); strip++) {
                    pack_strip(w.f, w.source.data(), w.rows, w.columns, strip, w.packed.data + strip * strip_bytes(w.f, w.columns));
                }
                const std::vector<float> x(512, byte == 0x80 ? -1.0f : 1.0f);
                aligned_bytes activations(activation_row_bytes(w.f, kernel_sets()[s]->wide, 512));
                kernel_sets()[s]->quantize(w.f, x.data(), 512, 0, blocks_of(512), 1, 0, activations.data);
                std::vector<float> out(32);
                float * outs = out.data();
                kernel_sets()[s]->multiply[w.f](w.packed.data, 32, 512, 0, 1, activations.data, &outs, 1);
                double sum   = 0;
                double bound = 0;
                for (int c = 0; c < 512; c++) {
                    sum   += w.values[c] * (double) x[c];
                    bound += std::fabs(w.values[c]);
                }
                CHECK(std::fabs(out[0] - sum) <= 2e-5 * bound);
                CHECK_EQ(out[31], out[0]);
            }
        }
    }
}

TEST(rows_do_not_depend_on_their_company) {
    // the sums of a row are the same numbers whatever else is in the batch: an answer does not change with its neighbours
    std::mt19937 random(5);
    for (int s = 0; kernel_sets()[s]; s++) {
        const kernel_set & set = *kernel_sets()[s];
        for (const auto & format : FORMATS) {
            const matrix w(format.f, format.type, 48, 768, random);
            const std::vector<float> x = some_activations(20 * 768, random);
            std::vector<float> alone(20 * 48);
            std::vector<float> together(20 * 48);
            const size_t row = activation_row_bytes(format.f, set.wide, 768);
            aligned_bytes activations(row * 20);
            std::vector<float *> outs;
            for (int j = 0; j < 20; j++) {
                float * out = alone.data() + j * 48;
                set.quantize(format.f, x.data() + j * 768, 768, 0, blocks_of(768), 1, 0, activations.data);
                set.multiply[format.f](w.packed.data, 48, 768, 0, 2, activations.data, &out, 1);
                outs.push_back(together.data() + j * 48);
            }
            for (int j = 0; j < 20; j++) {
                set.quantize(format.f, x.data() + j * 768, 768, 0, blocks_of(768), 20, j, activations.data);
            }
            set.multiply[format.f](w.packed.data, 48, 768, 0, 2, activations.data, outs.data(), 20);
            CHECK(memcmp(alone.data(), together.data(), alone.size() * sizeof(float)) == 0);
        }
    }
}

TEST(unpacking_gives_the_same_bytes) {
    std::mt19937 random(6);
    for (const auto & format : FORMATS) {
        for (const int64_t rows : { 1, 31, 32, 50 }) {
            const int64_t columns = 5 * columns_multiple(format.f);
            matrix w(format.f, format.type, rows, columns, random);
            for (int noise = 0; noise < 2; noise++) { // of the quantizer, then any bits at all
                std::vector<uint8_t> back(w.source.size(), 0x5a);
                for (int64_t strip = 0; strip < strips_of(rows); strip++) {
                    pack_strip(w.f, w.source.data(), rows, columns, strip, w.packed.data + strip * strip_bytes(w.f, columns));
                    unpack_strip(w.f, w.packed.data + strip * strip_bytes(w.f, columns), rows, columns, strip, back.data());
                }
                CHECK(back == w.source);
                for (uint8_t & byte : w.source) {
                    byte = (uint8_t) random();
                }
            }
        }
    }
}

// Files of packed weights outlive the program that wrote them: whoever changes the layout raises LAYOUT (format.h) and then these sums.
TEST(the_layout_is_what_its_number_says) {
    const uint64_t expected[FORMAT_COUNT] = {
        852399042005593511u,   17303128820368188292u, 14067540962977813623u, 10835604290504096373u,
        16827081880951384452u, 10829674233066050718u, 13807153264128880781u, 1708201924364300697u,
    };
    std::mt19937 random(8);
    for (const auto & format : FORMATS) {
        const int64_t rows    = 75;                               // the last strip has rows in its first tile only
        const int64_t columns = is_k(format.f) ? 768 : 512 + 96;  // the last block is a small one
        std::vector<uint8_t> source(ggml_row_size(format.type, columns) * rows);
        for (uint8_t & byte : source) {
            byte = (uint8_t) random();
        }
        aligned_bytes packed(packed_bytes(format.f, rows, columns));
        memset(packed.data, 0x5a, packed_bytes(format.f, rows, columns));
        for (int64_t strip = 0; strip < strips_of(rows); strip++) {
            pack_strip(format.f, source.data(), rows, columns, strip, packed.data + strip * strip_bytes(format.f, columns));
        }
        uint64_t sum = 0xcbf29ce484222325ull;
        for (size_t i = 0; i < packed_bytes(format.f, rows, columns); i++) {
            sum = (sum ^ packed.data[i]) * 0x100000001b3ull;
        }
        CHECK_EQ(sum, expected[format.f]);
    }
}

static uint16_t half(float x) { return ggml_fp32_to_fp16(x); }

// A job on keys side by side and values that begin value_step numbers apart.
static attention_job job_without_rows(int d, int dv, const std::vector<uint16_t> & keys, const std::vector<uint16_t> & values, int n_keys, int value_step, aligned_bytes & scratch) {
    attention_job job;
    job.rows         = 0;
    job.d            = d;
    job.dv           = dv;
    job.n_keys       = n_keys;
    job.scale        = 1 / std::sqrt((float) d);
    job.keys         = (const uint8_t *) keys.data();
    job.values       = (const uint8_t *) values.data();
    job.key_stride   = d * 2;
    job.value_stride = value_step * 2;
    job.scratch      = (float *) scratch.data;
    return job;
}

TEST(attention_agrees_with_sums_in_double) {
    std::mt19937 random(7);
    std::normal_distribution<float> normal(0, 1);
    aligned_bytes scratch(ATTENTION_SCRATCH * sizeof(float), 64);
    for (int s = 0; kernel_sets()[s]; s++) {
        for (const auto & [d, dv] : { std::pair<int, int> { 16, 16 }, { 64, 64 }, { 80, 48 }, { 128, 128 }, { 256, 192 } }) {
            for (const int n_keys : { 1, 5, 63, 64, 65, 200 }) {
                for (const int rows : { 1, 2, 3, 4, 7, 32 }) {
                    std::vector<uint16_t> keys(n_keys * d);
                    std::vector<uint16_t> values(n_keys * (dv + 16)); // rows lie apart
                    std::vector<float>    q(rows * d);
                    std::vector<uint16_t> mask(rows * n_keys);
                    std::vector<float>    out(rows * dv, -1);
                    for (auto & x : keys)   { x = half(normal(random)); }
                    for (auto & x : values) { x = half(normal(random)); }
                    for (auto & x : q)      { x = normal(random); }
                    attention_job job = job_without_rows(d, dv, keys, values, n_keys, dv + 16, scratch);
                    job.rows = rows;
                    for (int r = 0; r < rows; r++) {
                        for (int i = 0; i < n_keys; i++) {
                            // row 2 sees nothing, row 3 nothing before key 100, row 4 a key here and there, row 5 about as many as are still taken one by one; some keys are
                            // only made less likely
                            const bool hidden = r == 2 || (r == 3 && i < 100) || (r == 4 && i % 40 != 3) || (r == 5 && random() % 8 != 0) || random() % 4 == 0;
                            mask[r * n_keys + i] = hidden ? 0xfc00 : half(random() % 5 == 0 ? -2.0f : 0.0f);
                        }
                        job.q[r]    = q.data() + r * d;
                        job.mask[r] = mask.data() + r * n_keys;
                        job.outs[r] = out.data() + r * dv;
                    }
                    kernel_sets()[s]->attend(job);
                    const std::vector<float> together = out;
                    for (int r = 0; r < rows; r++) {
                        attention_job alone = job;
                        alone.rows    = 1;
                        alone.q[0]    = job.q[r];
                        alone.mask[0] = job.mask[r];
                        alone.outs[0] = job.outs[r];
                        kernel_sets()[s]->attend(alone);
                    }
                    CHECK(out == together);
                    for (int r = 0; r < rows; r++) {
                        std::vector<double> weight(n_keys);
                        double most = -INFINITY;
                        for (int i = 0; i < n_keys; i++) {
                            double dot = 0;
                            for (int c = 0; c < d; c++) {
                                dot += (double) q[r * d + c] * ggml_fp16_to_fp32(keys[i * d + c]);
                            }
                            weight[i] = dot * job.scale + ggml_fp16_to_fp32(mask[r * n_keys + i]);
                            most = std::max(most, weight[i]);
                        }
                        double total = 0;
                        for (double & w : weight) {
                            w = std::isinf(most) ? 0 : std::exp(w - most);
                            total += w;
                        }
                        for (int c = 0; c < dv; c++) {
                            double expected = 0;
                            for (int i = 0; i < n_keys; i++) {
                                expected += total > 0 ? weight[i] / total * ggml_fp16_to_fp32(values[i * (dv + 16) + c]) : 0;
                            }
                            if (!(std::fabs(out[r * dv + c] - expected) < 1e-5)) {
                                std::ostringstream what;
                                what << kernel_sets()[s]->name << ", widths " << d << " and " << dv << ", " << n_keys << " keys, row " << r << " of " << rows
                                     << ": " << c << " is " << out[r * dv + c] << ", expected " << expected;
                                check::report(__FILE__, __LINE__, what.str());
                                return;
                            }
                        }
                    }
                }
            }
        }
    }
}

// Tiles that are chosen are attended to as a mask would have it that hides the others, and what gauge says of a tile is what its keys come to in the softmax.
TEST(attention_to_chosen_tiles) {
    std::mt19937 random(17);
    std::normal_distribution<float> normal(0, 1);
    const auto half = [](float f) { return ggml_fp32_to_fp16(f); };
    aligned_bytes scratch(ATTENTION_SCRATCH * sizeof(float), 64);
    for (int s = 0; kernel_sets()[s]; s++) {
        for (int round = 0; round < 40; round++) {
            const int d = 16 << random() % 3, dv = d, rows = 1 + (int) (random() % ATTENTION_ROWS), n_keys = rows + 1 + (int) (random() % 900);
            const size_t tiles = (size_t) (n_keys + ATTENTION_KEYS - 1) / ATTENTION_KEYS;
            std::vector<uint16_t> keys(n_keys * d), values(n_keys * (dv + 16)), mask(rows * n_keys, 0xfc00);
            for (auto & x : keys)   { x = half(normal(random)); }
            for (auto & x : values) { x = half(normal(random)); }
            std::vector<float> q(rows * d), out(rows * dv);
            for (auto & x : q) { x = normal(random); }
            attention_job job = job_without_rows(d, dv, keys, values, n_keys, dv + 16, scratch);
            job.rows = rows;
            for (int r = 0; r < rows; r++) {
                std::fill_n(mask.data() + r * n_keys, n_keys - rows + r + 1, (uint16_t) 0);
                job.q[r]    = q.data() + r * d;
                job.mask[r] = mask.data() + r * n_keys;
                job.outs[r] = out.data() + r * dv;
            }
            kernel_sets()[s]->attend(job);
            const std::vector<float> dense = out;
            std::vector<uint8_t> chosen(tiles, 1);
            job.chosen = chosen.data();
            kernel_sets()[s]->attend(job);
            CHECK(out == dense);
            for (size_t t = 0; t + 1 < tiles; t++) {
                chosen[t] = random() % 3 == 0;
            }
            kernel_sets()[s]->attend(job);
            std::vector<float> logs(rows * (tiles + 3), -1);
            kernel_sets()[s]->gauge(job, logs.data(), tiles + 3);
            for (int r = 0; r < rows; r++) {
                std::vector<double> come_to(tiles), expected(dv);
                double total = 0;
                for (int i = 0; i < n_keys - rows + r + 1; i++) {
                    double dot = 0;
                    for (int c = 0; c < d; c++) {
                        dot += (double) q[r * d + c] * ggml_fp16_to_fp32(keys[i * d + c]);
                    }
                    const double weight = std::exp(dot * job.scale);
                    come_to[i / ATTENTION_KEYS] += weight;
                    if (chosen[i / ATTENTION_KEYS]) {
                        total += weight;
                        for (int c = 0; c < dv; c++) {
                            expected[c] += weight * ggml_fp16_to_fp32(values[i * (dv + 16) + c]);
                        }
                    }
                }
                for (int c = 0; c < dv; c++) {
                    CHECK(std::fabs(out[r * dv + c] - (total > 0 ? expected[c] / total : 0)) < 1e-5);
                }
                for (size_t t = 0; t < tiles; t++) {
                    const double log = logs[r * (tiles + 3) + t];
                    CHECK(come_to[t] > 0 ? std::fabs(log - std::log(come_to[t])) < 1e-5 * std::max(1.0, std::fabs(log)) : std::isinf(log) && log < 0);
                }
                CHECK_EQ(logs[r * (tiles + 3) + tiles], -1.0f);
            }
        }
    }
}

// Wherever the keys of a row lie, beside whatever others: its result is, bit for bit, the one of keys that lie side by side.
TEST(attention_does_not_depend_on_where_the_keys_lie) {
    std::mt19937 random(11);
    std::normal_distribution<float> normal(0, 1);
    aligned_bytes scratch(ATTENTION_SCRATCH * sizeof(float), 64);
    for (int s = 0; kernel_sets()[s]; s++) {
        for (int round = 0; round < 300; round++) {
            const int d = 16 << random() % 4, dv = d, n_keys = 1 + (int) (random() % 900), shared = 1 + (int) (random() % 3), tokens = 1 + (int) (random() % 8);
            std::vector<uint16_t> keys(n_keys * d), values(n_keys * dv);
            for (auto & x : keys)   { x = half(normal(random)); }
            for (auto & x : values) { x = half(normal(random)); }
            std::vector<float> q(tokens * shared * d), out(tokens * shared * dv), expected(shared * dv);
            for (auto & x : q) { x = normal(random); }
            std::vector<std::vector<uint16_t>> masks(tokens, std::vector<uint16_t>(n_keys, 0xfc00));
            attention_job job = job_without_rows(d, dv, keys, values, n_keys, dv, scratch);
            job.rows = tokens * shared;
            for (int token = 0; token < tokens; token++) {
                // as in a tree: all of a beginning, then some; or from somewhere on, each with a probability
                const int first = random() % 3 ? 0 : (int) (random() % n_keys), whole = first + (int) (random() % n_keys), rare = 1 + (int) (random() % 12);
                for (int i = first; i < n_keys; i++) {
                    if (i < whole || random() % rare == 0) {
                        masks[token][i] = half(random() % 9 == 0 ? -1.0f : 0.0f);
                    }
                }
                if (token > 0 && random() % 2) { // the next one of a prompt: what the last one saw, and a little more
                    masks[token] = masks[token - 1];
                    int last = n_keys;
                    while (last > 0 && masks[token][last - 1] == 0xfc00) {
                        last--;
                    }
                    for (int more = (int) (random() % 40), i = last; i < n_keys && more > 0; i++) {
                        if (random() % rare == 0) {
                            masks[token][i] = half(0);
                            more--;
                        }
                    }
                }
                for (int h = 0; h < shared; h++) {
                    const int r = token * shared + h;
                    job.q[r]    = q.data() + r * d;
                    job.mask[r] = masks[token].data();
                    job.outs[r] = out.data() + r * dv;
                }
            }
            kernel_sets()[s]->attend(job);
            // part by part, as threads share them
            const size_t  floats  = attention_part_floats(dv);
            const int64_t n_parts = attention_parts(n_keys);
            std::vector<float> parts(floats * job.rows * n_parts), shares(out.size());
            attention_job part = job;
            part.part_stride = floats * job.rows;
            for (int r = 0; r < job.rows; r++) {
                part.outs[r] = parts.data() + floats * r;
            }
            for (part.part0 = n_parts - 1; part.part0 >= 0; part.part0--) {
                part.part1 = part.part0 + 1;
                kernel_sets()[s]->attend(part);
            }
            for (int r = 0; r < job.rows; r++) {
                kernel_sets()[s]->attend_parts(parts.data() + floats * r, part.part_stride, n_parts, dv, shares.data() + r * dv);
            }
            CHECK(shares == out);
            for (int token = 0; token < tokens; token++) {
                std::vector<uint16_t> near_keys(keys.size()), near_values(values.size()), mask(n_keys, 0xfc00);
                int first = 0;
                while (first < n_keys && masks[token][first] == 0xfc00) {
                    first++;
                }
                int to = first % ATTENTION_KEYS; // whichever tile it is in
                for (int i = first; i < n_keys; i++) {
                    if (masks[token][i] != 0xfc00) {
                        std::copy_n(keys.data() + i * d, d, near_keys.data() + to * d);
                        std::copy_n(values.data() + i * dv, dv, near_values.data() + to * dv);
                        mask[to++] = masks[token][i];
                    }
                }
                attention_job near = job;
                near.rows   = shared;
                near.keys   = (const uint8_t *) near_keys.data();
                near.values = (const uint8_t *) near_values.data();
                for (int h = 0; h < shared; h++) {
                    near.q[h]    = job.q[token * shared + h];
                    near.mask[h] = mask.data();
                    near.outs[h] = expected.data() + h * dv;
                }
                kernel_sets()[s]->attend(near);
                CHECK(std::equal(expected.begin(), expected.end(), out.begin() + token * shared * dv));
            }
        }
    }
}

MAIN
