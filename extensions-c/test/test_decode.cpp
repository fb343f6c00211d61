// Decoding through the ABI against the same calls on llama.h, and every way in which a decode can be refused.
#include "check.h"
#include "tiny_gguf.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <thread>

struct raw_context {
    llama_context * llama;

    raw_context(const tiny_model & model, llama_context_params params) {
        llama = llama_init_from_model(chq_model_llama(model.model), params);
    }
    ~raw_context() { llama_free(llama); }

    std::vector<float> decode(const std::vector<int32_t> & tokens, int32_t begin) {
        llama_batch batch = llama_batch_init((int32_t) tokens.size(), 0, 1);
        batch.n_tokens = (int32_t) tokens.size();
        for (int32_t i = 0; i < batch.n_tokens; ++i) {
            batch.token[i]     = tokens[i];
            batch.pos[i]       = begin + i;
            batch.n_seq_id[i]  = 1;
            batch.seq_id[i][0] = 0;
            batch.logits[i]    = i + 1 == batch.n_tokens;
        }
        const int32_t code = llama_decode(llama, batch);
        llama_batch_free(batch);
        REQUIRE(code == 0);
        const float * row = llama_get_logits_ith(llama, -1);
        return std::vector<float>(row, row + 300);
    }
};

static llama_context_params small_params() {
    llama_context_params params = llama_context_default_params();
    params.n_ctx     = 512;
    params.n_threads = params.n_threads_batch = 1;
    return params;
}

static std::vector<float> last_row(chq_context * context) {
    const float * data = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context, &data, &n));
    return std::vector<float>(data + (n - 1) * 300, data + n * 300);
}

TEST(same_logits_as_llama) {
    for (const char * arch : { "llama", "gemma2", "mamba" }) {
        tiny_options options;
        options.arch = arch;
        tiny_model model(options);
        tiny_context ours(model);
        raw_context  raw(model, small_params());
        const std::vector<int32_t> prompt = some_tokens(37);
        int32_t n = 0;
        CHECK_OK(chq_decode(ours.context, 0, prompt.data(), 37, CHQ_OUTPUT_LAST, &n));
        CHECK_EQ(n, 37);
        std::vector<float> expected = raw.decode(prompt, 0);
        for (int32_t i = 0; i < 40; ++i) {
            CHECK(last_row(ours.context) == expected); // to the bit
            int32_t token = 0;
            for (int32_t t = 1; t < 300; ++t) {
                token = expected[t] > expected[token] ? t : token;
            }
            CHECK_OK(chq_decode(ours.context, 0, &token, 1, CHQ_OUTPUT_LAST, nullptr));
            expected = raw.decode({ token }, 37 + i);
        }
    }
}

// A prompt goes to llama.cpp in parts of n_ubatch, which it would make itself; whoever watches sees them one by one.
TEST(parts_change_nothing_and_are_counted) {
    for (const char * arch : { "llama", "gemma2", "mamba" }) {
        tiny_options options;
        options.arch = arch;
        tiny_model model(options);
        tiny_context ours(model, [](llama_context_params & p) { p.n_ubatch = 32; });
        llama_context_params params = small_params();
        params.n_ubatch = 32;
        raw_context raw(model, params);
        const std::vector<int32_t> prompt = some_tokens(400);
        int32_t n = 0;
        std::atomic<bool> over { false };
        std::vector<int32_t> seen;
        std::thread watch([&] {
            while (!over) {
                const int32_t now = *(volatile int32_t *) &n;
                if (seen.empty() || seen.back() != now) {
                    seen.push_back(now);
                }
            }
        });
        const chq_status status = chq_decode(ours.context, 0, prompt.data(), 400, CHQ_OUTPUT_LAST, &n);
        over = true;
        watch.join();
        CHECK_OK(status);
        CHECK_EQ(n, 400);
        for (const int32_t count : seen) {
            CHECK(count == 400 || count % 32 == 0);
        }
        CHECK(std::is_sorted(seen.begin(), seen.end()));
        CHECK(last_row(ours.context) == raw.decode(prompt, 0)); // to the bit
    }
}

