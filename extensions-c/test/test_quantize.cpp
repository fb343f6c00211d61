// Model files in other types of weights.
#include "check.h"
#include "tiny_gguf.h"

#include "gguf.h"

#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <map>
#include <memory>

static std::string model_file() {
    static const std::string path = [] {
        const std::string p = temporary_path("f32.gguf");
        tiny_options options;
        options.n_embd = 256;
        options.n_ff   = 256;
        write_tiny_gguf(p, options);
        CHECK_OK(chq_runtime_init(nullptr));
        return p;
    }();
    return path;
}

static chq_quantize_params params_of(llama_ftype type) {
    chq_quantize_params params = {};
    params.file_type       = type;
    params.n_threads       = 2;
    params.output_type     = -1;
    params.embedding_type  = -1;
    params.quantize_output = true;
    return params;
}

static std::map<std::string, ggml_type> types_of(const std::string & path) {
    std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_from_file(path.c_str(), { true, nullptr }), gguf_free);
    REQUIRE(gguf);
    std::map<std::string, ggml_type> types;
    for (int64_t i = 0; i < gguf_get_n_tensors(gguf.get()); ++i) {
        types[gguf_get_tensor_name(gguf.get(), i)] = gguf_get_tensor_type(gguf.get(), i);
    }
    return types;
}

static bool is_matrix(const std::string & name) {
    return name.find("norm") == std::string::npos && name.size() > 7 && name.compare(name.size() - 7, 7, ".weight") == 0;
}

TEST(pure_types) {
    for (const auto & [file_type, type] : std::map<llama_ftype, ggml_type> {
            { LLAMA_FTYPE_MOSTLY_Q4_0, GGML_TYPE_Q4_0 }, { LLAMA_FTYPE_MOSTLY_Q8_0, GGML_TYPE_Q8_0 }, { LLAMA_FTYPE_MOSTLY_Q4_K_M, GGML_TYPE_Q4_K },
            { LLAMA_FTYPE_MOSTLY_IQ3_S, GGML_TYPE_IQ3_S }, { LLAMA_FTYPE_MOSTLY_F16, GGML_TYPE_F16 } }) {
        const std::string out = temporary_path("pure.gguf");
        chq_quantize_params params = params_of(file_type);
        params.pure = true;
        CHECK_OK(chq_quantize(model_file().c_str(), out.c_str(), &params, nullptr, nullptr));
        for (const auto & [name, is] : types_of(out)) {
            CHECK_EQ((int) is, (int) (is_matrix(name) ? type : GGML_TYPE_F32));
        }
        chq_model * model = nullptr;
        CHECK_OK(chq_model_load(out.c_str(), nullptr, CHQ_KERNELS_OFF, &model));
        CHECK_OK(chq_model_free(model));
    }
}

TEST(types_by_name) {
    const std::string out = temporary_path("named.gguf");
    chq_quantize_params params = params_of(LLAMA_FTYPE_MOSTLY_Q4_0);
    const char *  patterns[] = { "blk\\.0\\.ffn_.*", "ffn_down" };
    const int32_t types[]    = { GGML_TYPE_Q8_0, GGML_TYPE_Q5_0 };
    params.patterns       = patterns;
    params.pattern_types  = types;
    params.n_patterns     = 2;
    params.embedding_type = GGML_TYPE_Q6_K;
    params.output_type    = GGML_TYPE_Q5_1;
    CHECK_OK(chq_quantize(model_file().c_str(), out.c_str(), &params, nullptr, nullptr));
    std::map<std::string, ggml_type> is = types_of(out);
    CHECK_EQ((int) is["blk.0.ffn_down.weight"], (int) GGML_TYPE_Q8_0);
    CHECK_EQ((int) is["blk.1.ffn_down.weight"], (int) GGML_TYPE_Q5_0);
    CHECK_EQ((int) is["token_embd.weight"],     (int) GGML_TYPE_Q6_K);
    if (is.count("output.weight")) {
        CHECK_EQ((int) is["output.weight"], (int) GGML_TYPE_Q5_1);
    }
}

struct seen {
    int32_t calls   = 0;
    int32_t count   = 0;
    int32_t stop_at = -1;
};

