// LoRA adapters and control vectors.
#include "check.h"
#include "tiny_gguf.h"

#include "gguf.h"

#include <cmath>
#include <cstring>
#include <memory>

using floats = std::vector<float>;

static const std::vector<int32_t> TEXT { 10, 20, 30, 40, 50 };

static floats logits(chq_context * context) {
    CHECK_OK(chq_context_clear(context));
    CHECK_OK(chq_decode(context, 0, TEXT.data(), (int32_t) TEXT.size(), CHQ_OUTPUT_LAST, nullptr));
    const float * data = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context, &data, &n));
    const floats row(data, data + 300);
    CHECK_OK(chq_context_clear(context));
    return row;
}

static double difference(const floats & a, const floats & b) {
    double most = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        most = std::max(most, (double) std::fabs(a[i] - b[i]));
    }
    return most;
}

static uint64_t fit(chq_context * context) {
    uint64_t number = 0;
    CHECK_OK(chq_state_fit(context, &number));
    return number;
}

static std::string adapter_file(uint32_t seed, const tiny_options & base = {}) {
    const std::string path = temporary_path("lora.gguf");
    tiny_options options = base;
    options.seed = seed;
    write_tiny_lora(path, options);
    return path;
}

struct lora {
    chq_lora * adapter = nullptr;

    lora(const tiny_model & model, const std::string & path) { CHECK_OK(chq_lora_load(model.model, path.c_str(), &adapter)); }
    ~lora() { CHECK_STATUS(chq_lora_free(adapter), CHQ_STATUS_OK); }
    lora(const lora &) = delete;
};

TEST(adapters_are_set_and_taken_away) {
    tiny_model model;
    lora one(model, adapter_file(1));
    tiny_context context(model);
    lora two(model, adapter_file(2)); // also after the context was made
    const floats   plain     = logits(context.context);
    const uint64_t plain_fit = fit(context.context);
    const float scales[] = { 1, 0.5f };
    chq_lora * both[] = { one.adapter, two.adapter };
    chq_lora * swapped[] = { two.adapter, one.adapter };
    const float swapped_scales[] = { 0.5f, 1 };

    CHECK_OK(chq_context_set_loras(context.context, &one.adapter, scales, 1));
    const floats   first     = logits(context.context);
    const uint64_t first_fit = fit(context.context);
    CHECK(difference(plain, first) > 1e-3);
    CHECK(first_fit != plain_fit);
    CHECK_STATUS(chq_lora_free(one.adapter), CHQ_STATUS_STATE);

    CHECK_OK(chq_context_set_loras(context.context, both, scales, 2));
    const floats   second     = logits(context.context);
    const uint64_t second_fit = fit(context.context);
    CHECK(difference(first, second) > 1e-3);
    CHECK(second_fit != first_fit);
    CHECK_OK(chq_context_set_loras(context.context, swapped, swapped_scales, 2));
    CHECK_EQ(fit(context.context), second_fit);
    CHECK(difference(logits(context.context), second) < 1e-4);

    const float half = 0.5f;
    CHECK_OK(chq_context_set_loras(context.context, &one.adapter, &half, 1));
    CHECK(fit(context.context) != first_fit);
    CHECK(difference(logits(context.context), first) > 1e-4);

    const float zero = 0;
    CHECK_OK(chq_context_set_loras(context.context, &one.adapter, &zero, 1));
    CHECK_EQ(fit(context.context), plain_fit);
    CHECK(difference(logits(context.context), plain) == 0);
    CHECK_OK(chq_context_set_loras(context.context, nullptr, nullptr, 0));
    CHECK_EQ(fit(context.context), plain_fit);
}

TEST(a_full_sequence_is_in_the_way) {
    tiny_model model;
    lora one(model, adapter_file(1));
    tiny_context context(model);
    CHECK_OK(chq_decode(context.context, 0, TEXT.data(), 3, CHQ_OUTPUT_LAST, nullptr));
    const float scale = 1;
    CHECK_STATUS(chq_context_set_loras(context.context, &one.adapter, &scale, 1), CHQ_STATUS_STATE);
    floats rows(64, 1.0f);
    CHECK_STATUS(chq_context_set_control_vector(context.context, rows.data(), 1, 64, 1, 1), CHQ_STATUS_STATE);
    CHECK_OK(chq_seq_remove(context.context, 0, 0, -1));
    CHECK_OK(chq_context_set_loras(context.context, &one.adapter, &scale, 1));
    CHECK_STATUS(chq_model_free(model.model), CHQ_STATUS_STATE);
}

