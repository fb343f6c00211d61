// Sparse attention of whole models: what it must not change, and what its choices are worth exactly.
#include "check.h"
#include "tiny_gguf.h"

#include "chasqui_kv.h"

#include <cmath>
#include <cstring>

namespace {

tiny_options wide() {
    tiny_options o;
    o.n_embd    = 128;
    o.n_head    = 4;  // of 32 channels
    o.n_head_kv = 2;
    o.n_layer   = 3;
    o.types     = { GGML_TYPE_Q8_0 };
    o.kernels   = CHQ_KERNELS_ON; // whatever trials say: ggml's own attention rounds to fp16 where keys are
    return o;
}

constexpr int32_t LONG = 500;

template <ggml_type TYPE, int THREADS>
void with(llama_context_params & p) {
    p.n_ctx = 768;
    p.n_seq_max = 2;
    p.kv_unified = true;
    p.type_k = p.type_v = TYPE;
    p.n_threads = p.n_threads_batch = THREADS;
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
}

chq_sparse_params of(chq_sparse_selector selector, float share) {
    chq_sparse_params p = chq_sparse_default_params();
    p.selector = selector;
    p.share    = p.max_share = share;
    p.sinks    = 16;
    p.window   = 64;
    p.always   = true;
    return p;
}

std::vector<float> step(chq_context * context, int32_t token, int32_t seq_id = 0) {
    CHECK_OK(chq_decode(context, seq_id, &token, 1, CHQ_OUTPUT_LAST, nullptr));
    const float * row = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context, &row, &n));
    return std::vector<float>(row, row + 300);
}

void prompt(chq_context * context, int32_t n, int32_t seq_id = 0, uint32_t seed = 7) {
    const std::vector<int32_t> tokens = some_tokens(n, seed);
    CHECK_OK(chq_decode(context, seq_id, tokens.data(), n, CHQ_OUTPUT_NONE, nullptr));
}

double apart(const std::vector<float> & a, const std::vector<float> & b) {
    double most = 0;
    for (size_t i = 0; i < a.size(); ++i) {
        most = std::max(most, (double) std::fabs(a[i] - b[i]));
    }
    return most;
}

chq_sparse_stats stats(chq_context * context) {
    chq_sparse_stats s;
    CHECK_OK(chq_context_sparse_stats(context, &s));
    return s;
}

const chq_sparse_selector ALL[] = {
    CHQ_SPARSE_SKETCH, CHQ_SPARSE_EXACT, CHQ_SPARSE_BOX, CHQ_SPARSE_LEOAM, CHQ_SPARSE_HISA, CHQ_SPARSE_FASA, CHQ_SPARSE_RANDOM, CHQ_SPARSE_WINDOW,
    CHQ_SPARSE_CHUNKS,
};

// Steps after a prompt, densely and sparsely, each from the same cache.
template <ggml_type TYPE, int THREADS>
void check_whole_budget(bool exact) {
    tiny_model model(wide());
    tiny_context context(model, with<TYPE, THREADS>);
    prompt(context.context, LONG);
    const std::vector<float> dense = step(context.context, 270);
    for (chq_sparse_selector selector : ALL) {
        CHECK_OK(chq_seq_remove(context.context, 0, LONG, -1));
        const chq_sparse_params all = of(selector, 1);
        CHECK_OK(chq_context_set_sparse(context.context, &all));
        const std::vector<float> sparse = step(context.context, 270);
        CHECK(exact ? sparse == dense : apart(sparse, dense) < 1e-4);
        CHECK_EQ(stats(context.context).sparse_steps, 0);
        CHECK_EQ(stats(context.context).steps, 1);
    }
}

