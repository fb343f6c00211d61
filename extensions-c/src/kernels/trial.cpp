#include "trial.h"

#include "backend.h"
#include "offer.h"
#include "product.h"

#include "ggml-alloc.h"
#include "ggml-backend.h"
#include "ggml-cpp.h"
#include "ggml-impl.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <mutex>
#include <vector>

namespace chq::kernels {

constexpr int64_t COLUMNS     = 1024;
constexpr int64_t ROWS        = 128;
constexpr int     BATCHES[]   = { 1, 8, 64 };
constexpr int     REPETITIONS = 4;
// What counts as winning. A draw must not be decided by the clock: results differ in rounding, and the next process should give the same.
constexpr double  GAIN        = 1.2;

static ggml_type type_of(format f) {
    for (int t = 0; t < GGML_TYPE_COUNT; t++) {
        if (format_of((ggml_type) t) == f) {
            return (ggml_type) t;
        }
    }
    return GGML_TYPE_COUNT;
}

// The buffer type that llama.cpp would choose for such a weight without us.
static ggml_backend_buffer_type_t stock_type(ggml_backend_dev_t cpu, ggml_tensor * product) {
    auto extra = (ggml_backend_dev_get_extra_bufts_t) ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(cpu), "ggml_backend_dev_get_extra_bufts");
    for (ggml_backend_buffer_type_t * type = extra ? extra(cpu) : nullptr; type && *type; type++) {
        if (*type == packed_buffer_type()) {
            continue;
        }
        const ggml_backend_buffer_ptr probe(ggml_backend_buft_alloc_buffer(*type, 0));
        product->src[0]->buffer = probe.get();
        const bool takes = probe && ggml_backend_dev_supports_op(cpu, product);
        product->src[0]->buffer = nullptr;
        if (takes) {
            return *type;
        }
    }
    return ggml_backend_dev_buffer_type(cpu);
}

// Seconds of the fastest of some computations. A negative number if it fails.
static double fastest_run(ggml_backend_t backend, ggml_cgraph * graph, int repetitions) {
    double best = -1;
    for (int i = 0; i <= repetitions; i++) {
        const auto start = std::chrono::steady_clock::now();
        if (ggml_backend_graph_compute(backend, graph) != GGML_STATUS_SUCCESS) {
            return -1;
        }
        const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
        if (i > 0) { // the first one warms up
            best = best < 0 ? seconds : std::min(best, seconds);
        }
    }
    return best;
}

// Seconds of the fastest of some products with n rows on one thread. A negative number if it cannot be measured.
static double fastest(ggml_backend_t backend, ggml_backend_dev_t cpu, bool packed, ggml_type type, const std::vector<uint8_t> & weights, int n) {
    const ggml_init_params params = { ggml_tensor_overhead() * 8 + ggml_graph_overhead(), nullptr, true };
    const ggml_context_ptr weight_context(ggml_init(params));
    const ggml_context_ptr context(ggml_init(params));
    if (!weight_context || !context) {
        return -1;
    }
    ggml_tensor * w = ggml_new_tensor_2d(weight_context.get(), type, COLUMNS, ROWS);
    ggml_tensor * x = ggml_new_tensor_2d(context.get(), GGML_TYPE_F32, COLUMNS, n);
    ggml_tensor * y = ggml_mul_mat(context.get(), w, x);
    ggml_cgraph * graph = ggml_new_graph(context.get());
    ggml_build_forward_expand(graph, y);

    const ggml_backend_buffer_ptr own(ggml_backend_alloc_ctx_tensors_from_buft(weight_context.get(), packed ? packed_buffer_type() : stock_type(cpu, y)));
    const ggml_backend_buffer_ptr rest(ggml_backend_alloc_ctx_tensors_from_buft(context.get(), ggml_backend_dev_buffer_type(cpu)));
    if (!own || !rest) {
        return -1;
    }
    ggml_backend_buffer_set_usage(own.get(), GGML_BACKEND_BUFFER_USAGE_WEIGHTS);
    ggml_backend_tensor_set(w, weights.data(), 0, weights.size());
    std::vector<float> values((size_t) COLUMNS * n);
    for (size_t i = 0; i < values.size(); i++) {
        values[i] = (float) (i * 2654435761u % 2001) / 1000 - 1;
    }
    ggml_backend_tensor_set(x, values.data(), 0, values.size() * sizeof(float));

    return fastest_run(backend, graph, REPETITIONS);
}

static ggml_backend_ptr single_thread(ggml_backend_dev_t device) {
    ggml_backend_ptr backend(ggml_backend_dev_init(device, nullptr));
    auto set_threads = (ggml_backend_set_n_threads_t) ggml_backend_reg_get_proc_address(ggml_backend_dev_backend_reg(device), "ggml_backend_set_n_threads");
    if (backend && set_threads) {
        set_threads(backend.get(), 1);
    }
    return backend;
}

