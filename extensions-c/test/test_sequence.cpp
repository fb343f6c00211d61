// Sequences: removing, copying, shifting, and saving them.
#include "check.h"
#include "tiny_gguf.h"

#include <cmath>
#include <random>

static std::vector<float> next_logits(chq_context * context, int32_t seq_id, const std::vector<int32_t> & tokens) {
    CHECK_OK(chq_decode(context, seq_id, tokens.data(), (int32_t) tokens.size(), CHQ_OUTPUT_LAST, nullptr));
    const float * data = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context, &data, &n));
    return std::vector<float>(data, data + 300);
}

static double distance(const std::vector<float> & a, const std::vector<float> & b) {
    double sum = 0;
    double norm = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        sum  += (a[i] - b[i]) * (a[i] - b[i]);
        norm += a[i] * a[i];
    }
    return std::sqrt(sum / norm);
}

struct range {
    int32_t first = -9;
    int32_t last  = -9;
    bool operator==(const range & o) const { return first == o.first && last == o.last; }
};

static std::ostream & operator<<(std::ostream & out, const range & r) {
    return out << "[" << r.first << ", " << r.last << "]";
}

static range range_of(chq_context * context, int32_t seq_id) {
    range r;
    CHECK_OK(chq_seq_range(context, seq_id, &r.first, &r.last));
    return r;
}

TEST(remove_and_go_on) {
    tiny_model model;
    tiny_context context(model);
    const std::vector<int32_t> a = some_tokens(30, 1);
    const std::vector<int32_t> b = some_tokens(20, 2);
    CHECK_EQ(range_of(context.context, 0), (range { -1, -1 }));
    next_logits(context.context, 0, a);
    next_logits(context.context, 0, b);
    CHECK_OK(chq_seq_remove(context.context, 0, 30, -1));
    CHECK_EQ(range_of(context.context, 0), (range { 0, 29 }));
    const std::vector<float> again = next_logits(context.context, 0, b);
    tiny_context fresh(model);
    next_logits(fresh.context, 0, a);
    CHECK(distance(again, next_logits(fresh.context, 0, b)) < 1e-5);
    // the middle leaves a hole, whose cells are free again
    int32_t room = 0;
    CHECK_OK(chq_seq_remove(context.context, 0, 10, 20));
    CHECK_EQ(range_of(context.context, 0), (range { 0, 49 }));
    CHECK_OK(chq_context_room(context.context, 0, &room));
    CHECK_EQ(room, 512 - 40);
    CHECK_OK(chq_seq_remove(context.context, 0, 0, -1));
    CHECK_EQ(range_of(context.context, 0), (range { -1, -1 }));
    CHECK_OK(chq_context_room(context.context, 0, &room));
    CHECK_EQ(room, 512);
    CHECK_OK(chq_seq_remove(context.context, 0, 5, 9)); // nothing there
}

TEST(copies_diverge) {
    for (bool unified : { true, false }) {
        tiny_model model;
        tiny_context context(model, unified ?
            [](llama_context_params & p) { p.n_seq_max = 3; p.kv_unified = true; } :
            [](llama_context_params & p) { p.n_seq_max = 3; p.kv_unified = false; p.n_ctx = 1536; });
        const std::vector<int32_t> a = some_tokens(30, 1);
        const std::vector<int32_t> b = some_tokens(10, 2);
        const std::vector<int32_t> c = some_tokens(10, 3);
        next_logits(context.context, 0, a);
        CHECK_OK(chq_seq_copy(context.context, 0, 1));
        CHECK_OK(chq_seq_copy(context.context, 1, 2)); // before the first copy was carried out
        CHECK_OK(chq_seq_remove(context.context, 1, 0, -1));
        CHECK_OK(chq_seq_copy(context.context, 0, 0));
        CHECK_EQ(range_of(context.context, 2), (range { 0, 29 }));
        CHECK_EQ(range_of(context.context, 1), (range { -1, -1 }));
        const std::vector<float> with_b = next_logits(context.context, 0, b);
        const std::vector<float> with_c = next_logits(context.context, 2, c);
        tiny_context fresh(model);
        next_logits(fresh.context, 0, a);
        CHECK(distance(with_b, next_logits(fresh.context, 0, b)) < 1e-5);
        CHECK_OK(chq_seq_remove(fresh.context, 0, 30, -1));
        CHECK(distance(with_c, next_logits(fresh.context, 0, c)) < 1e-5);
    }
}