// The tokens that sinks, window and the latest ones leave out, removed from a cache of their own.
template <ggml_type TYPE>
void check_removed(double tolerance) {
    tiny_model model(wide());
    tiny_context sparse (model, with<TYPE, 1>);
    tiny_context removed(model, with<TYPE, 1>);
    prompt(sparse .context, LONG);
    prompt(removed.context, LONG);
    const chq_sparse_params latest = of(CHQ_SPARSE_WINDOW, 0.1f);
    CHECK_OK(chq_context_set_sparse(sparse.context, &latest));
    const std::vector<float> mine = step(sparse.context, 270);
    const chq_sparse_stats seen = stats(sparse.context);
    CHECK_EQ(seen.sparse_steps, 1);
    const int32_t attended = (int32_t) std::lround(seen.cells * (LONG + 1));
    // all but sinks is one range up to the end
    CHECK_OK(chq_seq_remove(removed.context, 0, 16, LONG + 1 - (attended - 16)));
    CHECK(apart(mine, step(removed.context, 270)) <= tolerance);
    // the same again, and not what dense attention gives
    CHECK_OK(chq_seq_remove(sparse.context, 0, LONG, -1));
    CHECK(step(sparse.context, 270) == mine);
    CHECK_OK(chq_seq_remove(sparse.context, 0, LONG, -1));
    CHECK_OK(chq_context_set_sparse(sparse.context, nullptr));
    CHECK(apart(step(sparse.context, 270), mine) > 1e-3);
}

} // namespace

TEST(a_budget_for_everything_changes_nothing) {
    check_whole_budget<GGML_TYPE_F16,  1>(true);
    check_whole_budget<GGML_TYPE_F16,  2>(true);
    check_whole_budget<GGML_TYPE_Q8_0, 1>(true);
    check_whole_budget<GGML_TYPE_Q8_0, 2>(true);
    check_whole_budget<GGML_TYPE_Q4_0, 2>(true);
}

TEST(a_choice_is_worth_what_a_cache_without_the_other_cells_is) {
    // the new token takes a cell that became free: sums in another order
    check_removed<GGML_TYPE_Q8_0>(1e-5);
    check_removed<GGML_TYPE_Q4_0>(1e-5);
    check_removed<GGML_TYPE_F16> (1e-5);
}

TEST(prompts_are_dense_and_so_is_everything_after_the_switch) {
    tiny_model model(wide());
    tiny_context context(model, with<GGML_TYPE_F16, 2>);
    prompt(context.context, LONG);
    const std::vector<float> dense = step(context.context, 270);
    const chq_sparse_params few = of(CHQ_SPARSE_SKETCH, 0.05f);
    CHECK_OK(chq_context_clear(context.context));
    CHECK_OK(chq_context_set_sparse(context.context, &few));
    prompt(context.context, LONG);
    CHECK_EQ(stats(context.context).steps, 0);
    CHECK(step(context.context, 270) != dense);
    CHECK_EQ(stats(context.context).sparse_steps, 1);
    CHECK(stats(context.context).missing > 0);
    CHECK(stats(context.context).sketch_bytes > 0);
    CHECK_OK(chq_seq_remove(context.context, 0, LONG, -1));
    CHECK_OK(chq_context_set_sparse(context.context, nullptr));
    CHECK(step(context.context, 270) == dense);
}

