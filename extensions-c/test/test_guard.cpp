// ggml_abort() on the thread of a guarded call must become a status, and the process must go on.
#include "check.h"
#include "tiny_gguf.h"

#include "ggml.h"

// ggml_view_1d beyond the end of its source: an assertion of ggml.c, which is C.
static void break_ggml() {
    ggml_init_params params = { 1 << 16, nullptr, true };
    ggml_context * ctx = ggml_init(params);
    ggml_tensor * t = ggml_new_tensor_1d(ctx, GGML_TYPE_F32, 4);
    ggml_reshape_1d(ctx, t, 5);
}

TEST(abort_while_loading_is_a_failed_load) {
    CHECK_OK(chq_runtime_init(nullptr));
    const std::string path = temporary_path("abort.gguf");
    write_tiny_gguf(path);
    llama_model_params params = llama_model_default_params();
    params.progress_callback = [](float, void *) { break_ggml(); return true; };
    chq_model * model = nullptr;
    CHECK_STATUS(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &model), CHQ_STATUS_LOAD);
    CHECK(strstr(chq_last_error(), "ggml.c") != nullptr);
    CHECK(model == nullptr);
    CHECK_OK(chq_model_load(path.c_str(), nullptr, CHQ_KERNELS_AUTO, &model));
    CHECK_OK(chq_model_free(model));
}

TEST(abort_while_decoding_poisons_the_context_only) {
    tiny_model model;
    llama_context_params params = llama_context_default_params();
    params.n_ctx     = 256;
    params.n_threads = params.n_threads_batch = 1;
    chq_context * broken = nullptr;
    CHECK_OK(chq_context_create(model.model, &params, 0, &broken));
    const std::vector<int32_t> tokens = some_tokens(8);
    CHECK_OK(chq_decode(broken, 0, tokens.data(), 8, CHQ_OUTPUT_LAST, nullptr));

    // runs inside ggml's compute loop, several C frames below llama_decode
    llama_set_abort_callback(chq_context_llama(broken), [](void *) { break_ggml(); return false; }, nullptr);
    CHECK_STATUS(chq_decode(broken, 0, tokens.data(), 8, CHQ_OUTPUT_LAST, nullptr), CHQ_STATUS_ABORTED);
    CHECK(strstr(chq_last_error(), "ggml.c") != nullptr);

    struct chq_context_info info;
    CHECK_OK(chq_context_get_info(broken, &info));
    CHECK(info.poisoned);
    const float * data;
    int32_t n = 0;
    CHECK_STATUS(chq_decode(broken, 0, tokens.data(), 1, CHQ_OUTPUT_LAST, &n), CHQ_STATUS_ABORTED);
    CHECK_STATUS(chq_logits(broken, &data, &n), CHQ_STATUS_ABORTED);
    CHECK_STATUS(chq_seq_remove(broken, 0, 0, -1), CHQ_STATUS_ABORTED);
    CHECK_STATUS(chq_context_clear(broken), CHQ_STATUS_ABORTED);

    // the model is as good as before
    {
        tiny_context context(model);
        CHECK_OK(chq_decode(context.context, 0, tokens.data(), 8, CHQ_OUTPUT_LAST, &n));
        CHECK_EQ(n, 8);
        CHECK_STATUS(chq_model_free(model.model), CHQ_STATUS_STATE); // two contexts are open
    }
    CHECK_OK(chq_context_free(broken));
}

TEST(wrong_handles_are_told_from_good_ones) {
    tiny_model model;
    chq_sampler * sampler = nullptr;
    CHECK_OK(chq_sampler_create(model.model, &sampler));
    CHECK_STATUS(chq_sampler_add_greedy((chq_sampler *) model.model), CHQ_STATUS_ARGUMENT);
    struct chq_model_info info;
    CHECK_STATUS(chq_model_get_info((chq_model *) sampler, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_model_get_info(nullptr, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_model_get_info(model.model, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK(strstr(chq_last_error(), "out is NULL") != nullptr);
    CHECK(chq_model_llama(nullptr) == nullptr);
    CHECK(chq_context_llama(nullptr) == nullptr);
    chq_context_cancel(nullptr);
    chq_context_cancel_reset(nullptr);
    CHECK_OK(chq_sampler_free(sampler));
    CHECK_OK(chq_sampler_free(nullptr));
    CHECK_OK(chq_context_free(nullptr));
    CHECK_OK(chq_model_free(nullptr));
}

TEST(names_of_statuses) {
    CHECK_EQ(std::string(chq_status_name(CHQ_STATUS_OK)), "ok");
    CHECK_EQ(std::string(chq_status_name(CHQ_STATUS_INTERNAL)), "internal");
    CHECK_EQ(std::string(chq_status_name(99)), "unknown");
}

MAIN