TEST(outputs) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_batch = 32; p.n_ubatch = 16; });
    const std::vector<int32_t> prompt = some_tokens(100);
    const float * data = nullptr;
    int32_t n = 0;
    CHECK_STATUS(chq_logits(context.context, &data, &n), CHQ_STATUS_STATE);
    CHECK_OK(chq_decode(context.context, 0, prompt.data(), 30, CHQ_OUTPUT_ALL, &n));
    CHECK_OK(chq_logits(context.context, &data, &n));
    CHECK_EQ(n, 30);
    const std::vector<float> all(data, data + 30 * 300);
    CHECK_STATUS(chq_decode(context.context, 0, prompt.data(), 33, CHQ_OUTPUT_ALL, &n), CHQ_STATUS_ARGUMENT);
    CHECK_EQ(n, 0);
    // a refused call leaves the rows of the one before
    CHECK_OK(chq_logits(context.context, &data, &n));

    CHECK_OK(chq_context_clear(context.context));
    CHECK_STATUS(chq_logits(context.context, &data, &n), CHQ_STATUS_STATE);
    CHECK_OK(chq_decode(context.context, 0, prompt.data(), 29, CHQ_OUTPUT_NONE, &n));
    CHECK_STATUS(chq_logits(context.context, &data, &n), CHQ_STATUS_STATE);
    CHECK_OK(chq_decode(context.context, 0, prompt.data() + 29, 1, CHQ_OUTPUT_LAST, &n));
    CHECK_OK(chq_logits(context.context, &data, &n));
    CHECK_EQ(n, 1);
    for (int i = 0; i < 300; ++i) {
        CHECK(std::fabs(data[i] - all[29 * 300 + i]) < 1e-2f * (1 + std::fabs(data[i]))); // F16 cache, other batch shapes
    }
    // in parts, with the rows of the last one only
    CHECK_OK(chq_decode(context.context, 0, prompt.data() + 30, 70, CHQ_OUTPUT_LAST, &n));
    CHECK_EQ(n, 70);
    CHECK_OK(chq_logits(context.context, &data, &n));
    CHECK_EQ(n, 1);
    int32_t first = 0;
    int32_t last  = 0;
    CHECK_OK(chq_seq_range(context.context, 0, &first, &last));
    CHECK_EQ(first, 0);
    CHECK_EQ(last, 99);
}

TEST(a_full_context_is_left_as_it_was) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_ctx = 256; p.n_batch = 64; });
    const std::vector<int32_t> tokens = some_tokens(300);
    int32_t n = -1;
    int32_t room = 0;
    CHECK_OK(chq_context_room(context.context, 0, &room));
    CHECK_EQ(room, 256);
    CHECK_OK(chq_decode(context.context, 0, tokens.data(), 200, CHQ_OUTPUT_LAST, nullptr));
    CHECK_OK(chq_context_room(context.context, 0, &room));
    CHECK_EQ(room, 56);
    CHECK_STATUS(chq_decode(context.context, 0, tokens.data(), 57, CHQ_OUTPUT_LAST, &n), CHQ_STATUS_CONTEXT_FULL);
    CHECK(strstr(chq_last_error(), "needed 57, available 56") != nullptr);
    CHECK_EQ(n, 0);
    int32_t last = 0;
    CHECK_OK(chq_seq_range(context.context, 0, nullptr, &last));
    CHECK_EQ(last, 199);
    CHECK_OK(chq_decode(context.context, 0, tokens.data(), 56, CHQ_OUTPUT_LAST, &n));
    CHECK_STATUS(chq_decode(context.context, 0, tokens.data(), 1, CHQ_OUTPUT_LAST, &n), CHQ_STATUS_CONTEXT_FULL);
}

TEST(cells_held_by_other_sequences) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_ctx = 256; p.n_batch = 32; p.n_seq_max = 2; p.kv_unified = true; });
    const std::vector<int32_t> tokens = some_tokens(256);
    CHECK_OK(chq_decode(context.context, 0, tokens.data(), 150, CHQ_OUTPUT_NONE, nullptr));
    CHECK_OK(chq_decode(context.context, 1, tokens.data(), 10, CHQ_OUTPUT_NONE, nullptr));
    int32_t n = -1;
    // fits into a sequence, not beside the other: some steps succeed and are taken back
    CHECK_STATUS(chq_decode(context.context, 1, tokens.data() + 10, 120, CHQ_OUTPUT_LAST, &n), CHQ_STATUS_CONTEXT_FULL);
    CHECK(strstr(chq_last_error(), "needed 120, available 96") != nullptr);
    CHECK_EQ(n, 0);
    int32_t last = 0;
    CHECK_OK(chq_seq_range(context.context, 1, nullptr, &last));
    CHECK_EQ(last, 9);
    CHECK_OK(chq_decode(context.context, 1, tokens.data() + 10, 96, CHQ_OUTPUT_LAST, &n));
}

