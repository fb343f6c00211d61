// What a prompt looks at in a layer, against computations by the book, and the tokens that are kept of it.
#include "check.h"
#include "tiny_gguf.h"
#include "tiny_weights.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <thread>

namespace {

constexpr int32_t BEFORE[] = { 1, 20, 21, 22 };
constexpr int32_t AFTER[]  = { 30, 31, 32, 33, 34 };

// Rotated queries or keys of layer 0 for one input row, by the book: norm, matrix, rotation of neighbours.
std::vector<double> projected(const weights & w, const char * matrix, const float * x, int32_t n_out, int32_t position) {
    constexpr int32_t N = 64;
    constexpr int32_t D = 16;
    double sum = 0;
    for (int32_t i = 0; i < N; ++i) {
        sum += x[i] * x[i];
    }
    const double inverse = 1 / std::sqrt(sum / N + 1e-5);
    std::vector<double> out((size_t) n_out);
    for (int32_t o = 0; o < n_out; ++o) {
        for (int32_t i = 0; i < N; ++i) {
            out[o] += w[matrix][o * N + i] * x[i] * inverse * w["blk.0.attn_norm.weight"][i];
        }
    }
    for (int32_t o = 0; o < n_out; o += 2) {
        const double angle = position * std::pow(10000.0, -(double) (o % D) / D);
        const double a = out[o];
        const double b = out[o + 1];
        out[o]     = a * std::cos(angle) - b * std::sin(angle);
        out[o + 1] = a * std::sin(angle) + b * std::cos(angle);
    }
    return out;
}

} // namespace

TEST(what_a_question_looks_at) {
    const std::string path = temporary_path("probe.gguf");
    write_tiny_gguf(path);
    chq_model * model = nullptr;
    CHECK_OK(chq_runtime_init(nullptr));
    CHECK_OK(chq_model_load(path.c_str(), nullptr, CHQ_KERNELS_OFF, &model));
    const weights w(path);
    constexpr int32_t N_ROWS = 700; // more than a micro batch
    std::mt19937 random(4);
    std::normal_distribution<float> normal;
    std::vector<float> rows((size_t) N_ROWS * 64);
    for (float & x : rows) {
        x = normal(random);
    }
    std::vector<float> inputs; // of the whole prompt
    for (int32_t token : BEFORE) {
        inputs.insert(inputs.end(), w["token_embd.weight"] + token * 64, w["token_embd.weight"] + token * 64 + 64);
    }
    inputs.insert(inputs.end(), rows.begin(), rows.end());
    for (int32_t token : AFTER) {
        inputs.insert(inputs.end(), w["token_embd.weight"] + token * 64, w["token_embd.weight"] + token * 64 + 64);
    }
    std::vector<double> expected((size_t) N_ROWS);
    std::vector<std::vector<double>> keys;
    for (int32_t i = 0; i < 4 + N_ROWS + 5; ++i) {
        keys.push_back(projected(w, "blk.0.attn_k.weight", inputs.data() + i * 64, 32, i));
    }
    for (int32_t i = 4 + N_ROWS; i < 4 + N_ROWS + 5; ++i) {
        const std::vector<double> q = projected(w, "blk.0.attn_q.weight", inputs.data() + i * 64, 64, i);
        for (int32_t head = 0; head < 4; ++head) {
            std::vector<double> p((size_t) i + 1);
            double total = 0;
            for (int32_t j = 0; j <= i; ++j) {
                double dot = 0;
                for (int32_t c = 0; c < 16; ++c) {
                    dot += q[head * 16 + c] * keys[j][head / 2 * 16 + c];
                }
                total += p[j] = std::exp(dot / 4);
            }
            for (int32_t r = 0; r < N_ROWS; ++r) {
                expected[r] += p[4 + r] / total / 20;
            }
        }
    }

    chq_attention_probe * probe = nullptr;
    CHECK_OK(chq_attention_probe_create(model, 0, 1024, 1, &probe));
    std::vector<float> scores((size_t) N_ROWS);
    int32_t n = 0;
    for (int round = 0; round < 2; ++round) { // also after a reset
        CHECK_OK(chq_attention_probe_reset(probe));
        CHECK_OK(chq_attention_probe_tokens(probe, BEFORE, 4, false));
        CHECK_OK(chq_attention_probe_rows(probe, rows.data(), nullptr, N_ROWS, N_ROWS, true));
        CHECK_STATUS(chq_attention_probe_scores(probe, scores.data(), N_ROWS, &n), CHQ_STATUS_STATE);
        CHECK_OK(chq_attention_probe_tokens(probe, AFTER, 5, true));
        CHECK_STATUS(chq_attention_probe_scores(probe, scores.data(), 3, &n), CHQ_STATUS_BUFFER);
        CHECK_OK(chq_attention_probe_scores(probe, scores.data(), N_ROWS, &n));
        CHECK_EQ(n, N_ROWS);
        double worst = 0;
        for (int32_t r = 0; r < N_ROWS; ++r) {
            worst = std::max(worst, std::fabs(scores[r] - expected[r]) / expected[r]);
        }
        CHECK(worst < 1e-3);
    }
    CHECK_STATUS(chq_model_free(model), CHQ_STATUS_STATE);
    CHECK_OK(chq_attention_probe_free(probe));

    // the last layer too: no row gets a negative share, nor all of them more than there is
    CHECK_OK(chq_attention_probe_create(model, 1, 1024, 1, &probe));
    CHECK_OK(chq_attention_probe_rows(probe, rows.data(), nullptr, N_ROWS, N_ROWS, true));
    CHECK_OK(chq_attention_probe_tokens(probe, AFTER, 5, true));
    CHECK_OK(chq_attention_probe_scores(probe, scores.data(), N_ROWS, &n));
    double sum = 0;
    for (float s : scores) {
        CHECK(s >= 0);
        sum += s;
    }
    CHECK(sum > 0.5 && sum < 1);
    CHECK_OK(chq_attention_probe_free(probe));
    CHECK_STATUS(chq_attention_probe_create(model, 2, 1024, 1, &probe), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_attention_probe_create(model, 0, 0, 1, &probe), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_model_free(model));
}

