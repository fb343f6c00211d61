// Models with packed weights against the same models without: through every way of loading, in every format, and with what stands beside
// or behind the packed products.
#include "check.h"
#include "tiny_gguf.h"

#include "llama.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

static tiny_options quantized(std::vector<ggml_type> types) {
    tiny_options o;
    o.n_embd = 256;
    o.n_ff   = 512;
    o.types  = std::move(types);
    return o;
}

static const std::vector<ggml_type> TYPES = {
    GGML_TYPE_Q4_0, GGML_TYPE_Q4_1, GGML_TYPE_IQ4_NL, GGML_TYPE_Q5_0, GGML_TYPE_Q8_0, GGML_TYPE_Q4_K, GGML_TYPE_Q5_K, GGML_TYPE_Q6_K,
};

struct loaded {
    chq_model    * model   = nullptr;
    chq_context  * context = nullptr;
    chq_model_info info;

    loaded(const std::string & path, int32_t kernels, enum llama_load_mode mode = LLAMA_LOAD_MODE_AUTO, void (*change)(llama_context_params &) = nullptr,
            const char * cache = nullptr, uint64_t cache_bytes = (uint64_t) 1 << 30) {
        CHECK_OK(chq_runtime_init(nullptr));
        llama_model_params params = llama_model_default_params();
        params.load_mode = mode;
        CHECK_OK(chq_model_load_cached(path.c_str(), &params, kernels, cache, cache_bytes, &model));
        CHECK_OK(chq_model_get_info(model, &info));
        llama_context_params context_params = llama_context_default_params();
        context_params.n_ctx           = 512;
        context_params.n_batch         = 128;
        context_params.n_ubatch        = 128;
        context_params.n_threads       = 2;
        context_params.n_threads_batch = 2;
        if (change) {
            change(context_params);
        }
        CHECK_OK(chq_context_create(model, &context_params, 0, &context));
    }
    ~loaded() {
        chq_context_free(context);
        chq_model_free(model);
    }
    loaded(const loaded &) = delete;

    // Logits of all tokens: a prompt of 40 at once, then 5 one by one.
    std::vector<float> logits() {
        const std::vector<int32_t> tokens = some_tokens(45);
        std::vector<float> all;
        CHECK_OK(chq_context_clear(context));
        for (size_t at = 0; at < tokens.size();) {
            const int n = at == 0 ? 40 : 1;
            CHECK_OK(chq_decode(context, 0, tokens.data() + at, n, CHQ_OUTPUT_ALL, nullptr));
            const float * rows = nullptr;
            int32_t n_rows = 0;
            CHECK_OK(chq_logits(context, &rows, &n_rows));
            CHECK_EQ(n_rows, n);
            all.insert(all.end(), rows, rows + (size_t) n_rows * info.n_vocab);
            at += n;
        }
        return all;
    }
};

// Mean squared difference in units of the mean square.
static double difference(const std::vector<float> & a, const std::vector<float> & b) {
    REQUIRE(a.size() == b.size() && !a.empty());
    double sum = 0;
    double square = 0;
    for (size_t i = 0; i < a.size(); i++) {
        REQUIRE(std::isfinite(a[i]) && std::isfinite(b[i]));
        sum    += ((double) a[i] - b[i]) * ((double) a[i] - b[i]);
        square += (double) a[i] * a[i];
    }
    return sum / square;
}

// Both sides round activations to 8 bits, in different groups.
constexpr double ROUNDING = 2e-3;

TEST(every_format_gives_the_outputs_of_the_stock_kernels) {
    for (ggml_type type : TYPES) {
        const std::string path = temporary_path(std::string(ggml_type_name(type)) + ".gguf");
        write_tiny_gguf(path, quantized({ type }));
        loaded off(path, CHQ_KERNELS_OFF);
        loaded on(path, CHQ_KERNELS_ON);
        CHECK_EQ(off.info.n_bytes_packed, (uint64_t) 0);
        CHECK(on.info.n_bytes_packed > (2 * (256 * 512 * 3 + 256 * 384 * 2) + 256 * 300) * 4 / 8);
        CHECK(difference(off.logits(), on.logits()) < ROUNDING);
    }
}