TEST(cancel_stops_a_running_decode) {
    tiny_options options;
    options.n_layer = 8;
    options.n_ctx   = 16384;
    tiny_model model(options);
    tiny_context context(model, [](llama_context_params & p) { p.n_ctx = 16384; p.n_batch = 512; p.n_ubatch = 64; });
    const std::vector<int32_t> tokens = some_tokens(16000);
    std::thread other([&] {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        chq_context_cancel(context.context);
    });
    int32_t n = -1;
    CHECK_STATUS(chq_decode(context.context, 0, tokens.data(), 16000, CHQ_OUTPUT_LAST, &n), CHQ_STATUS_CANCELLED);
    other.join();
    CHECK(n > 0 && n < 16000);
    int32_t last = 0;
    CHECK_OK(chq_seq_range(context.context, 0, nullptr, &last));
    CHECK_EQ(last, n - 1);
    const float * data;
    int32_t rows;
    CHECK_STATUS(chq_logits(context.context, &data, &rows), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_decode(context.context, 0, tokens.data() + n, 1, CHQ_OUTPUT_LAST, nullptr), CHQ_STATUS_CANCELLED);

    // goes on from there as if nothing had happened
    chq_context_cancel_reset(context.context);
    CHECK_OK(chq_decode(context.context, 0, tokens.data() + n, 5, CHQ_OUTPUT_LAST, nullptr));
    tiny_context fresh(model, [](llama_context_params & p) { p.n_ctx = 16384; p.n_batch = 512; p.n_ubatch = 64; });
    CHECK_OK(chq_decode(fresh.context, 0, tokens.data(), n + 5, CHQ_OUTPUT_LAST, nullptr));
    const std::vector<float> a = last_row(context.context);
    const std::vector<float> b = last_row(fresh.context);
    for (int i = 0; i < 300; ++i) {
        CHECK(std::fabs(a[i] - b[i]) < 2e-2f * (1 + std::fabs(a[i])));
    }
}

TEST(bad_arguments) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_seq_max = 2; });
    const int32_t tokens[3] = { 5, 6, 300 };
    int32_t n = -1;
    CHECK_STATUS(chq_decode(nullptr, 0, tokens, 2, CHQ_OUTPUT_LAST, &n),               CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_decode(context.context, 2, tokens, 2, CHQ_OUTPUT_LAST, &n),       CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_decode(context.context, -1, tokens, 2, CHQ_OUTPUT_LAST, &n),      CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_decode(context.context, 0, nullptr, 2, CHQ_OUTPUT_LAST, &n),      CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_decode(context.context, 0, tokens, 0, CHQ_OUTPUT_LAST, &n),       CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_decode(context.context, 0, tokens, -5, CHQ_OUTPUT_LAST, &n),      CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_decode(context.context, 0, tokens, 3, CHQ_OUTPUT_LAST, &n),       CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_decode(context.context, 0, tokens, 2, 3, &n),                     CHQ_STATUS_ARGUMENT);
    CHECK_EQ(n, 0);
    CHECK_STATUS(chq_context_room(context.context, 2, &n),                             CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_decode(context.context, 0, tokens, 2, CHQ_OUTPUT_LAST, nullptr));
}