namespace {

// Queries and keys of layer 1, taken out of one pass through the whole model.
struct capture {
    std::vector<float> q; // [n, 2, 32]
    std::vector<float> k; // [n, 32]

    static bool on_node(ggml_tensor * tensor, bool ask, void * user) {
        const bool query = tensor->op == GGML_OP_ROPE && strcmp(tensor->name, "Qcur-1") == 0;
        const bool key   = tensor->op == GGML_OP_ROPE && strcmp(tensor->name, "Kcur-1") == 0;
        if (!ask && (query || key)) {
            std::vector<float> & to = query ? ((capture *) user)->q : ((capture *) user)->k;
            to.resize((size_t) ggml_nelements(tensor));
            ggml_backend_tensor_get(tensor, to.data(), 0, ggml_nbytes(tensor));
        }
        return !ask || query || key;
    }

    capture(const chq_model * model, const std::vector<int32_t> & tokens, llama_flash_attn_type flash, ggml_type type) {
        const uint32_t n = (uint32_t) tokens.size();
        llama_context_params params = llama_context_default_params();
        params.n_ctx             = n;
        params.n_batch           = n;
        params.n_ubatch          = n;
        params.n_threads         = 1;
        params.n_threads_batch   = 1;
        params.flash_attn_type   = flash;
        params.type_k            = type;
        params.type_v            = type;
        params.cb_eval           = on_node;
        params.cb_eval_user_data = this;
        llama_context * context = llama_init_from_model(chq_model_llama(model), params);
        CHECK(context != nullptr);
        CHECK_EQ(llama_decode(context, llama_batch_get_one(const_cast<int32_t *>(tokens.data()), (int32_t) n)), 0);
        llama_free(context);
        CHECK_EQ(q.size(), n * 64u);
        CHECK_EQ(k.size(), n * 32u);
    }