// Two texts take turns, each with adapters of its own, token by token.
TEST(sequences_take_turns_with_adapters) {
    tiny_model model;
    lora one(model, adapter_file(1));
    lora two(model, adapter_file(2));
    struct turn { chq_lora * adapter; float scale; };
    const int32_t n_turns = 4;
    const turn turns[n_turns] = { { nullptr, 0 }, { one.adapter, 1 }, { two.adapter, 1 }, { one.adapter, 0.5f } };
    tiny_context context(model, [](llama_context_params & p) { p.n_seq_max = 4; p.kv_unified = true; });
    const auto use = [&](const turn & t) { CHECK_OK(chq_context_switch_loras(context.context, &t.adapter, &t.scale, t.adapter ? 1 : 0)); };
    const auto last_row = [](chq_context * c) {
        const float * data = nullptr;
        int32_t n = 0;
        CHECK_OK(chq_logits(c, &data, &n));
        return floats(data, data + 300);
    };
    std::vector<floats> expected;
    for (const turn & t : turns) {
        tiny_context own(model);
        CHECK_OK(chq_context_set_loras(own.context, &t.adapter, &t.scale, t.adapter ? 1 : 0));
        expected.push_back(logits(own.context));
    }
    std::vector<floats> rows((size_t) n_turns);
    for (const int32_t token : TEXT) {
        for (int32_t i = 0; i < n_turns; ++i) {
            use(turns[i]);
            CHECK_OK(chq_decode(context.context, i, &token, 1, CHQ_OUTPUT_LAST, nullptr));
            rows[(size_t) i] = last_row(context.context);
        }
    }
    for (size_t i = 0; i < rows.size(); ++i) {
        CHECK(difference(rows[i], expected[i]) < 1e-3);
        for (size_t k = 0; k < i; ++k) {
            CHECK(difference(rows[i], rows[k]) > 1e-2);
        }
    }
    CHECK_OK(chq_context_clear(context.context));
    use(turns[0]);
}

TEST(a_state_goes_where_the_same_adapters_are) {
    tiny_model model;
    lora one(model, adapter_file(1));
    tiny_context context(model);
    const float scale = 1;
    CHECK_OK(chq_context_set_loras(context.context, &one.adapter, &scale, 1));
    CHECK_OK(chq_decode(context.context, 0, TEXT.data(), 5, CHQ_OUTPUT_LAST, nullptr));
    size_t size = 0;
    CHECK_STATUS(chq_seq_save(context.context, 0, TEXT.data(), 5, nullptr, 0, false, nullptr, 0, &size), CHQ_STATUS_BUFFER);
    std::vector<uint8_t> state(size);
    CHECK_OK(chq_seq_save(context.context, 0, TEXT.data(), 5, nullptr, 0, false, state.data(), size, &size));
    CHECK_OK(chq_state_seal(state.data(), size, state.data()));
    int32_t ids[5];
    int32_t n = 0;
    bool with_logits = false;
    const auto restore = [&](chq_context * into) { return chq_seq_restore(into, 0, state.data(), size, false, ids, 5, &n, &with_logits); };
    tiny_context other(model);
    CHECK_STATUS(restore(other.context), CHQ_STATUS_ARGUMENT);
    CHECK(strstr(chq_last_error(), "adapters"));
    CHECK_OK(chq_context_set_loras(other.context, &one.adapter, &scale, 1));
    CHECK_OK(restore(other.context));
}