static bool on_progress(int32_t index, int32_t count, const char * tensor, void * user) {
    auto * s = (seen *) user;
    CHECK_EQ(index, s->calls);
    CHECK(tensor[0] != 0);
    s->count = count;
    return s->calls++ != s->stop_at;
}

TEST(progress_and_stop) {
    const std::string out = temporary_path("progress.gguf");
    const chq_quantize_params params = params_of(LLAMA_FTYPE_MOSTLY_Q4_0);
    seen all;
    CHECK_OK(chq_quantize(model_file().c_str(), out.c_str(), &params, on_progress, &all));
    CHECK_EQ(all.calls, all.count);
    CHECK_EQ(all.count, (int32_t) types_of(model_file()).size());
    seen some;
    some.stop_at = 3;
    CHECK_STATUS(chq_quantize(model_file().c_str(), out.c_str(), &params, on_progress, &some), CHQ_STATUS_CANCELLED);
    CHECK_EQ(some.calls, 4);
}

TEST(what_cannot_be) {
    const std::string out = temporary_path("no.gguf");
    const std::string in  = model_file();
    const auto quantize = [&](const chq_quantize_params & params) { return chq_quantize(in.c_str(), out.c_str(), &params, nullptr, nullptr); };
    CHECK_STATUS(quantize(params_of((llama_ftype) 4)),            CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(quantize(params_of((llama_ftype) 1000)),         CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(quantize(params_of(LLAMA_FTYPE_MOSTLY_IQ1_S)),   CHQ_STATUS_UNSUPPORTED);
    CHECK_STATUS(quantize(params_of(LLAMA_FTYPE_MOSTLY_Q2_K_S)),  CHQ_STATUS_UNSUPPORTED);
    chq_quantize_params params = params_of(LLAMA_FTYPE_MOSTLY_Q4_0);
    params.output_type = GGML_TYPE_Q8_K;
    CHECK_STATUS(quantize(params), CHQ_STATUS_UNSUPPORTED);
    params.output_type = 999;
    CHECK_STATUS(quantize(params), CHQ_STATUS_ARGUMENT);
    params = params_of(LLAMA_FTYPE_MOSTLY_Q4_0);
    const char * pattern = "(";
    const int32_t type = GGML_TYPE_Q8_0;
    params.patterns      = &pattern;
    params.pattern_types = &type;
    params.n_patterns    = 1;
    CHECK_STATUS(quantize(params), CHQ_STATUS_ARGUMENT);
    const std::string deep(100000, '(');
    pattern = deep.c_str();
    CHECK_STATUS(quantize(params), CHQ_STATUS_ARGUMENT);

    params = params_of(LLAMA_FTYPE_MOSTLY_Q4_0);
    CHECK_STATUS(chq_quantize(in.c_str(), in.c_str(), &params, nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_quantize("no/such.gguf", out.c_str(), &params, nullptr, nullptr), CHQ_STATUS_LOAD);
    CHECK_STATUS(chq_quantize(in.c_str(), "/no/such/folder/out.gguf", &params, nullptr, nullptr), CHQ_STATUS_WRITE);
    CHECK_OK(quantize(params));
    const std::string again = temporary_path("again.gguf");
    params.file_type = LLAMA_FTYPE_MOSTLY_Q8_0;
    CHECK_STATUS(chq_quantize(out.c_str(), again.c_str(), &params, nullptr, nullptr), CHQ_STATUS_UNSUPPORTED);
    params.requantize = true;
    CHECK_OK(chq_quantize(out.c_str(), again.c_str(), &params, nullptr, nullptr));
}

TEST(rows_that_do_not_fill_blocks) {
    const std::string narrow = temporary_path("narrow.gguf");
    write_tiny_gguf(narrow, {}); // rows of 64
    const std::string out = temporary_path("narrow-out.gguf");
    chq_quantize_params params = params_of(LLAMA_FTYPE_MOSTLY_Q4_K_M);
    params.pure = true;
    CHECK_OK(chq_quantize(narrow.c_str(), out.c_str(), &params, nullptr, nullptr));
    CHECK_EQ((int) types_of(out)["blk.0.attn_q.weight"], (int) GGML_TYPE_Q5_0); // what llama.cpp takes instead
    params.embedding_type = GGML_TYPE_Q6_K;
    CHECK_STATUS(chq_quantize(narrow.c_str(), out.c_str(), &params, nullptr, nullptr), CHQ_STATUS_UNSUPPORTED);
}

TEST(a_full_disk) {
    const std::string in  = model_file();
    const std::string out = temporary_path("full.gguf");
    const chq_quantize_params params = params_of(LLAMA_FTYPE_MOSTLY_Q8_0);
    CHECK_OK(chq_quantize(in.c_str(), out.c_str(), &params, nullptr, nullptr));
    std::unique_ptr<FILE, int (*)(FILE *)> whole(fopen(out.c_str(), "rb"), fclose);
    fseek(whole.get(), 0, SEEK_END);
    const rlim_t size = (rlim_t) ftell(whole.get());
    signal(SIGXFSZ, SIG_IGN);
    rlimit before;
    getrlimit(RLIMIT_FSIZE, &before);
    for (rlim_t missing : { (rlim_t) 1, (rlim_t) 33, size / 2, size - 100 }) {
        const rlimit less { size - missing, before.rlim_max };
        setrlimit(RLIMIT_FSIZE, &less);
        const chq_status status = chq_quantize(in.c_str(), out.c_str(), &params, nullptr, nullptr);
        setrlimit(RLIMIT_FSIZE, &before);
        CHECK_STATUS(status, CHQ_STATUS_WRITE);
    }
}

TEST(tensors_without_numbers) {
    const std::string in  = temporary_path("nothing.gguf");
    const std::string out = temporary_path("nothing-out.gguf");
    std::unique_ptr<gguf_context, void (*)(gguf_context *)> model(gguf_init_from_file(model_file().c_str(), { true, nullptr }), gguf_free);
    std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_empty(), gguf_free);
    gguf_set_kv(gguf.get(), model.get());
    std::unique_ptr<ggml_context, void (*)(ggml_context *)> tensors(ggml_init({ 1u << 16, nullptr, false }), ggml_free);
    ggml_tensor * nothing = ggml_new_tensor_2d(tensors.get(), GGML_TYPE_F32, 0, 3);
    nothing->data = nothing; // gguf wants one
    ggml_set_name(nothing, "blk.0.nothing.weight");
    gguf_add_tensor(gguf.get(), nothing);
    REQUIRE(gguf_write_to_file(gguf.get(), in.c_str(), false));
    const chq_quantize_params params = params_of(LLAMA_FTYPE_MOSTLY_Q4_0);
    CHECK_STATUS(chq_quantize(in.c_str(), out.c_str(), &params, nullptr, nullptr), CHQ_STATUS_LOAD);
}

// Numbers that no quantiser expects.
TEST(wild_weights) {
    const std::string out = temporary_path("wild.gguf");
    for (float wild : { 3e38f, 1e-38f, 0.0f }) {
        const std::string in = temporary_path("wild-in.gguf");
        tiny_options options;
        options.n_embd = 256;
        options.n_ff   = 256;
        write_tiny_gguf(in, options);
        std::unique_ptr<FILE, int (*)(FILE *)> file(fopen(in.c_str(), "r+b"), fclose);
        fseek(file.get(), -256 * 1024, SEEK_END);
        const std::vector<float> row(256 * 64, wild);
        REQUIRE(fwrite(row.data(), sizeof(float), row.size(), file.get()) == row.size());
        file.reset();
        for (llama_ftype type : { LLAMA_FTYPE_MOSTLY_Q4_0, LLAMA_FTYPE_MOSTLY_Q2_K, LLAMA_FTYPE_MOSTLY_Q3_K_M, LLAMA_FTYPE_MOSTLY_Q4_K_M, LLAMA_FTYPE_MOSTLY_Q6_K,
                LLAMA_FTYPE_MOSTLY_IQ4_XS, LLAMA_FTYPE_MOSTLY_IQ3_S, LLAMA_FTYPE_MOSTLY_TQ1_0, LLAMA_FTYPE_MOSTLY_MXFP4_MOE, LLAMA_FTYPE_MOSTLY_Q1_0 }) {
            chq_quantize_params params = params_of(type);
            params.pure = true;
            const chq_status status = chq_quantize(in.c_str(), out.c_str(), &params, nullptr, nullptr);
            CHECK(status == CHQ_STATUS_OK || status == CHQ_STATUS_LOAD || status == CHQ_STATUS_UNSUPPORTED);
        }
    }
}

MAIN