    // The mean over the heads and the last n_asking tokens.
    std::vector<double> scores(int32_t n, int32_t n_asking, bool shares) const {
        std::vector<double> out((size_t) n);
        for (int32_t i = n - n_asking; i < n; ++i) {
            for (int32_t head = 0; head < 2; ++head) {
                std::vector<double> row;
                double total = 0;
                for (int32_t j = 0; j <= i; ++j) {
                    double dot = 0;
                    for (int32_t c = 0; c < 32; ++c) {
                        dot += q[i * 64 + head * 32 + c] * k[j * 32 + c];
                    }
                    dot /= std::sqrt(32.0);
                    row.push_back(shares ? std::exp(dot) : dot);
                    total += row.back();
                }
                for (int32_t j = 0; j <= i; ++j) {
                    out[j] += row[j] / (shares ? total : 1) / (2 * n_asking);
                }
            }
        }
        return out;
    }
};

struct probe_of {
    chq_attention_probe * probe = nullptr;
    probe_of(const tiny_model & model, int32_t layer, int32_t n_ctx) {
        CHECK_OK(chq_attention_probe_create(model.model, layer, n_ctx, 1, &probe));
    }
    ~probe_of() {
        CHECK_STATUS(chq_attention_probe_free(probe), CHQ_STATUS_OK);
    }
};

void ask(chq_attention_probe * probe, const std::vector<int32_t> & tokens, int32_t n_asking) {
    const int32_t n = (int32_t) tokens.size() - n_asking;
    CHECK_OK(chq_attention_probe_reset(probe));
    CHECK_OK(chq_attention_probe_tokens(probe, tokens.data(), n, false));
    CHECK_OK(chq_attention_probe_tokens(probe, tokens.data() + n, n_asking, true));
}

} // namespace

// In parts, and without what is above, as in one pass through everything.
TEST(scores_of_a_prompt) {
    constexpr int32_t N = 1100; // more than two micro batches
    tiny_options options;
    options.n_head    = 2;
    options.n_head_kv = 1; // heads that a quantised cache can have
    const tiny_model model(options);
    const std::vector<int32_t> tokens = some_tokens(N);
    const probe_of probe(model, 1, N);
    const struct { llama_flash_attn_type flash; ggml_type type; double tolerance; } contexts[] = {
        { LLAMA_FLASH_ATTN_TYPE_ENABLED,  GGML_TYPE_F16,  2e-3 },
        { LLAMA_FLASH_ATTN_TYPE_DISABLED, GGML_TYPE_F16,  2e-3 },
        { LLAMA_FLASH_ATTN_TYPE_ENABLED,  GGML_TYPE_Q8_0, 1e-2 },
    };
    for (const auto & c : contexts) {
        const capture whole(model.model, tokens, c.flash, c.type);
        for (const int32_t n_asking : { 1, 3 }) {
            ask(probe.probe, tokens, n_asking);
            for (const chq_prompt_score score : { CHQ_PROMPT_PRODUCT, CHQ_PROMPT_SHARE }) {
                std::vector<float> scores(N);
                int32_t n = 0;
                CHECK_OK(chq_attention_probe_prompt_scores(probe.probe, score, scores.data(), N, &n));
                CHECK_EQ(n, N);
                const std::vector<double> expected = whole.scores(N, n_asking, score == CHQ_PROMPT_SHARE);
                double largest = 0;
                double worst   = 0;
                for (int32_t i = 0; i < N; ++i) {
                    largest = std::max(largest, std::fabs(expected[i]));
                    worst   = std::max(worst, std::fabs(scores[i] - expected[i]));
                }
                CHECK(largest > 0);
                CHECK(worst < c.tolerance * largest);
            }
        }
    }
}