TEST(the_sketch_follows_every_change_of_the_cache) {
    tiny_model model(wide());
    const chq_sparse_params few = of(CHQ_SPARSE_SKETCH, 0.05f);
    const auto fresh = [&](int32_t n, uint32_t seed) {
        tiny_context context(model, with<GGML_TYPE_F16, 1>);
        prompt(context.context, n, 0, seed);
        CHECK_OK(chq_context_set_sparse(context.context, &few));
        return step(context.context, 270);
    };
    tiny_context context(model, with<GGML_TYPE_F16, 1>);
    CHECK_OK(chq_context_set_sparse(context.context, &few));
    prompt(context.context, LONG);
    CHECK(step(context.context, 270) == fresh(LONG, 7));

    // other tokens in the same cells
    CHECK_OK(chq_seq_remove(context.context, 0, 0, -1));
    prompt(context.context, LONG - 30, 0, 8);
    CHECK(step(context.context, 270) == fresh(LONG - 30, 8));

    // a saved state
    size_t size = 0;
    tiny_context other(model, with<GGML_TYPE_F16, 1>);
    prompt(other.context, LONG, 0, 9);
    const std::vector<int32_t> tokens = some_tokens(LONG, 9);
    chq_seq_save(other.context, 0, tokens.data(), LONG, nullptr, 0, false, nullptr, 0, &size);
    std::vector<uint8_t> state(size);
    CHECK_OK(chq_seq_save(other.context, 0, tokens.data(), LONG, nullptr, 0, false, state.data(), size, &size));
    std::vector<int32_t> restored(LONG);
    int32_t n = 0;
    CHECK_OK(chq_seq_restore(context.context, 0, state.data(), size, true, restored.data(), LONG, &n, nullptr));
    CHECK_EQ(n, LONG);
    CHECK(step(context.context, 270) == fresh(LONG, 9));

    // two sequences in turns, each with the cells of its own
    CHECK_OK(chq_context_clear(context.context));
    const std::vector<int32_t> a = some_tokens(330, 10);
    const std::vector<int32_t> b = some_tokens(330, 11);
    for (int32_t at = 0; at < 330; at += 11) {
        CHECK_OK(chq_decode(context.context, 0, a.data() + at, 11, CHQ_OUTPUT_NONE, nullptr));
        CHECK_OK(chq_decode(context.context, 1, b.data() + at, 11, CHQ_OUTPUT_NONE, nullptr));
    }
    const std::vector<float> first  = step(context.context, 270, 0);
    const std::vector<float> second = step(context.context, 270, 1);
    CHECK(stats(context.context).missing > 0);
    CHECK_OK(chq_context_set_sparse(context.context, nullptr));
    CHECK_OK(chq_seq_remove(context.context, 0, 330, -1));
    CHECK_OK(chq_seq_remove(context.context, 1, 330, -1));
    CHECK_OK(chq_context_set_sparse(context.context, &few));
    CHECK(step(context.context, 270, 0) == first);
    CHECK(step(context.context, 270, 1) == second);
}

TEST(choices_that_are_kept_or_shared_stay_whole) {
    tiny_model model(wide());
    for (int32_t refresh : { 1, 3, 64 }) {
        for (int32_t layers : { 1, 2, 5 }) {
            tiny_context context(model, with<GGML_TYPE_F16, 2>);
            chq_sparse_params few = of(CHQ_SPARSE_WINDOW, 0.1f);
            few.refresh = refresh;
            few.layers  = layers;
            prompt(context.context, LONG);
            CHECK_OK(chq_context_set_sparse(context.context, &few));
            for (int32_t i = 0; i < 70; ++i) {
                step(context.context, 260 + i % 30);
            }
            const chq_sparse_stats seen = stats(context.context);
            CHECK_EQ(seen.sparse_steps, 70);
            // no step has fewer cells than sinks, window and choice, none more than what has left the window since
            const double least = (16 + 64 + 0.1 * LONG) / (LONG + 70);
            const double most  = (16 + 64 + 32 + 0.1 * (LONG + 70) + 2 + refresh) / LONG;
            CHECK(seen.cells >= least && seen.cells <= most);
        }
    }
}

TEST(a_step_that_tries_both_ways_is_exact) {
    tiny_model model(wide());
    tiny_context context(model, with<GGML_TYPE_Q8_0, 2>);
    prompt(context.context, LONG);
    const std::vector<float> dense = step(context.context, 270);
    CHECK_OK(chq_seq_remove(context.context, 0, LONG, -1));
    chq_sparse_params few = of(CHQ_SPARSE_SKETCH, 0.05f);
    few.always = false;
    CHECK_OK(chq_context_set_sparse(context.context, &few));
    CHECK(step(context.context, 270) == dense);
    chq_sparse_stats seen = stats(context.context);
    CHECK_EQ(seen.sparse_steps, 0);
    CHECK(seen.dense_seconds > 0 && seen.sparse_seconds > 0);
    // from then on it is one way or the other, until the text has grown
    const double tried = seen.dense_seconds;
    for (int i = 0; i < 20; ++i) {
        step(context.context, 271);
    }
    seen = stats(context.context);
    CHECK(seen.sparse_steps == 0 || seen.sparse_steps == 20);
    CHECK_EQ(seen.dense_seconds, tried);
}