TEST(files_that_are_no_adapters) {
    tiny_model model;
    chq_lora * out = nullptr;
    CHECK_STATUS(chq_lora_load(model.model, "no/such.gguf", &out), CHQ_STATUS_LOAD);
    const std::string base = temporary_path("base.gguf");
    write_tiny_gguf(base);
    CHECK_STATUS(chq_lora_load(model.model, base.c_str(), &out), CHQ_STATUS_LOAD);
    tiny_options wide;
    wide.n_embd = 128;
    wide.n_ff   = 128;
    CHECK_STATUS(chq_lora_load(model.model, adapter_file(1, wide).c_str(), &out), CHQ_STATUS_LOAD);
    tiny_options deep;
    deep.n_layer = 3;
    CHECK_STATUS(chq_lora_load(model.model, adapter_file(1, deep).c_str(), &out), CHQ_STATUS_LOAD);
    tiny_options foreign;
    foreign.arch = "gemma2";
    CHECK_STATUS(chq_lora_load(model.model, adapter_file(1, foreign).c_str(), &out), CHQ_STATUS_LOAD);

    // cut off anywhere
    const std::string whole = adapter_file(3);
    FILE * file = fopen(whole.c_str(), "rb");
    std::vector<char> content(1 << 20);
    content.resize(fread(content.data(), 1, content.size(), file));
    fclose(file);
    for (size_t n = 0; n < content.size(); n += content.size() / 23) {
        const std::string part = temporary_path("part.gguf");
        file = fopen(part.c_str(), "wb");
        fwrite(content.data(), 1, n, file);
        fclose(file);
        CHECK_STATUS(chq_lora_load(model.model, part.c_str(), &out), CHQ_STATUS_LOAD);
    }
}

// Metadata of other types, and tensors of shapes and types that llama.cpp does not expect.
TEST(odd_adapters) {
    tiny_model model;
    const auto load = [&](void (*metadata)(gguf_context *), ggml_type type, int64_t n_matrices) {
        const std::string path = temporary_path("odd.gguf");
        std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_empty(), gguf_free);
        std::unique_ptr<ggml_context, void (*)(ggml_context *)> tensors(ggml_init({ 1u << 20, nullptr, false }), ggml_free);
        gguf_set_val_str(gguf.get(), "general.architecture", "llama");
        gguf_set_val_str(gguf.get(), "general.type", "adapter");
        gguf_set_val_str(gguf.get(), "adapter.type", "lora");
        gguf_set_val_f32(gguf.get(), "adapter.lora.alpha", 8);
        if (metadata) {
            metadata(gguf.get());
        }
        ggml_tensor * a = ggml_new_tensor_3d(tensors.get(), type, 96, 4, n_matrices);
        ggml_tensor * b = ggml_new_tensor_3d(tensors.get(), type, 4, 64, n_matrices);
        memset(a->data, 0, ggml_nbytes(a));
        memset(b->data, 0, ggml_nbytes(b));
        ggml_set_name(a, "blk.0.ffn_down.weight.lora_a");
        ggml_set_name(b, "blk.0.ffn_down.weight.lora_b");
        gguf_add_tensor(gguf.get(), a);
        gguf_add_tensor(gguf.get(), b);
        REQUIRE(gguf_write_to_file(gguf.get(), path.c_str(), false));
        chq_lora * out = nullptr;
        const chq_status status = chq_lora_load(model.model, path.c_str(), &out);
        CHECK_OK(chq_lora_free(out));
        return status;
    };
    CHECK_STATUS(load(nullptr, GGML_TYPE_F32, 1), CHQ_STATUS_OK);
    CHECK_STATUS(load(nullptr, GGML_TYPE_F16, 1), CHQ_STATUS_OK);
    CHECK_STATUS(load(nullptr, GGML_TYPE_I32, 1), CHQ_STATUS_LOAD);
    CHECK_STATUS(load(nullptr, GGML_TYPE_F64, 1), CHQ_STATUS_LOAD);
    CHECK_STATUS(load(nullptr, GGML_TYPE_F32, 2), CHQ_STATUS_LOAD);
    CHECK_STATUS(load([](gguf_context * g) { gguf_set_val_u32(g, "general.type", 1); },         GGML_TYPE_F32, 1), CHQ_STATUS_LOAD);
    CHECK_STATUS(load([](gguf_context * g) { gguf_set_val_u32(g, "general.architecture", 1); }, GGML_TYPE_F32, 1), CHQ_STATUS_LOAD);
    CHECK_STATUS(load([](gguf_context * g) { gguf_set_val_str(g, "adapter.lora.alpha", "8"); }, GGML_TYPE_F32, 1), CHQ_STATUS_LOAD);
    CHECK_STATUS(load([](gguf_context * g) { gguf_set_val_str(g, "adapter.type", "other"); },   GGML_TYPE_F32, 1), CHQ_STATUS_LOAD);
    CHECK_STATUS(load([](gguf_context * g) {
        const uint32_t tokens[] = { 1, 2 };
        gguf_set_arr_data(g, "adapter.alora.invocation_tokens", GGUF_TYPE_UINT32, tokens, 2);
    }, GGML_TYPE_F32, 1), CHQ_STATUS_UNSUPPORTED);
}