TEST(a_prompt_that_failed_is_started_anew) {
    const tiny_model model;
    const std::vector<int32_t> tokens = some_tokens(256);
    std::vector<float> scores(256);
    std::vector<float> again(256);
    int32_t n = 0;
    const probe_of probe(model, 1, 256);
    ask(probe.probe, tokens, 1);
    CHECK_OK(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, scores.data(), 256, &n));
    CHECK_STATUS(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, scores.data(), 255, &n), CHQ_STATUS_BUFFER);
    CHECK_STATUS(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, nullptr, 256, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_attention_probe_prompt_scores(probe.probe, (chq_prompt_score) 2, scores.data(), 256, &n), CHQ_STATUS_ARGUMENT);

    // full, a token that is none, cancelled
    CHECK_STATUS(chq_attention_probe_tokens(probe.probe, tokens.data(), 1, true), CHQ_STATUS_CONTEXT_FULL);
    CHECK_STATUS(chq_attention_probe_tokens(probe.probe, tokens.data(), 1, true), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, again.data(), 256, &n), CHQ_STATUS_STATE);
    CHECK_OK(chq_attention_probe_reset(probe.probe));
    const int32_t none = -1;
    CHECK_STATUS(chq_attention_probe_tokens(probe.probe, &none, 1, true), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_attention_probe_reset(probe.probe));
    chq_attention_probe_cancel(probe.probe);
    CHECK_STATUS(chq_attention_probe_tokens(probe.probe, tokens.data(), 256, true), CHQ_STATUS_CANCELLED);
    chq_attention_probe_cancel_reset(probe.probe);
    CHECK_STATUS(chq_attention_probe_tokens(probe.probe, tokens.data(), 256, true), CHQ_STATUS_STATE);
    ask(probe.probe, tokens, 1);
    CHECK_OK(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, again.data(), 256, &n));
    CHECK(scores == again);
    chq_attention_probe_cancel(nullptr);
    chq_attention_probe_cancel_reset(nullptr);
}

TEST(another_end_for_the_same_beginning) {
    constexpr int32_t N = 700;
    const tiny_model model;
    const std::vector<int32_t> tokens = some_tokens(N);
    std::vector<float> whole(N);
    std::vector<float> again(N);
    int32_t n = 0;
    const probe_of probe(model, 1, N);
    ask(probe.probe, tokens, 1);
    CHECK_OK(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, whole.data(), N, &n));
    ask(probe.probe, std::vector<int32_t>(tokens.begin(), tokens.begin() + 650), 2);
    for (const int32_t same : { 600, 513, 1 }) {
        CHECK_OK(chq_attention_probe_rewind(probe.probe, same));
        CHECK_STATUS(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, again.data(), N, &n), CHQ_STATUS_STATE);
        CHECK_OK(chq_attention_probe_tokens(probe.probe, tokens.data() + same, N - 1 - same, false));
        CHECK_OK(chq_attention_probe_tokens(probe.probe, tokens.data() + N - 1, 1, true));
        CHECK_OK(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, again.data(), N, &n));
        CHECK_EQ(n, N);
        double worst = 0;
        for (int32_t i = 0; i < N; ++i) {
            worst = std::max<double>(worst, std::fabs(again[i] - whole[i]));
        }
        CHECK(worst < 1e-2 * *std::max_element(whole.begin(), whole.end()));
    }
    // after a failure too
    CHECK_STATUS(chq_attention_probe_tokens(probe.probe, tokens.data(), N, true), CHQ_STATUS_CONTEXT_FULL);
    CHECK_OK(chq_attention_probe_rewind(probe.probe, N - 1));
    CHECK_OK(chq_attention_probe_tokens(probe.probe, tokens.data() + N - 1, 1, true));
    CHECK_OK(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, again.data(), N, &n));
    CHECK_STATUS(chq_attention_probe_rewind(probe.probe, N + 1), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_attention_probe_rewind(probe.probe, 0), CHQ_STATUS_ARGUMENT);
}