// One field wrong at a time; the same batch with nothing wrong must pass.
TEST(batches_are_checked) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_seq_max = 4; p.kv_unified = true; p.n_batch = 64; p.n_outputs_max = 8; });
    struct batch_data {
        int32_t        token[80];
        float          embd[80 * 64];
        int32_t        pos[80];
        int32_t        n_seq[80];
        int32_t        ids[80][4];
        int32_t      * seq[80];
        int8_t         logits[80];
        llama_batch    batch;
    };
    const auto make = [](batch_data & d, int32_t n) {
        memset(&d, 0, sizeof(d));
        for (int32_t i = 0; i < 80; ++i) {
            d.token[i]  = 5 + i;
            d.pos[i]    = i;
            d.n_seq[i]  = 1;
            d.seq[i]    = d.ids[i];
            d.logits[i] = i == n - 1;
        }
        d.batch = { n, d.token, nullptr, d.pos, d.n_seq, d.seq, d.logits };
    };
    static batch_data d;
    const auto refused = [&](const char * what, chq_status expected = CHQ_STATUS_ARGUMENT) {
        const chq_status status = chq_decode_batch(context.context, &d.batch);
        if (status != expected) {
            check::report(__FILE__, __LINE__, std::string(what) + " gave " + chq_status_name(status) + ": " + chq_last_error());
        }
    };
    CHECK_STATUS(chq_decode_batch(context.context, nullptr), CHQ_STATUS_ARGUMENT);
    make(d, 4); d.batch.n_tokens = 0;             refused("no tokens");
    make(d, 4); d.batch.n_tokens = -1;            refused("a negative number of tokens");
    make(d, 65);                                  refused("more than n_batch");
    make(d, 4); d.batch.token = nullptr;          refused("neither tokens nor embeddings");
    make(d, 4); d.batch.embd = d.embd;            refused("both tokens and embeddings");
    make(d, 4); d.token[2] = 300;                 refused("a token outside");
    make(d, 4); d.token[2] = -1;                  refused("a negative token");
    make(d, 4); d.pos[0] = -1;                    refused("a negative position");
    make(d, 4); d.pos[3] = INT32_MAX;             refused("the largest position");
    make(d, 4); d.pos[3] = 7;                     refused("a gap in the positions");
    make(d, 4); d.pos[2] = 0;                     refused("decreasing positions");
    make(d, 4); d.n_seq[1] = 0;                   refused("a token of no sequence");
    make(d, 4); d.n_seq[1] = 5;                   refused("a token of too many sequences");
    make(d, 4); d.n_seq[1] = -1;                  refused("a negative number of sequences");
    make(d, 4); d.seq[1] = nullptr;               refused("no sequence ids");
    make(d, 4); d.ids[1][0] = 4;                  refused("a sequence outside");
    make(d, 4); d.ids[1][0] = -1;                 refused("a negative sequence");
    make(d, 4); d.batch.n_seq_id = nullptr;       refused("seq_id without n_seq_id");
    make(d, 4); d.batch.seq_id = nullptr;         refused("n_seq_id without seq_id");
    make(d, 9); memset(d.logits, 1, 9);           refused("too many outputs");
    CHECK_OK((make(d, 4), chq_decode_batch(context.context, &d.batch)));
    make(d, 4);                                   refused("positions that are there already");

    // a tree: two branches behind a shared token
    CHECK_OK(chq_context_clear(context.context));
    make(d, 3);
    d.n_seq[0] = 2; d.ids[0][0] = 1; d.ids[0][1] = 2;
    d.ids[1][0] = 1; d.pos[1] = 1;
    d.ids[2][0] = 2; d.pos[2] = 1;
    memset(d.logits, 1, 3);
    CHECK_OK(chq_decode_batch(context.context, &d.batch));
    const float * data = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context.context, &data, &n));
    CHECK_EQ(n, 3);
    CHECK_STATUS(chq_seq_shift(context.context, 1, 0, -1, 5), CHQ_STATUS_UNSUPPORTED); // shares a cell

    // positions and sequences left to llama.cpp
    CHECK_OK(chq_context_clear(context.context));
    make(d, 4);
    d.batch.pos = nullptr; d.batch.n_seq_id = nullptr; d.batch.seq_id = nullptr; d.batch.logits = nullptr;
    CHECK_OK(chq_decode_batch(context.context, &d.batch));
    CHECK_OK(chq_logits(context.context, &data, &n));
    CHECK_EQ(n, 1);
    const std::vector<float> from_tokens(data, data + 300);
    // embeddings
    CHECK_OK(chq_context_clear(context.context));
    make(d, 4);
    d.batch.token = nullptr; d.batch.embd = d.embd;
    CHECK_OK(chq_decode_batch(context.context, &d.batch));
}