TEST(every_way_of_loading_gives_the_same_bits) {
    const std::string path = temporary_path("modes.gguf");
    write_tiny_gguf(path, quantized({ GGML_TYPE_Q4_K, GGML_TYPE_Q6_K, GGML_TYPE_Q5_0 }));
    const std::vector<float> expected = loaded(path, CHQ_KERNELS_ON).logits();
    for (int mode = LLAMA_LOAD_MODE_NONE; mode <= LLAMA_LOAD_MODE_DIRECT_IO; mode++) {
        loaded one(path, CHQ_KERNELS_ON, (enum llama_load_mode) mode);
        CHECK(one.info.n_bytes_packed > 0);
        CHECK(one.logits() == expected);
    }
}

#ifndef _WIN32
TEST(a_cache_gives_the_same_bits_in_every_way_of_loading) {
    namespace fs = std::filesystem;
    const std::string path   = temporary_path("cached.gguf");
    const std::string folder = temporary_path("packed");
    tiny_options o = quantized(TYPES);
    o.n_embd   = 512;
    o.n_ff     = 1024;
    o.n_expert = 4;
    write_tiny_gguf(path, o);
    const std::vector<float> expected = loaded(path, CHQ_KERNELS_ON).logits();
    const auto files = [&] {
        std::map<std::string, fs::file_time_type> all;
        for (const auto & entry : fs::directory_iterator(folder)) {
            if (entry.path().extension() == ".packed") {
                all[entry.path().string()] = fs::last_write_time(entry.path());
            }
        }
        return all;
    };
    {
        loaded first(path, CHQ_KERNELS_ON, LLAMA_LOAD_MODE_AUTO, nullptr, folder.c_str());
        CHECK(first.logits() == expected);
    }
    const auto kept = files();
    CHECK(kept.size() >= 4);
    for (int mode = LLAMA_LOAD_MODE_NONE; mode <= LLAMA_LOAD_MODE_DIRECT_IO; mode++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(20)); // file systems keep coarse times
        const auto before = files();
        loaded next(path, CHQ_KERNELS_ON, (enum llama_load_mode) mode, nullptr, folder.c_str());
        const auto after = files();
        CHECK_EQ(after.size(), kept.size());
        for (const auto & [name, time] : after) {
            CHECK(time > before.at(name)); // it was used
        }
        CHECK(next.logits() == expected);
        loaded plain(path, CHQ_KERNELS_ON); // nothing of the last load's choice is left
        CHECK(files() == after);
    }
    // while a model is mapped, its file is damaged for the next, and then the folder is gone
    loaded mapped(path, CHQ_KERNELS_ON, LLAMA_LOAD_MODE_AUTO, nullptr, folder.c_str());
    const std::string victim = kept.begin()->first;
    fs::copy_file(victim, victim + ".copy");
    {
        std::fstream file(victim + ".copy", std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(5000);
        file << "damage";
    }
    fs::rename(victim + ".copy", victim);
    {
        loaded repaired(path, CHQ_KERNELS_ON, LLAMA_LOAD_MODE_AUTO, nullptr, folder.c_str());
        CHECK(repaired.logits() == expected);
    }
    fs::remove_all(folder);
    CHECK(mapped.logits() == expected);

    // no folder, no cache; the model loads all the same
    loaded without(path, CHQ_KERNELS_ON, LLAMA_LOAD_MODE_AUTO, nullptr, "/dev/null/packed");
    CHECK(without.logits() == expected);
    loaded tight(path, CHQ_KERNELS_ON, LLAMA_LOAD_MODE_AUTO, nullptr, folder.c_str(), 0);
    CHECK(tight.logits() == expected);
    CHECK(files().empty());
    fs::remove_all(folder);
}
#endif

TEST(a_model_of_many_formats) {
    const std::string path = temporary_path("mixed.gguf");
    std::vector<ggml_type> types = TYPES;
    types.push_back(GGML_TYPE_F32);
    types.push_back(GGML_TYPE_F16);
    types.push_back(GGML_TYPE_Q5_1); // no kernels of ours
    types.push_back(GGML_TYPE_Q3_K);
    write_tiny_gguf(path, quantized(types));
    loaded off(path, CHQ_KERNELS_OFF);
    loaded on(path, CHQ_KERNELS_ON);
    CHECK(on.info.n_bytes_packed > 0);
    CHECK(difference(off.logits(), on.logits()) < ROUNDING);
}

