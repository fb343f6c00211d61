// Sequences: removing, copying and shifting them.
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

MAIN