TEST(coupled_tokens_need_a_unified_cache) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_seq_max = 2; p.kv_unified = false; });
    int32_t token = 5;
    int32_t pos = 0;
    int32_t n_seq = 2;
    int32_t ids[2] = { 0, 1 };
    int32_t * seq = ids;
    int8_t output = 1;
    const llama_batch batch = { 1, &token, nullptr, &pos, &n_seq, &seq, &output };
    CHECK_STATUS(chq_decode_batch(context.context, &batch), CHQ_STATUS_ARGUMENT);
}

static void refused(const tiny_model & model, const char * what, chq_status expected, const std::function<void(llama_context_params &)> & change, int32_t poll = 0) {
    llama_context_params params = small_params();
    change(params);
    chq_context * context = nullptr;
    const chq_status status = chq_context_create(model.model, &params, poll, &context);
    if (status != expected || context) {
        check::report(__FILE__, __LINE__, std::string(what) + " gave " + chq_status_name(status) + ": " + chq_last_error());
    }
    chq_context_free(context);
}

TEST(context_parameters_are_checked) {
    tiny_model model;
    using P = llama_context_params;
    const chq_status A = CHQ_STATUS_ARGUMENT;
    refused(model, "n_seq_max 0",      A, [](P & p) { p.n_seq_max = 0; });
    refused(model, "n_seq_max 257",    A, [](P & p) { p.n_seq_max = 257; });
    refused(model, "n_batch 0",        A, [](P & p) { p.n_batch = 0; });
    refused(model, "n_ctx huge",       A, [](P & p) { p.n_ctx = UINT32_MAX; });
    refused(model, "few outputs",      A, [](P & p) { p.n_seq_max = 64; p.n_batch = 32; });
    refused(model, "few outputs",      A, [](P & p) { p.n_seq_max = 8; p.n_outputs_max = 4; });
    refused(model, "threads",          A, [](P & p) { p.n_threads = 513; });
    refused(model, "batch threads",    A, [](P & p) { p.n_threads_batch = 100000; });
    refused(model, "type_k",           A, [](P & p) { p.type_k = GGML_TYPE_I32; });
    refused(model, "type_v",           A, [](P & p) { p.type_v = GGML_TYPE_COUNT; });
    refused(model, "type_k -1",        A, [](P & p) { p.type_k = (ggml_type) -1; });
    refused(model, "type_k K quants",  A, [](P & p) { p.type_k = GGML_TYPE_Q4_K; });
    refused(model, "block of 32 in heads of 16", A, [](P & p) { p.type_k = GGML_TYPE_Q8_0; });
    refused(model, "rope_freq_base",   A, [](P & p) { p.rope_freq_base = NAN; });
    refused(model, "rope_freq_scale",  A, [](P & p) { p.rope_freq_scale = -1; });
    refused(model, "yarn_ext_factor",  A, [](P & p) { p.yarn_ext_factor = INFINITY; });
    refused(model, "ctx_type",         A, [](P & p) { p.ctx_type = (llama_context_type) 7; });
    refused(model, "rope scaling",     A, [](P & p) { p.rope_scaling_type = (llama_rope_scaling_type) 9; });
    refused(model, "pooling",          A, [](P & p) { p.pooling_type = (enum llama_pooling_type) 9; });
    refused(model, "attention",        A, [](P & p) { p.attention_type = (llama_attention_type) 9; });
    refused(model, "flash attention",  A, [](P & p) { p.flash_attn_type = (llama_flash_attn_type) 9; });
    refused(model, "poll",             A, [](P &) {}, 101);
    refused(model, "poll",             A, [](P &) {}, -1);
    llama_sampler_seq_config config = { 0, nullptr };
    refused(model, "samplers", CHQ_STATUS_UNSUPPORTED, [&](P & p) { p.samplers = &config; p.n_samplers = 1; });
    refused(model, "MTP",      CHQ_STATUS_UNSUPPORTED, [](P & p) { p.ctx_type = LLAMA_CONTEXT_TYPE_MTP; });
    refused(model, "memory",   CHQ_STATUS_MEMORY,      [](P & p) { p.n_ctx = 1u << 30; });
    chq_context * context = nullptr;
    CHECK_STATUS(chq_context_create(nullptr, nullptr, 0, &context), A);
    CHECK_STATUS(chq_context_create(model.model, nullptr, 0, nullptr), A);

    tiny_options wide;
    wide.n_embd = 256; // heads of 64
    tiny_model wide_model(wide);
    refused(wide_model, "quantised V without flash attention", A, [](P & p) { p.type_v = GGML_TYPE_Q8_0; p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED; });
    const std::vector<int32_t> tokens = some_tokens(20);
    for (ggml_type type : { GGML_TYPE_F32, GGML_TYPE_F16, GGML_TYPE_BF16, GGML_TYPE_Q8_0, GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_IQ4_NL, GGML_TYPE_Q5_0, GGML_TYPE_Q5_1 }) {
        llama_context_params params = small_params();
        params.type_k = params.type_v = type;
        CHECK_OK(chq_context_create(wide_model.model, &params, 0, &context));
        CHECK_OK(chq_decode(context, 0, tokens.data(), 20, CHQ_OUTPUT_LAST, nullptr));
        CHECK_OK(chq_decode(context, 0, tokens.data(), 1, CHQ_OUTPUT_LAST, nullptr));
        CHECK(std::isfinite(last_row(context)[0]));
        CHECK_OK(chq_context_free(context));
    }
}