TEST(a_mixture_of_experts) {
    for (ggml_type type : TYPES) {
        const std::string path = temporary_path("experts.gguf");
        tiny_options o = quantized({ type });
        o.n_expert = 6;
        write_tiny_gguf(path, o);
        loaded off(path, CHQ_KERNELS_OFF);
        loaded on(path, CHQ_KERNELS_ON);
        CHECK(on.info.n_bytes_packed > (uint64_t) 2 * 6 * 3 * 256 * 512 * 4 / 8);
        // a token on the edge between two experts may take another one: most must not
        const std::vector<float> a = off.logits();
        const std::vector<float> b = on.logits();
        int close = 0;
        for (int row = 0; row < 45; row++) {
            const auto part = [&](const std::vector<float> & v) { return std::vector<float>(v.begin() + row * 300, v.begin() + (row + 1) * 300); };
            close += difference(part(a), part(b)) < 10 * ROUNDING;
        }
        CHECK(close >= 40);
    }
}

TEST(embeddings) {
    const std::string path = temporary_path("embedder.gguf");
    write_tiny_gguf(path, quantized({ GGML_TYPE_Q8_0 }));
    std::vector<float> pooled[2];
    for (int side = 0; side < 2; side++) {
        loaded one(path, side ? CHQ_KERNELS_ON : CHQ_KERNELS_OFF, LLAMA_LOAD_MODE_AUTO, [](llama_context_params & params) {
            params.embeddings   = true;
            params.pooling_type = LLAMA_POOLING_TYPE_MEAN;
        });
        const std::vector<int32_t> tokens = some_tokens(50);
        CHECK_OK(chq_decode(one.context, 0, tokens.data(), 50, CHQ_OUTPUT_ALL, nullptr));
        const float * values = llama_get_embeddings_seq(chq_context_llama(one.context), 0);
        REQUIRE(values);
        pooled[side].assign(values, values + 256);
    }
    CHECK(difference(pooled[0], pooled[1]) < ROUNDING);
}

TEST(an_adapter_on_packed_weights) {
    const std::string path = temporary_path("base.gguf");
    const std::string lora = temporary_path("lora.gguf");
    const tiny_options o = quantized({ GGML_TYPE_Q4_0 });
    write_tiny_gguf(path, o);
    write_tiny_lora(lora, o);
    std::vector<float> plain[2];
    std::vector<float> adapted[2];
    for (int side = 0; side < 2; side++) {
        loaded one(path, side ? CHQ_KERNELS_ON : CHQ_KERNELS_OFF);
        plain[side] = one.logits();
        llama_adapter_lora * adapter = llama_adapter_lora_init(chq_model_llama(one.model), lora.c_str());
        REQUIRE(adapter);
        float scale = 1;
        REQUIRE(llama_set_adapters_lora(chq_context_llama(one.context), &adapter, 1, &scale) == 0);
        adapted[side] = one.logits();
    }
    CHECK(difference(plain[0], adapted[0]) > 10 * ROUNDING);
    CHECK(difference(plain[0], plain[1]) < ROUNDING);
    CHECK(difference(adapted[0], adapted[1]) < ROUNDING);
}