TEST(shift) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_seq_max = 2; p.kv_unified = true; });
    next_logits(context.context, 0, some_tokens(40));
    CHECK_STATUS(chq_seq_shift(context.context, 0, 20, -1, -5), CHQ_STATUS_ARGUMENT);  // onto others
    CHECK_STATUS(chq_seq_shift(context.context, 0, 0, 20, 5), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_shift(context.context, 0, 0, -1, -1), CHQ_STATUS_ARGUMENT);   // below 0
    CHECK_STATUS(chq_seq_shift(context.context, 0, 0, -1, INT32_MAX), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_seq_remove(context.context, 0, 10, 20));
    CHECK_OK(chq_seq_shift(context.context, 0, 20, -1, -10));
    CHECK_EQ(range_of(context.context, 0), (range { 0, 29 }));
    int32_t room = 0;
    CHECK_OK(chq_context_room(context.context, 0, &room));
    CHECK_EQ(room, 482);
    next_logits(context.context, 0, some_tokens(5));
    CHECK_EQ(range_of(context.context, 0), (range { 0, 34 }));
    CHECK_OK(chq_seq_copy(context.context, 0, 1));
    CHECK_STATUS(chq_seq_shift(context.context, 0, 0, -1, 3), CHQ_STATUS_UNSUPPORTED); // cells are shared
    CHECK_OK(chq_seq_remove(context.context, 1, 0, -1));
    CHECK_OK(chq_seq_shift(context.context, 0, 0, -1, 3));
    CHECK_EQ(range_of(context.context, 0), (range { 3, 37 }));
}

TEST(bad_arguments) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_seq_max = 2; });
    int32_t first = 0;
    for (int32_t seq_id : { -1, 2, INT32_MAX, INT32_MIN }) {
        CHECK_STATUS(chq_seq_range(context.context, seq_id, &first, &first), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_seq_remove(context.context, seq_id, 0, -1), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_seq_copy(context.context, seq_id, 0), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_seq_copy(context.context, 0, seq_id), CHQ_STATUS_ARGUMENT);
        CHECK_STATUS(chq_seq_shift(context.context, seq_id, 0, -1, 1), CHQ_STATUS_ARGUMENT);
    }
    CHECK_STATUS(chq_seq_remove(context.context, 0, -1, -1), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_remove(context.context, 0, 5, 4), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_shift(context.context, 0, -2, -1, 1), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_seq_range(context.context, 0, nullptr, nullptr));
}

TEST(a_recurrent_model_forgets_all_or_nothing) {
    tiny_options options;
    options.arch = "mamba";
    tiny_model model(options);
    tiny_context context(model, [](llama_context_params & p) { p.n_seq_max = 2; });
    struct chq_model_info info;
    CHECK_OK(chq_model_get_info(model.model, &info));
    CHECK(info.is_recurrent);
    const std::vector<int32_t> a = some_tokens(30);
    const std::vector<float> before = next_logits(context.context, 0, a);
    CHECK_STATUS(chq_seq_remove(context.context, 0, 10, -1), CHQ_STATUS_UNSUPPORTED);
    CHECK_EQ(range_of(context.context, 0).last, 29);
    CHECK_OK(chq_seq_remove(context.context, 0, 0, -1));
    CHECK(distance(before, next_logits(context.context, 0, a)) < 1e-5);
    int32_t room = 0;
    CHECK_OK(chq_context_room(context.context, 0, &room));
    CHECK(room > 1 << 30); // its state does not grow
    next_logits(context.context, 0, some_tokens(700)); // longer than n_ctx
}

TEST(a_window_that_has_slid_does_not_come_back) {
    tiny_options options;
    options.arch  = "gemma2";
    options.n_swa = 32;
    tiny_model model(options);
    const auto set = [](llama_context_params & p) { p.n_batch = p.n_ubatch = 32; p.swa_full = false; };
    tiny_context context(model, set);
    const std::vector<int32_t> a = some_tokens(400);
    next_logits(context.context, 0, a);
    const range before = range_of(context.context, 0);
    CHECK(before.first > 0);
    CHECK_STATUS(chq_seq_remove(context.context, 0, 100, -1), CHQ_STATUS_UNSUPPORTED);
    CHECK_EQ(range_of(context.context, 0), before);
    // a few tokens back the window is still whole
    CHECK_OK(chq_seq_remove(context.context, 0, 398, -1));
    const std::vector<float> again = next_logits(context.context, 0, { a[398], a[399] });
    tiny_context fresh(model, set);
    CHECK(distance(again, next_logits(fresh.context, 0, a)) < 1e-2);
}