TEST(wrong_settings_are_refused) {
    tiny_model model(wide());
    tiny_context context(model, with<GGML_TYPE_F16, 1>);
    const auto refused = [&](void (*change)(chq_sparse_params &)) {
        chq_sparse_params p = chq_sparse_default_params();
        change(p);
        CHECK_STATUS(chq_context_set_sparse(context.context, &p), CHQ_STATUS_ARGUMENT);
    };
    refused([](chq_sparse_params & p) { p.selector = (chq_sparse_selector) 99; });
    refused([](chq_sparse_params & p) { p.share = -1; });
    refused([](chq_sparse_params & p) { p.share = NAN; });
    refused([](chq_sparse_params & p) { p.max_share = p.share / 2; });
    refused([](chq_sparse_params & p) { p.max_share = 2; });
    refused([](chq_sparse_params & p) { p.missing = 2; });
    refused([](chq_sparse_params & p) { p.sinks = -1; });
    refused([](chq_sparse_params & p) { p.window = 0; });
    refused([](chq_sparse_params & p) { p.refresh = 0; });
    refused([](chq_sparse_params & p) { p.layers = 0; });
    CHECK_STATUS(chq_context_set_sparse(nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_sparse_stats(context.context, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_context_set_sparse(context.context, nullptr));
}

// ---- prompts

chq_sparse_prefill_params prefill_of(float missing) {
    chq_sparse_prefill_params p = chq_sparse_prefill_default_params();
    p.missing = missing;
    p.window  = 64;
    p.last    = 0;
    p.always  = true;
    return p;
}

chq_sparse_prefill_stats prefill_stats(chq_context * context) {
    chq_sparse_prefill_stats s;
    CHECK_OK(chq_context_sparse_prefill_stats(context, &s));
    return s;
}

template <ggml_type TYPE, int THREADS, int UBATCH>
void in_passes_of(llama_context_params & p) {
    with<TYPE, THREADS>(p);
    p.n_batch  = 512;
    p.n_ubatch = UBATCH;
}

constexpr int32_t LONGER = 700;

// The row behind a prompt whose last token is decoded with it.
std::vector<float> row_behind(chq_context * context, const std::vector<int32_t> & tokens, int32_t seq_id = 0) {
    CHECK_OK(chq_decode(context, seq_id, tokens.data(), (int32_t) tokens.size(), CHQ_OUTPUT_LAST, nullptr));
    const float * row = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context, &row, &n));
    return std::vector<float>(row, row + 300);
}

std::vector<float> row_behind(const tiny_model & model, void (*options)(llama_context_params &), const chq_sparse_prefill_params * params, chq_sparse_prefill_stats * seen = nullptr,
        const std::vector<int32_t> & tokens = some_tokens(LONGER, 7)) {
    tiny_context context(model, options);
    CHECK_OK(chq_context_set_sparse_prefill(context.context, params));
    const std::vector<float> row = row_behind(context.context, tokens);
    if (seen) {
        *seen = prefill_stats(context.context);
    }
    return row;
}

