// Lifetimes, devices and the log.
#include "check.h"
#include "tiny_gguf.h"

#include <fstream>
#include <thread>

#include <sys/stat.h>
#include <unistd.h>

TEST(nothing_works_before_init) {
    chq_model * model = nullptr;
    chq_device_info device;
    CHECK_STATUS(chq_model_load("x.gguf", nullptr, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_device(0, &device), CHQ_STATUS_STATE);
    CHECK_EQ(chq_device_count(), 0);
    size_t length = 0;
    CHECK_STATUS(chq_kernels(nullptr, 0, &length), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_runtime_init("/no/such/folder"), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_runtime_init("")); // a failed attempt does not spoil the next one
    CHECK_OK(chq_runtime_init(nullptr));
}

TEST(devices) {
    CHECK(chq_device_count() >= 1);
    bool cpu = false;
    for (int32_t i = 0; i < chq_device_count(); ++i) {
        chq_device_info device;
        CHECK_OK(chq_device(i, &device));
        CHECK(device.name[0] && device.backend[0]);
        if (device.type == CHQ_DEVICE_CPU) {
            cpu = true;
            CHECK(strstr(device.library, "ggml-cpu") != nullptr);
            CHECK(device.memory_total > 0 && device.memory_free <= device.memory_total);
        }
    }
    CHECK(cpu);
    chq_device_info device;
    CHECK_STATUS(chq_device(-1, &device), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_device(chq_device_count(), &device), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_device(0, nullptr), CHQ_STATUS_ARGUMENT);
    char text[1024];
    size_t length = 0;
    CHECK_STATUS(chq_cpu_features(text, 0, &length), CHQ_STATUS_BUFFER);
    CHECK_OK(chq_cpu_features(text, sizeof(text), &length));
    CHECK_EQ(strlen(text), length);
    CHECK(chq_physical_cores() >= 1);
    CHECK(chq_physical_cores() <= (int32_t) sysconf(_SC_NPROCESSORS_ONLN));
}

TEST(kernels) {
    char text[64];
    size_t length = 0;
    CHECK_STATUS(chq_kernels(text, 0, &length), CHQ_STATUS_BUFFER);
    CHECK_OK(chq_kernels(text, sizeof(text), &length));
    CHECK_EQ(strlen(text), length);
    CHECK_STATUS(chq_kernels(text, sizeof(text), nullptr), CHQ_STATUS_ARGUMENT);
    int accelerators = 0;
    for (int32_t i = 0; i < chq_device_count(); ++i) {
        chq_device_info device;
        CHECK_OK(chq_device(i, &device));
        if (strcmp(device.backend, "Chasqui") == 0) {
            ++accelerators;
            CHECK_EQ(device.type, (int32_t) CHQ_DEVICE_ACCELERATOR);
            CHECK_EQ(std::string(device.description), text);
        }
    }
    CHECK_EQ(accelerators, 1);
}

static uint64_t bytes_packed(const std::string & path, int32_t kernels, const llama_model_params * params = nullptr) {
    chq_model * model = nullptr;
    CHECK_OK(chq_model_load(path.c_str(), params, kernels, &model));
    chq_model_info info;
    CHECK_OK(chq_model_get_info(model, &info));
    CHECK_OK(chq_model_free(model));
    return info.n_bytes_packed;
}

TEST(the_mode_of_the_kernels_is_of_one_load) {
    tiny_options options;
    options.types = { GGML_TYPE_Q8_0 };
    const std::string path = temporary_path("q8.gguf");
    write_tiny_gguf(path, options);
    const std::string plain = temporary_path("f32.gguf");
    write_tiny_gguf(plain);
    // of each layer q and output 64 x 64, k and v 64 x 32, gate, up and down 64 x 96; the output 64 x 300; 34 bytes for 32 weights
    const uint64_t weights = (2 * (2 * 64 * 64 + 2 * 64 * 32 + 3 * 64 * 96) + 64 * 300) / 32 * 34;
    const uint64_t packed  = bytes_packed(path, CHQ_KERNELS_ON);
    CHECK(packed >= weights && packed <= weights * 5 / 4);
    CHECK_EQ(bytes_packed(path,  CHQ_KERNELS_OFF), 0u);
    CHECK_EQ(bytes_packed(plain, CHQ_KERNELS_ON),  0u);
    setenv("CHASQUI_KERNELS", "on", 1);
    CHECK_EQ(bytes_packed(path, CHQ_KERNELS_AUTO), packed);
    CHECK_EQ(bytes_packed(path, CHQ_KERNELS_OFF),  0u);
    CHECK_EQ(bytes_packed(path, CHQ_KERNELS_AUTO), packed);
    setenv("CHASQUI_KERNELS", "off", 1);
    CHECK_EQ(bytes_packed(path, CHQ_KERNELS_AUTO), 0u);
    CHECK_EQ(bytes_packed(path, CHQ_KERNELS_ON),   packed);
    unsetenv("CHASQUI_KERNELS");
    const uint64_t chosen = bytes_packed(path, CHQ_KERNELS_AUTO);
    CHECK(chosen == 0 || chosen == packed);

    // a load that fails on the way leaves nothing behind
    setenv("CHASQUI_KERNELS", "off", 1);
    llama_model_params params = llama_model_default_params();
    params.progress_callback = [](float progress, void *) { return progress < 0.9f; };
    chq_model * model = nullptr;
    CHECK_STATUS(chq_model_load(path.c_str(), &params, CHQ_KERNELS_ON, &model), CHQ_STATUS_CANCELLED);
    CHECK_EQ(bytes_packed(path, CHQ_KERNELS_AUTO), 0u);
    unsetenv("CHASQUI_KERNELS");

    params = llama_model_default_params();
    params.vocab_only = true;
    CHECK_EQ(bytes_packed(path, CHQ_KERNELS_ON, &params), 0u);
    for (const int32_t wrong : { -1, 3, INT32_MAX, INT32_MIN }) {
        CHECK_STATUS(chq_model_load(path.c_str(), nullptr, wrong, &model), CHQ_STATUS_ARGUMENT);
        CHECK(strstr(chq_last_error(), "kernels") != nullptr);
    }
    ggml_backend_dev_t devices[] = { ggml_backend_dev_by_name("Chasqui"), nullptr };
    params = llama_model_default_params();
    params.devices = devices;
    CHECK_STATUS(chq_model_load(path.c_str(), &params, CHQ_KERNELS_ON, &model), CHQ_STATUS_ARGUMENT);
    CHECK(model == nullptr);
}

static void drain() {
    char text[16];
    while (chq_log_take(nullptr, text, sizeof(text), nullptr) == CHQ_STATUS_OK) {}
}

// llama.cpp's own logger is the way in for a test: any message of it goes through the callback.
static void log_message(ggml_log_level level, const char * text) {
    ggml_log_callback callback;
    void * user;
    llama_log_get(&callback, &user);
    callback(level, text, user);
}

TEST(the_log_joins_cuts_and_counts) {
    drain();
    CHECK_OK(chq_log_set_level(CHQ_LOG_INFO));
    char text[4096];
    int32_t level = 0;
    uint64_t lost = 9;
    CHECK_STATUS(chq_log_take(&level, text, sizeof(text), &lost), CHQ_STATUS_STATE);
    log_message(GGML_LOG_LEVEL_DEBUG, "not wanted\n");
    log_message(GGML_LOG_LEVEL_INFO,  "one ");
    log_message(GGML_LOG_LEVEL_CONT,  "two ");
    CHECK_EQ(chq_log_pending(), 0);
    log_message(GGML_LOG_LEVEL_CONT,  "three\nfour\n");
    log_message(GGML_LOG_LEVEL_ERROR, "unfinished");
    log_message(GGML_LOG_LEVEL_WARN,  "next\n");
    CHECK_EQ(chq_log_pending(), 4);
    const struct { int32_t level; const char * text; } expected[] = {
        { CHQ_LOG_INFO, "one two three" }, { CHQ_LOG_INFO, "four" }, { CHQ_LOG_ERROR, "unfinished" }, { CHQ_LOG_WARN, "next" },
    };
    for (const auto & e : expected) {
        CHECK_OK(chq_log_take(&level, text, sizeof(text), &lost));
        CHECK_EQ(level, e.level);
        CHECK_EQ(std::string(text), e.text);
        CHECK_EQ(lost, 0u);
    }
    log_message(GGML_LOG_LEVEL_WARN, (std::string(5000, 'x') + "\n").c_str());
    CHECK_OK(chq_log_take(&level, text, sizeof(text), &lost));
    CHECK_EQ(strlen(text), 1023u);
    log_message(GGML_LOG_LEVEL_WARN, "abcdef\n");
    CHECK_OK(chq_log_take(&level, text, 4, &lost));
    CHECK_EQ(std::string(text), "abc");
    for (int i = 0; i < 1030; ++i) {
        log_message(GGML_LOG_LEVEL_WARN, "many\n");
    }
    CHECK_EQ(chq_log_pending(), 1024);
    CHECK_OK(chq_log_take(&level, text, sizeof(text), &lost));
    log_message(GGML_LOG_LEVEL_WARN, "after the loss\n");
    do {
        CHECK_OK(chq_log_take(&level, text, sizeof(text), &lost));
    } while (strcmp(text, "many") == 0);
    CHECK_EQ(std::string(text), "after the loss");
    CHECK_EQ(lost, 6u);
    CHECK_STATUS(chq_log_set_level(0), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_log_set_level(6), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_log_take(&level, nullptr, 4, &lost), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_log_set_level(CHQ_LOG_OFF));
    log_message(GGML_LOG_LEVEL_ERROR, "dropped\n");
    CHECK_EQ(chq_log_pending(), 0);
    CHECK_OK(chq_log_set_level(CHQ_LOG_WARN));
}

TEST(many_threads_log) {
    drain();
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([] {
            for (int i = 0; i < 200; ++i) {
                log_message(GGML_LOG_LEVEL_WARN, "a");
                log_message(GGML_LOG_LEVEL_CONT, "b\n");
            }
        });
    }
    int n = 0;
    char text[16];
    while (n < 800) {
        if (chq_log_take(nullptr, text, sizeof(text), nullptr) == CHQ_STATUS_OK) {
            CHECK_EQ(std::string(text), "ab");
            ++n;
        }
    }
    for (std::thread & t : threads) {
        t.join();
    }
    CHECK_EQ(chq_log_pending(), 0);
}