static bool measure(format f) {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    if (!device) {
        return false;
    }
    const ggml_backend_ptr cpu  = single_thread(device);
    const ggml_backend_ptr ours = has_seat() ? nullptr : single_thread(weights_device());
    const ggml_type type = type_of(f);
    const auto from_float = ggml_get_type_traits(type)->from_float_ref;
    if (!cpu || (!has_seat() && !ours) || !from_float) {
        return false;
    }
    // one row of weights, again and again: values do not matter to the time
    std::vector<float> values(COLUMNS);
    for (int64_t i = 0; i < COLUMNS; i++) {
        values[i] = (float) (i * 7919 % 2003) / 1001 - 1;
    }
    const size_t row = ggml_row_size(type, COLUMNS);
    std::vector<uint8_t> weights(row * ROWS);
    from_float(values.data(), weights.data(), COLUMNS);
    for (int64_t r = 1; r < ROWS; r++) {
        std::copy_n(weights.data(), row, weights.data() + r * row);
    }
    bool wins = true;
    double ratios[3] = {};
    for (int i = 0; i < 3; i++) {
        const double stock = fastest(cpu.get(), device, false, type, weights, BATCHES[i]);
        const double own   = fastest(has_seat() ? cpu.get() : ours.get(), device, true, type, weights, BATCHES[i]);
        ratios[i] = own > 0 ? stock / own : 0;
        wins = wins && stock > 0 && own > 0 && own * GAIN <= stock;
    }
    GGML_LOG_INFO("chasqui-kernels: %s with %s: %.2f, %.2f and %.2f times the speed of ggml's own for 1, 8 and 64 rows%s\n",
        ggml_type_name(type), best_kernels().name, ratios[0], ratios[1], ratios[2], wins ? "" : ", not used");
    return wins;
}

bool wins_trial(format f) {
    static std::once_flag once[FORMAT_COUNT];
    static bool           wins[FORMAT_COUNT];
    std::call_once(once[f], [f] {
        wins[f] = measure(f);
    });
    return wins[f];
}

// ---- attention

static thread_local int measuring = ATTENTION_DEFAULT;

int attention_in_trial() { return measuring; }

// Ours may take that much more: its sums do not depend on the rows beside a row, so that guessed answers are the plain ones to the last bit, and a
// measurement that is nearly a draw must not make them so in one run and not in the next.
constexpr double WORTH = 1.1;

static bool measure_attention(int queries) {
    ggml_backend_dev_t device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    const ggml_backend_ptr cpu = device ? single_thread(device) : nullptr;
    const ggml_init_params params = { ggml_tensor_overhead() * 8 + ggml_graph_overhead(), nullptr, true };
    const ggml_context_ptr context(ggml_init(params));
    if (!cpu || !context) {
        return false;
    }
    // As a cache has them, a token's heads side by side, and more than the second-level cache holds: that is where long texts are.
    constexpr int64_t WIDTH = 64;
    constexpr int64_t KEYS  = 1024;
    const     int64_t heads = queries < 32 ? 4 : 2; // none of them for several heads of queries, which would favour us
    ggml_context * c = context.get();
    const auto cached = [&] { return ggml_permute(c, ggml_new_tensor_3d(c, GGML_TYPE_F16, WIDTH, heads, KEYS), 0, 2, 1, 3); };
    ggml_tensor * q    = ggml_new_tensor_3d(c, GGML_TYPE_F32, WIDTH, queries, heads);
    ggml_tensor * k    = cached();
    ggml_tensor * v    = cached();
    ggml_tensor * mask = ggml_new_tensor_2d(c, GGML_TYPE_F16, KEYS, queries);
    ggml_cgraph * graph = ggml_new_graph(c);
    ggml_build_forward_expand(graph, ggml_flash_attn_ext(c, q, k, v, mask, 0.125f, 0, 0));
    const ggml_backend_buffer_ptr memory(ggml_backend_alloc_ctx_tensors_from_buft(c, ggml_backend_dev_buffer_type(device)));
    if (!memory) {
        return false;
    }
    ggml_backend_buffer_clear(memory.get(), 0);
    double stock = INFINITY;
    double own   = INFINITY;
    for (int turn = 0; turn < 2; turn++) { // so that what disturbs one does not decide
        measuring = ATTENTION_OFF;
        stock = std::min(stock, fastest_run(cpu.get(), graph, REPETITIONS / 2));
        measuring = ATTENTION_ON;
        own = std::min(own, fastest_run(cpu.get(), graph, REPETITIONS / 2));
    }
    measuring = ATTENTION_DEFAULT;
    const bool wins = stock > 0 && own > 0 && own <= stock * WORTH;
    GGML_LOG_INFO("chasqui-kernels: attention with %s: %.2f times the speed of ggml's own for %d queries%s\n", best_kernels().name,
        own > 0 ? stock / own : 0, queries, wins ? "" : ", not used");
    return wins;
}

bool attention_wins_trial(int64_t queries) {
    // one and a few, as in trees of drafts, which are to give the same bits; many, as in prompts
    static const bool wins[] = { measure_attention(1) && measure_attention(8), measure_attention(64) };
    return wins[queries < 32 ? 0 : 1];
}

} // namespace chq::kernels