TEST(a_prompt_that_leaves_nothing_out_is_dense) {
    tiny_model model(wide());
    chq_sparse_prefill_params p = prefill_of(0.5f);
    p.window = LONGER;
    chq_sparse_prefill_stats seen;
    const std::vector<float> dense = row_behind(model, with<GGML_TYPE_F16, 1>, &p, &seen); // by the dense kernel itself
    CHECK_EQ(seen.sparse_tokens, 0);
    p = prefill_of(0);
    CHECK(row_behind(model, with<GGML_TYPE_F16, 1>, &p, &seen) == dense);
    CHECK_EQ(seen.tokens, LONGER);
    CHECK_EQ(seen.sparse_tokens, LONGER);
    CHECK_EQ(seen.pairs, 1.0);
    CHECK_EQ(seen.missing, 0.0);
}

TEST(a_prompt_attends_to_a_part_whatever_the_threads_and_the_passes) {
    tiny_model model(wide());
    const chq_sparse_prefill_params some = prefill_of(0.3f);
    chq_sparse_prefill_stats seen;
    const std::vector<float> row = row_behind(model, in_passes_of<GGML_TYPE_F16, 1, 512>, &some, &seen);
    CHECK(seen.pairs > 0.2 && seen.pairs < 0.95);
    CHECK(seen.missing > 0.1 && seen.missing <= 0.3);
    CHECK(seen.choice_seconds > 0 && seen.saved_seconds > 0);
    CHECK(row == row_behind(model, in_passes_of<GGML_TYPE_F16, 2, 512>, &some));
    CHECK(row == row_behind(model, in_passes_of<GGML_TYPE_F16, 3, 512>, &some));
    CHECK(row == row_behind(model, in_passes_of<GGML_TYPE_F16, 1, 256>, &some));
    CHECK(row == row_behind(model, in_passes_of<GGML_TYPE_F16, 2, 192>, &some));
    CHECK(row != row_behind(model, in_passes_of<GGML_TYPE_F16, 1, 512>, nullptr));
}

// With one layer the last token knows of others what it attends to itself.
TEST(what_a_prompt_leaves_out_is_not_seen) {
    tiny_options shallow = wide();
    shallow.n_layer = 1;
    tiny_model model(shallow);
    const chq_sparse_prefill_params ends = prefill_of(0.9999f);
    const auto row = [&](const chq_sparse_prefill_params * params, int32_t changed) {
        std::vector<int32_t> tokens = some_tokens(LONGER, 7);
        if (changed >= 0) {
            tokens[(size_t) changed] = tokens[(size_t) changed] == 270 ? 271 : 270;
        }
        return row_behind(model, with<GGML_TYPE_F16, 2>, params, nullptr, tokens);
    };
    // the last token has number 699, in the block from 640 on; its window begins in the tile of 576
    for (int32_t hidden : { 64, 300, 575 }) {
        CHECK(row(&ends, hidden) == row(&ends, -1));
        CHECK(row(nullptr, hidden) != row(nullptr, -1));
    }
    for (int32_t seen : { 0, 63, 576, 650 }) {
        CHECK(row(&ends, seen) != row(&ends, -1));
    }
}

TEST(the_end_of_a_prompt_is_dense) {
    tiny_model model(wide());
    chq_sparse_prefill_params p = prefill_of(0.5f);
    p.last = LONGER;
    chq_sparse_prefill_stats seen;
    CHECK(row_behind(model, with<GGML_TYPE_F16, 2>, &p, &seen) == row_behind(model, with<GGML_TYPE_F16, 2>, nullptr));
    CHECK_EQ(seen.tokens, LONGER);
    CHECK_EQ(seen.sparse_tokens, 0);
    CHECK_EQ(seen.pairs, 1.0);
    p.last = INT32_MAX;
    row_behind(model, with<GGML_TYPE_F16, 2>, &p, &seen);
    CHECK_EQ(seen.sparse_tokens, 0);
    p.last = LONGER - 300;
    row_behind(model, with<GGML_TYPE_F16, 2>, &p, &seen);
    CHECK_EQ(seen.sparse_tokens, 300);
}