TEST(the_best_tokens_are_those_of_the_logits) {
    for (ggml_type type : { GGML_TYPE_Q4_0, GGML_TYPE_Q6_K }) {
        const std::string path = temporary_path("top.gguf");
        write_tiny_gguf(path, quantized({ type }));
        loaded one(path, CHQ_KERNELS_ON, LLAMA_LOAD_MODE_AUTO, [](llama_context_params & params) {
            params.n_ubatch   = 32; // batches of more than one part
            params.n_seq_max  = 2;
            params.kv_unified = true;
        });
        const std::vector<int32_t> tokens = some_tokens(70);
        for (int n : { 1, 2, 7, 9, 70 }) {
            CHECK_OK(chq_context_clear(one.context));
            CHECK_OK(chq_context_set_top_k(one.context, 0));
            CHECK_OK(chq_decode(one.context, 1, tokens.data(), n, CHQ_OUTPUT_ALL, nullptr));
            const float * rows = nullptr;
            int32_t n_rows = 0;
            CHECK_OK(chq_logits(one.context, &rows, &n_rows));
            for (int k : { 1, 8, 64 }) {
                std::vector<int32_t> index((size_t) n * k);
                std::vector<float>   value((size_t) n * k);
                CHECK_OK(chq_context_clear(one.context));
                CHECK_OK(chq_context_set_top_k(one.context, 0));
                CHECK_OK(chq_decode(one.context, 1, tokens.data(), n, CHQ_OUTPUT_ALL, nullptr));
                CHECK_OK(chq_logits(one.context, &rows, &n_rows));
                CHECK_OK(chq_rows_top_k(rows, n, one.info.n_vocab, one.info.n_vocab, k, index.data(), value.data()));

                CHECK_OK(chq_context_clear(one.context));
                CHECK_OK(chq_context_set_top_k(one.context, k));
                CHECK_OK(chq_decode(one.context, 1, tokens.data(), n, CHQ_OUTPUT_ALL, nullptr));
                const int32_t * best;
                const float   * logits;
                int32_t n_best;
                CHECK_OK(chq_top_k(one.context, &best, &logits, &n_rows, &n_best));
                CHECK_EQ(n_rows, n);
                CHECK_EQ(n_best, k);
                CHECK(std::equal(index.begin(), index.end(), best));
                CHECK(std::equal(value.begin(), value.end(), logits));
                CHECK_STATUS(chq_logits(one.context, &rows, &n_rows), CHQ_STATUS_STATE);
            }
        }
    }
}

TEST(best_tokens_are_refused_where_they_cannot_be_had) {
    const std::string path = temporary_path("refused.gguf");
    write_tiny_gguf(path, quantized({ GGML_TYPE_Q4_0 }));
    const int32_t token = 5;
    const int32_t * best;
    const float   * logits;
    int32_t n_rows;
    int32_t k;
    {
        loaded on(path, CHQ_KERNELS_ON);
        for (int bad : { -1, 65, INT32_MAX, INT32_MIN }) {
            CHECK_STATUS(chq_context_set_top_k(on.context, bad), CHQ_STATUS_ARGUMENT);
        }
        CHECK_STATUS(chq_context_set_top_k(nullptr, 1), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_top_k(on.context, &best, &logits, &n_rows, &k), CHQ_STATUS_STATE);
        CHECK_OK(chq_context_set_top_k(on.context, 3));
        CHECK_STATUS(chq_top_k(on.context, &best, &logits, &n_rows, &k), CHQ_STATUS_STATE); // nothing is decoded
        CHECK_OK(chq_decode(on.context, 0, &token, 1, CHQ_OUTPUT_NONE, nullptr));
        CHECK_STATUS(chq_top_k(on.context, &best, &logits, &n_rows, &k), CHQ_STATUS_STATE); // no row was asked for
        CHECK_STATUS(chq_top_k(on.context, nullptr, &logits, &n_rows, &k), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_context_set_top_k(on.context, 4), CHQ_STATUS_STATE); // a sequence is not empty
        CHECK_OK(chq_decode(on.context, 0, &token, 1, CHQ_OUTPUT_LAST, nullptr));
        CHECK_OK(chq_top_k(on.context, &best, &logits, &n_rows, &k));
        CHECK_EQ(n_rows, 1);
        CHECK_EQ(k, 3);
    }
    {
        loaded off(path, CHQ_KERNELS_OFF);
        CHECK_STATUS(chq_context_set_top_k(off.context, 1), CHQ_STATUS_UNSUPPORTED);
        CHECK_EQ(off.logits().size(), (size_t) 45 * 300); // as usable as before
    }
    tiny_options gemma = quantized({ GGML_TYPE_Q4_0 }); // caps its logits after the last product
    gemma.arch = "gemma2";
    write_tiny_gguf(path, gemma);
    loaded capped(path, CHQ_KERNELS_ON);
    CHECK_STATUS(chq_context_set_top_k(capped.context, 1), CHQ_STATUS_UNSUPPORTED);
    CHECK_EQ(capped.logits().size(), (size_t) 45 * 300);
}

MAIN