TEST(bad_arguments) {
    tiny_model model;
    tiny_model other;
    lora one(model, adapter_file(1));
    lora foreign(other, adapter_file(1));
    tiny_context context(model);
    const float scales[] = { 1, 1 };
    const float nan = NAN;
    chq_lora * twice[] = { one.adapter, one.adapter };
    CHECK_STATUS(chq_context_set_loras(context.context, nullptr, scales, 1), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_set_loras(context.context, &one.adapter, nullptr, 1), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_set_loras(context.context, &one.adapter, scales, -1), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_set_loras(context.context, &one.adapter, &nan, 1), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_set_loras(context.context, twice, scales, 2), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_set_loras(context.context, &foreign.adapter, scales, 1), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_switch_loras(context.context, nullptr, scales, 1), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_switch_loras(context.context, &foreign.adapter, scales, 1), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_switch_loras(nullptr, &one.adapter, scales, 1), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_context_set_loras(context.context, nullptr, nullptr, 0));
    uint64_t a = 0, b = 0;
    CHECK_OK(chq_lora_fingerprint(one.adapter, &a));
    CHECK_OK(chq_lora_fingerprint(foreign.adapter, &b));
    CHECK_EQ(a, b);
}

TEST(control_vectors) {
    tiny_options options;
    options.n_layer = 3;
    tiny_model model(options);
    tiny_context context(model);
    const floats plain = logits(context.context);
    const uint64_t plain_fit = fit(context.context);
    floats rows(2 * 64);
    for (size_t i = 0; i < rows.size(); ++i) {
        rows[i] = std::sin((float) i);
    }
    const auto set = [&](int32_t first, int32_t last) {
        CHECK_OK(chq_context_set_control_vector(context.context, rows.data(), 2, 64, first, last));
        return logits(context.context);
    };
    const floats both  = set(1, 2);
    const uint64_t both_fit = fit(context.context);
    CHECK(difference(plain, both) > 1e-2);
    CHECK(both_fit != plain_fit);
    const floats first = set(1, 1);
    CHECK(difference(first, both) > 1e-3);
    CHECK(fit(context.context) != both_fit);
    for (float & x : rows) {
        x = -x;
    }
    CHECK(difference(set(1, 2), both) > 1e-2);
    std::fill(rows.begin(), rows.end(), 0.0f);
    CHECK(difference(set(1, 2), plain) < 1e-4);
    CHECK_OK(chq_context_set_control_vector(context.context, nullptr, 0, 0, 0, 0));
    CHECK_EQ(fit(context.context), plain_fit);
    CHECK(difference(logits(context.context), plain) == 0);

    rows[3] = INFINITY;
    CHECK_STATUS(chq_context_set_control_vector(context.context, rows.data(), 2, 64, 1, 2), CHQ_STATUS_ARGUMENT);
    rows[3] = 0;
    CHECK_STATUS(chq_context_set_control_vector(context.context, rows.data(), 1, 64, 1, 2), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_set_control_vector(context.context, rows.data(), 2, 63, 1, 2), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_set_control_vector(context.context, rows.data(), 2, 64, 0, 2), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_set_control_vector(context.context, rows.data(), 2, 64, 1, 3), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_set_control_vector(context.context, rows.data(), 2, 64, 2, 1), CHQ_STATUS_ARGUMENT);
}

MAIN