TEST(info_and_threads) {
    tiny_model model;
    chq_context * context = nullptr;
    CHECK_OK(chq_context_create(model.model, nullptr, 50, &context));
    CHECK_OK(chq_context_free(context));
    llama_context_params params = llama_context_default_params();
    params.n_ctx     = 0; // the model's own
    params.n_threads = params.n_threads_batch = 0;
    CHECK_OK(chq_context_create(model.model, &params, 50, &context));
    struct chq_context_info info;
    CHECK_OK(chq_context_get_info(context, &info));
    CHECK_EQ(info.n_ctx, 2048u);
    CHECK_EQ(info.n_ctx_seq, 2048u);
    CHECK_EQ(info.n_threads, chq_physical_cores());
    CHECK(info.causal && info.can_shift && !info.embeddings && !info.poisoned);
    const std::vector<int32_t> tokens = some_tokens(40);
    CHECK_OK(chq_decode(context, 0, tokens.data(), 40, CHQ_OUTPUT_LAST, nullptr));
    const std::vector<float> expected = last_row(context);
    CHECK_OK(chq_context_get_info(context, &info));
    CHECK(info.state_bytes > 40u * 2 * 2 * 32 * 2); // cells x layers x (k and v) x n_embd_gqa x F16
    for (int32_t n : { 1, 2, 3 }) {
        CHECK_OK(chq_context_set_threads(context, n, 4 - n));
        CHECK_OK(chq_context_get_info(context, &info));
        CHECK_EQ(info.n_threads, n);
        CHECK_EQ(info.n_threads_batch, 4 - n);
        CHECK_OK(chq_context_clear(context));
        CHECK_OK(chq_decode(context, 0, tokens.data(), 40, CHQ_OUTPUT_LAST, nullptr));
        CHECK(last_row(context) == expected);
        CHECK_OK(chq_decode(context, 0, tokens.data(), 1, CHQ_OUTPUT_LAST, nullptr));
    }
    CHECK_STATUS(chq_context_set_threads(context, 1000, 1), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_context_free(context));
}

TEST(embedding_contexts_have_a_row_for_each_token) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.embeddings = true; p.n_batch = 64; });
    const std::vector<int32_t> tokens = some_tokens(80);
    const float * data;
    int32_t n = 0;
    CHECK_OK(chq_decode(context.context, 0, tokens.data(), 20, CHQ_OUTPUT_LAST, nullptr));
    CHECK_OK(chq_logits(context.context, &data, &n));
    CHECK_EQ(n, 20);
    CHECK_OK(chq_decode(context.context, 0, tokens.data(), 80, CHQ_OUTPUT_LAST, nullptr));
    CHECK_OK(chq_logits(context.context, &data, &n));
    CHECK_EQ(n, 16);
}

MAIN