TEST(files_that_are_no_models) {
    chq_model * model = nullptr;
    CHECK_STATUS(chq_model_load(nullptr, nullptr, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_model_load("", nullptr, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_model_load("x", nullptr, CHQ_KERNELS_AUTO, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_model_load("no-such-file.gguf", nullptr, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_LOAD);
    CHECK_STATUS(chq_model_load(".", nullptr, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_LOAD);
    CHECK_STATUS(chq_model_load("/dev/zero", nullptr, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_LOAD);
    const std::string path = temporary_path("text.gguf");
    std::ofstream(path) << "not a model, but long enough to be looked at";
    CHECK_STATUS(chq_model_load(path.c_str(), nullptr, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_LOAD);
    CHECK(strstr(chq_last_error(), "not a GGUF file") != nullptr);
    std::ofstream(path) << "GGUF";
    CHECK_STATUS(chq_model_load(path.c_str(), nullptr, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_LOAD);
    CHECK(strstr(chq_last_error(), "too short") != nullptr);
    // the reason is llama.cpp's own
    tiny_options options;
    write_tiny_gguf(path, options);
    llama_model_kv_override wrong[2] = {};
    wrong[0].tag = LLAMA_KV_OVERRIDE_TYPE_STR;
    snprintf(wrong[0].key, sizeof(wrong[0].key), "tokenizer.ggml.pre");
    snprintf(wrong[0].val_str, sizeof(wrong[0].val_str), "no-such-tokenizer");
    llama_model_params params = llama_model_default_params();
    wrong[0].tag = LLAMA_KV_OVERRIDE_TYPE_INT;
    snprintf(wrong[0].key, sizeof(wrong[0].key), "llama.block_count");
    wrong[0].val_i64 = 3;
    params.kv_overrides = wrong;
    CHECK_STATUS(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_LOAD);
    CHECK(strstr(chq_last_error(), "blk.2") != nullptr); // the tensor that is missing
    wrong[0].val_i64 = 0;
    CHECK_STATUS(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_LOAD);
    wrong[0].tag = (llama_model_kv_override_type) 9;
    CHECK_STATUS(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_ARGUMENT);
    memset(wrong[0].key, 'x', sizeof(wrong[0].key));
    CHECK_STATUS(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_ARGUMENT);
    params = llama_model_default_params();
    params.split_mode = (llama_split_mode) 9;
    CHECK_STATUS(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_ARGUMENT);
    params = llama_model_default_params();
    ggml_backend_dev_t devices[] = { (ggml_backend_dev_t) &params, nullptr };
    params.devices = devices;
    CHECK_STATUS(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_ARGUMENT);
    CHECK(model == nullptr);
}

TEST(a_load_can_be_stopped) {
    const std::string path = temporary_path("tiny.gguf");
    write_tiny_gguf(path);
    llama_model_params params = llama_model_default_params();
    static int n_calls;
    n_calls = 0;
    params.progress_callback = [](float progress, void * user) { ++n_calls; return progress < *(float *) user; };
    float limit = 0.3f;
    params.progress_callback_user_data = &limit;
    chq_model * model = nullptr;
    CHECK_STATUS(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_CANCELLED);
    CHECK(n_calls > 0 && model == nullptr);
    limit = 2.0f;
    CHECK_OK(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &model));
    CHECK_OK(chq_model_free(model));
}

TEST(a_model_outlives_its_contexts) {
    const std::string path = temporary_path("tiny.gguf");
    write_tiny_gguf(path);
    chq_model * model = nullptr;
    CHECK_OK(chq_model_load(path.c_str(), nullptr, CHQ_KERNELS_AUTO, &model));
    chq_context * a = nullptr;
    chq_context * b = nullptr;
    CHECK_OK(chq_context_create(model, nullptr, 0, &a));
    CHECK_OK(chq_context_create(model, nullptr, 0, &b));
    CHECK_STATUS(chq_model_free(model), CHQ_STATUS_STATE);
    CHECK_OK(chq_context_free(a));
    CHECK_STATUS(chq_model_free(model), CHQ_STATUS_STATE);
    CHECK_OK(chq_context_free(b));
    CHECK_OK(chq_model_free(model));
}

TEST(one_model_many_threads) {
    tiny_model model;
    std::vector<std::thread> threads;
    std::vector<std::vector<int32_t>> results(4);
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            tiny_context context(model);
            chq_sampler * s = nullptr;
            chq_sampler_create(model.model, &s);
            chq_sampler_add_greedy(s);
            const std::vector<int32_t> prompt = some_tokens(10);
            chq_decode(context.context, 0, prompt.data(), 10, CHQ_OUTPUT_LAST, nullptr);
            chq_sampled out;
            chq_sample(context.context, s, -1, false, &out, nullptr, 0);
            for (int i = 0; i < 50; ++i) {
                results[t].push_back(out.token);
                chq_step(context.context, 0, out.token, s, false, &out, nullptr, 0);
                // errors are the thread's own
                if (chq_seq_remove(context.context, 100 + t, 0, -1) != CHQ_STATUS_ARGUMENT || !strstr(chq_last_error(), std::to_string(100 + t).c_str())) {
                    results[t].push_back(-1);
                }
            }
            chq_sampler_free(s);
        });
    }
    for (std::thread & t : threads) {
        t.join();
    }
    for (int t = 1; t < 4; ++t) {
        CHECK(results[t] == results[0]);
    }
    CHECK_EQ(results[0].size(), 50u);
}

MAIN