// In the middle of a part, whenever that is.
TEST(cancelled_by_another_thread) {
    constexpr int32_t N = 4096;
    const tiny_model model;
    const std::vector<int32_t> tokens = some_tokens(N);
    std::vector<float> scores(N);
    std::vector<float> again(N);
    int32_t n = 0;
    const probe_of probe(model, 1, N);
    ask(probe.probe, tokens, 1);
    CHECK_OK(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, scores.data(), N, &n));
    for (const int milliseconds : { 0, 1, 3, 10 }) {
        CHECK_OK(chq_attention_probe_reset(probe.probe));
        std::thread other([&] {
            std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
            chq_attention_probe_cancel(probe.probe);
        });
        const chq_status status = chq_attention_probe_tokens(probe.probe, tokens.data(), N, true);
        other.join();
        CHECK(status == CHQ_STATUS_CANCELLED || status == CHQ_STATUS_OK);
        chq_attention_probe_cancel_reset(probe.probe);
        ask(probe.probe, tokens, 1);
        CHECK_OK(chq_attention_probe_prompt_scores(probe.probe, CHQ_PROMPT_PRODUCT, again.data(), N, &n));
        CHECK(scores == again);
    }
}

TEST(models_without_attention) {
    tiny_options options;
    options.arch = "mamba";
    const tiny_model model(options);
    chq_attention_probe * probe = nullptr;
    CHECK_STATUS(chq_attention_probe_create(model.model, 0, 64, 1, &probe), CHQ_STATUS_UNSUPPORTED);
    CHECK_STATUS(chq_attention_probe_create(nullptr, 0, 64, 1, &probe), CHQ_STATUS_ARGUMENT);
}

TEST(tokens_that_are_kept) {
    const float scores[] = { 0, 9, 1, 1, 8, 0, 7, 7, 7, 0 };
    const auto select = [&](int32_t keep, int32_t first, int32_t last, int32_t pooling) {
        std::vector<int32_t> kept((size_t) std::min(keep, 10));
        CHECK_OK(chq_prompt_select(scores, 10, keep, first, last, pooling, kept.data()));
        return kept;
    };
    using list = std::vector<int32_t>;
    CHECK(select(4, 0, 0, 1) == list({ 1, 4, 6, 7 })); // of equals the earlier ones
    CHECK(select(4, 1, 1, 1) == list({ 0, 1, 4, 9 }));
    CHECK(select(4, 2, 2, 1) == list({ 0, 1, 8, 9 }));
    CHECK(select(3, 0, 0, 3) == list({ 5, 6, 7 }));    // means 3, 3.3, 3.7, 3.3, 3, 5, 4.7, 7, 4.7, 2.3
    CHECK(select(10, 5, 5, 3) == list({ 0, 1, 2, 3, 4, 5, 6, 7, 8, 9 }));
    CHECK(select(99, 50, 70, 1).size() == 10);

    const float odd[] = { std::numeric_limits<float>::quiet_NaN(), -INFINITY, -2, INFINITY };
    int32_t kept[2];
    CHECK_OK(chq_prompt_select(odd, 4, 2, 0, 0, 1, kept));
    CHECK(kept[0] == 2 && kept[1] == 3);
    CHECK_STATUS(chq_prompt_select(scores, 10, 3, 2, 2, 1, kept), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_prompt_select(scores, 10, 2, INT32_MAX, INT32_MAX, 1, kept), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_prompt_select(scores, 0, 2, 0, 0, 1, kept), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_prompt_select(scores, 10, 0, 0, 0, 1, kept), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_prompt_select(scores, 10, 2, -1, 0, 1, kept), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_prompt_select(scores, 10, 2, 0, 0, 2, kept), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_prompt_select(nullptr, 10, 2, 0, 0, 1, kept), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_prompt_select(scores, 10, 2, 0, 0, 1, nullptr), CHQ_STATUS_ARGUMENT);
}

MAIN