TEST(what_sparse_prefill_cannot_do_is_dense) {
    tiny_model model(wide());
    const chq_sparse_prefill_params some = prefill_of(0.5f);
    chq_sparse_prefill_stats seen;
    CHECK(row_behind(model, with<GGML_TYPE_Q8_0, 2>, &some, &seen) == row_behind(model, with<GGML_TYPE_Q8_0, 2>, nullptr));
    CHECK_EQ(seen.sparse_tokens, 0);

    // two texts in turns, whose keys lie apart
    tiny_context context(model, with<GGML_TYPE_F16, 2>);
    CHECK_OK(chq_context_set_sparse_prefill(context.context, &some));
    const std::vector<int32_t> a = some_tokens(80, 10);
    for (int32_t at = 0; at < 4; ++at) {
        CHECK_OK(chq_decode(context.context, at % 2, a.data(), 80, CHQ_OUTPUT_NONE, nullptr));
    }
    CHECK_EQ(prefill_stats(context.context).tokens, 320);
    CHECK_EQ(prefill_stats(context.context).sparse_tokens, 0);
    // every row asked for
    CHECK_OK(chq_context_clear(context.context));
    CHECK_OK(chq_decode(context.context, 0, some_tokens(400, 10).data(), 400, CHQ_OUTPUT_ALL, nullptr));
    CHECK_EQ(prefill_stats(context.context).tokens, 320);
    // off again
    CHECK_OK(chq_context_set_sparse_prefill(context.context, nullptr));
    CHECK_OK(chq_context_clear(context.context));
    CHECK(row_behind(context.context, some_tokens(LONGER, 7)) == row_behind(model, with<GGML_TYPE_F16, 2>, nullptr));
}

TEST(a_prompt_where_choosing_may_not_pay) {
    tiny_model model(wide());
    chq_sparse_prefill_params p = prefill_of(0); // all tiles are chosen, so nothing is saved
    p.always = false;
    tiny_context context(model, in_passes_of<GGML_TYPE_F16, 2, 64>);
    CHECK_OK(chq_context_set_sparse_prefill(context.context, &p));
    row_behind(context.context, some_tokens(LONGER, 7));
    const chq_sparse_prefill_stats seen = prefill_stats(context.context);
    CHECK(seen.saved_seconds == 0);
    // it tries behind 256 tokens, the first that see more than sinks and window, and whenever the text has grown by a quarter: behind 320, 448 and 576
    CHECK_EQ(seen.sparse_tokens, 4 * 64);
}

TEST(wrong_settings_of_prefill_are_refused) {
    tiny_model model(wide());
    tiny_context context(model, with<GGML_TYPE_F16, 1>);
    const auto refused = [&](void (*change)(chq_sparse_prefill_params &)) {
        chq_sparse_prefill_params p = chq_sparse_prefill_default_params();
        change(p);
        CHECK_STATUS(chq_context_set_sparse_prefill(context.context, &p), CHQ_STATUS_ARGUMENT);
    };
    refused([](chq_sparse_prefill_params & p) { p.missing = 1; });
    refused([](chq_sparse_prefill_params & p) { p.missing = -0.1f; });
    refused([](chq_sparse_prefill_params & p) { p.missing = NAN; });
    refused([](chq_sparse_prefill_params & p) { p.sinks = -1; });
    refused([](chq_sparse_prefill_params & p) { p.window = -1; });
    refused([](chq_sparse_prefill_params & p) { p.last = -1; });
    CHECK_STATUS(chq_context_set_sparse_prefill(nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_context_sparse_prefill_stats(context.context, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_context_set_sparse_prefill(context.context, nullptr));
    // the largest values are none too many
    chq_sparse_prefill_params p = prefill_of(0.5f);
    p.sinks = p.window = INT32_MAX;
    CHECK_OK(chq_context_set_sparse_prefill(context.context, &p));
    row_behind(context.context, some_tokens(LONGER, 7));
    CHECK_EQ(prefill_stats(context.context).sparse_tokens, 0);
}

MAIN