// ---- saved sequences -----------------------------------------------------------------------

static std::vector<uint8_t> save(chq_context * context, int32_t seq_id, const std::vector<int32_t> & tokens) {
    size_t size = 0;
    CHECK_STATUS(chq_seq_save(context, seq_id, tokens.data(), (int32_t) tokens.size(), nullptr, 0, &size), CHQ_STATUS_BUFFER);
    std::vector<uint8_t> data(size);
    CHECK_OK(chq_seq_save(context, seq_id, tokens.data(), (int32_t) tokens.size(), data.data(), data.size(), &size));
    CHECK_EQ(size, data.size());
    return data;
}

TEST(save_and_restore) {
    for (const char * arch : { "llama", "gemma2", "mamba" }) {
        for (bool unified : { true, false }) {
            tiny_options options;
            options.arch = arch;
            tiny_model model(options);
            const auto set = unified ?
                [](llama_context_params & p) { p.n_seq_max = 3; p.kv_unified = true; } :
                [](llama_context_params & p) { p.n_seq_max = 3; p.kv_unified = false; p.n_ctx = 1536; };
            tiny_context context(model, set);
            const std::vector<int32_t> a = some_tokens(77, 1);
            const std::vector<int32_t> b = some_tokens(3, 2);
            next_logits(context.context, 1, a);
            const std::vector<uint8_t> data = save(context.context, 1, a);
            const std::vector<float> expected = next_logits(context.context, 1, b);

            tiny_context other(model, set);
            next_logits(other.context, 2, some_tokens(50, 5)); // replaced
            next_logits(other.context, 0, some_tokens(20, 6)); // kept
            std::vector<int32_t> tokens(77);
            int32_t n = 0;
            CHECK_STATUS(chq_seq_restore(other.context, 2, data.data(), data.size(), tokens.data(), 76, &n), CHQ_STATUS_BUFFER);
            CHECK_EQ(n, 77);
            CHECK_EQ(range_of(other.context, 2).last, 49);
            CHECK_OK(chq_seq_restore(other.context, 2, data.data(), data.size(), tokens.data(), 77, &n));
            CHECK(tokens == a);
            CHECK_EQ(range_of(other.context, 2).last, 76);
            CHECK_EQ(range_of(other.context, 0).last, 19);
            CHECK(distance(expected, next_logits(other.context, 2, b)) < 1e-5);
        }
    }
}

TEST(pending_changes_are_saved_too) {
    tiny_model model;
    tiny_context context(model);
    next_logits(context.context, 0, some_tokens(40));
    CHECK_OK(chq_seq_remove(context.context, 0, 10, 20));
    CHECK_OK(chq_seq_shift(context.context, 0, 20, -1, -10)); // the cache's data changes with the next decode
    const std::vector<uint8_t> data = save(context.context, 0, {});
    CHECK_EQ(range_of(context.context, 0), (range { 0, 29 }));
    const std::vector<float> expected = next_logits(context.context, 0, { 5, 6 });
    tiny_context other(model);
    int32_t n = -1;
    CHECK_OK(chq_seq_restore(other.context, 0, data.data(), data.size(), nullptr, 0, &n));
    CHECK_EQ(n, 0);
    CHECK(distance(expected, next_logits(other.context, 0, { 5, 6 })) < 1e-2); // other cells, other order of summation; a forgotten shift gives 0.36
}

TEST(damaged_states_are_refused) {
    tiny_model model;
    tiny_context context(model);
    const std::vector<int32_t> a = some_tokens(20, 1);
    next_logits(context.context, 0, a);
    const std::vector<uint8_t> data = save(context.context, 0, a);
    tiny_context other(model);
    next_logits(other.context, 0, some_tokens(10, 2));
    std::vector<int32_t> tokens(64);
    int32_t n = 0;
    const auto refused = [&](const std::vector<uint8_t> & bytes) {
        return chq_seq_restore(other.context, 0, bytes.data(), bytes.size(), tokens.data(), 64, &n) == CHQ_STATUS_ARGUMENT
            && range_of(other.context, 0) == range { 0, 9 };
    };
    int n_accepted = 0;
    for (size_t at = 0; at < data.size(); at += at < 256 ? 1 : 37) { // header and tokens byte by byte
        std::vector<uint8_t> damaged = data;
        damaged[at] ^= (uint8_t) (1 << (at % 8));
        n_accepted += !refused(damaged);
    }
    CHECK_EQ(n_accepted, 0);
    for (size_t size : { (size_t) 1, (size_t) 63, (size_t) 64, (size_t) 100, data.size() - 1 }) {
        CHECK(refused(std::vector<uint8_t>(data.begin(), data.begin() + (long) size)));
    }
    std::vector<uint8_t> longer = data;
    longer.push_back(0);
    CHECK(refused(longer));
    std::mt19937 random(1);
    for (int i = 0; i < 200; ++i) {
        std::vector<uint8_t> noise(random() % 5000 + 1);
        for (uint8_t & byte : noise) {
            byte = (uint8_t) random();
        }
        CHECK(refused(noise));
    }
    CHECK_STATUS(chq_seq_restore(other.context, 0, nullptr, 100, tokens.data(), 64, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_restore(other.context, 0, data.data(), data.size(), nullptr, 64, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_restore(other.context, 9, data.data(), data.size(), tokens.data(), 64, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_seq_restore(other.context, 0, data.data(), data.size(), tokens.data(), 64, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_seq_restore(other.context, 0, data.data(), data.size(), tokens.data(), 64, &n)); // undamaged
}

TEST(states_of_others_are_refused) {
    tiny_options wide;
    wide.n_embd = 256;
    tiny_model model(wide);
    tiny_context context(model);
    next_logits(context.context, 0, some_tokens(20));
    const std::vector<uint8_t> data = save(context.context, 0, {});
    int32_t n = 0;
    tiny_options different = wide;
    different.n_ff = 128;
    tiny_model other_model(different);
    tiny_context of_other_model(other_model);
    CHECK_STATUS(chq_seq_restore(of_other_model.context, 0, data.data(), data.size(), nullptr, 0, &n), CHQ_STATUS_ARGUMENT);
    CHECK(strstr(chq_last_error(), "another model") != nullptr);
    tiny_context of_other_type(model, [](llama_context_params & p) { p.type_k = GGML_TYPE_Q8_0; });
    CHECK_STATUS(chq_seq_restore(of_other_type.context, 0, data.data(), data.size(), nullptr, 0, &n), CHQ_STATUS_ARGUMENT);
    tiny_context of_more_streams(model, [](llama_context_params & p) { p.n_seq_max = 2; p.n_ctx = 1024; });
    CHECK_STATUS(chq_seq_restore(of_more_streams.context, 0, data.data(), data.size(), nullptr, 0, &n), CHQ_STATUS_ARGUMENT);

    // what only llama.cpp finds out leaves the sequence as it was, too
    tiny_context without_flash(model, [](llama_context_params & p) { p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED; });
    next_logits(without_flash.context, 0, some_tokens(10, 3));
    CHECK_STATUS(chq_seq_restore(without_flash.context, 0, data.data(), data.size(), nullptr, 0, &n), CHQ_STATUS_ARGUMENT);
    CHECK_EQ(range_of(without_flash.context, 0), (range { 0, 9 }));
    const std::vector<float> after = next_logits(without_flash.context, 0, { 7 });
    tiny_context fresh(model, [](llama_context_params & p) { p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED; });
    next_logits(fresh.context, 0, some_tokens(10, 3));
    CHECK(distance(after, next_logits(fresh.context, 0, { 7 })) < 1e-5);

    tiny_context small(model, [](llama_context_params & p) { p.n_ctx = 256; });
    tiny_context large(model, [](llama_context_params & p) { p.n_ctx = 512; });
    next_logits(large.context, 0, some_tokens(300));
    const std::vector<uint8_t> long_data = save(large.context, 0, {});
    CHECK_STATUS(chq_seq_restore(small.context, 0, long_data.data(), long_data.size(), nullptr, 0, &n), CHQ_STATUS_CONTEXT_FULL);
    CHECK_EQ(range_of(small.context, 0), (range { -1, -1 }));
}

MAIN
