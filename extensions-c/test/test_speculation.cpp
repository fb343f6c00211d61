// Speculative steps against plain ones.
#include "check.h"
#include "tiny_gguf.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <iterator>
#include <random>

namespace {

constexpr int32_t N_VOCAB = 300;

using make_sampler = std::function<void(chq_sampler *)>;

void greedy(chq_sampler * s) { CHECK_OK(chq_sampler_add_greedy(s)); }

void drawn(chq_sampler * s) {
    CHECK_OK(chq_sampler_add_penalties(s, 16, 1.1f, 0.1f, 0));
    CHECK_OK(chq_sampler_add_top_k(s, 3));
    CHECK_OK(chq_sampler_add_temperature(s, 0.3f));
    CHECK_OK(chq_sampler_add_dist(s, 42));
}

void digits(chq_sampler * s) {
    CHECK_OK(chq_sampler_add_grammar(s, "root ::= \"1\" [2-4] root", "root"));
    CHECK_OK(chq_sampler_add_greedy(s));
}

struct sampler {
    chq_sampler * chain = nullptr;
    sampler(const tiny_model & model, const make_sampler & make) {
        CHECK_OK(chq_sampler_create(model.model, &chain));
        make(chain);
    }
    ~sampler() { chq_sampler_free(chain); }
};

struct speculation {
    chq_speculation * it = nullptr;
    explicit speculation(const tiny_context & context, const chq_speculation_params * params = nullptr) {
        CHECK_OK(chq_speculation_create(context.context, params, &it));
    }
    ~speculation() { chq_speculation_free(it); }
};

// Cells of paths that joined lie in another order, which sums round differently; with 32 bits so little that no draw of a test is on the edge.
void precise(llama_context_params & p) {
    p.type_k = GGML_TYPE_F32;
    p.type_v = GGML_TYPE_F32;
    p.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
}

// The text that plain steps make of the prompt.
std::vector<int32_t> plain(const tiny_model & model, std::vector<int32_t> text, int n, const make_sampler & make) {
    tiny_context context(model, precise);
    sampler s(model, make);
    if (text.size() > 1) {
        CHECK_OK(chq_decode(context.context, 0, text.data(), (int32_t) text.size() - 1, CHQ_OUTPUT_NONE, nullptr));
    }
    for (int i = 0; i < n; i++) {
        chq_sampled sampled;
        CHECK_OK(chq_step(context.context, 0, text.back(), s.chain, false, &sampled, nullptr, 0));
        text.push_back(sampled.token);
    }
    return text;
}

std::vector<float> logits_after(chq_context * context, int32_t token) {
    const float * data = nullptr;
    int32_t rows = 0;
    CHECK_OK(chq_decode(context, 0, &token, 1, CHQ_OUTPUT_LAST, nullptr));
    CHECK_OK(chq_logits(context, &data, &rows));
    return std::vector<float>(data, data + N_VOCAB);
}

// The same by speculative steps. Checks that the sequence afterwards is what computing the text anew gives.
std::vector<int32_t> speculative(const tiny_model & model, std::vector<int32_t> text, int n, int32_t most, const make_sampler & make,
        chq_speculation_stats & stats, const chq_speculation_params & params = chq_speculation_default_params()) {
    tiny_context context(model, precise);
    sampler s(model, make);
    speculation spec(context, &params);
    if (text.size() > 1) {
        CHECK_OK(chq_decode(context.context, 0, text.data(), (int32_t) text.size() - 1, CHQ_OUTPUT_NONE, nullptr));
    }
    CHECK_OK(chq_speculation_begin(spec.it, text.data(), (int32_t) text.size()));
    const size_t wanted = text.size() + (size_t) n;
    while (text.size() < wanted) {
        std::vector<chq_sampled> next((size_t) most);
        int32_t count = 0;
        CHECK_OK(chq_spec_step(spec.it, 0, s.chain, true, next.data(), std::min<int32_t>(most, (int32_t) (wanted - text.size())), &count));
        REQUIRE(count >= 1);
        for (int32_t i = 0; i < count; i++) {
            text.push_back(next[(size_t) i].token);
        }
        int32_t first = -1;
        int32_t last  = -1;
        CHECK_OK(chq_seq_range(context.context, 0, &first, &last));
        CHECK_EQ(last, (int32_t) text.size() - 2);
    }
    CHECK_OK(chq_speculation_get_stats(spec.it, &stats));
    CHECK_EQ(stats.tokens, (int64_t) n);
    CHECK_EQ(stats.tokens, stats.steps + stats.accepted);

    tiny_context fresh(model, precise);
    CHECK_OK(chq_decode(fresh.context, 0, text.data(), (int32_t) text.size() - 1, CHQ_OUTPUT_NONE, nullptr));
    const std::vector<float> a = logits_after(context.context, text.back());
    const std::vector<float> b = logits_after(fresh.context, text.back());
    double difference = 0;
    double norm       = 0;
    for (int i = 0; i < N_VOCAB; i++) {
        difference += (a[i] - b[i]) * (a[i] - b[i]);
        norm       += a[i] * a[i];
    }
    REQUIRE(std::sqrt(difference / norm) < 1e-5);
    return text;
}

void same(const make_sampler & make, bool guesses, bool ways) {
    int64_t accepted = 0;
    int64_t trees    = 0;
    for (uint32_t seed = 1; seed <= 2; seed++) {
        tiny_options options;
        options.seed = seed;
        tiny_model model(options);
        for (int32_t most : { 1, 4, 16 }) {
            for (int32_t length : { 1, 30 }) {
                const std::vector<int32_t> prompt = some_tokens(length, seed);
                const std::vector<int32_t> expected = plain(model, prompt, 200, make);
                for (int sources : { (int) CHQ_DRAFT_REPEATED, (int) CHQ_DRAFT_RECYCLED, CHQ_DRAFT_ALL }) {
                    for (int32_t n_leaves : { 1, 16 }) {
                        for (bool fixed : { false, true }) {
                            chq_speculation_params params = chq_speculation_default_params();
                            params.sources  = (uint32_t) sources;
                            params.n_leaves = n_leaves;
                            params.fixed    = fixed;
                            chq_speculation_stats stats;
                            CHECK(speculative(model, prompt, 200, most, make, stats, params) == expected);
                            CHECK(most > 1 || stats.drafted == 0);
                            CHECK(n_leaves > 1 || stats.trees == 0);
                            CHECK(sources & CHQ_DRAFT_REPEATED || stats.repeated.drafted[0] == 0);
                            CHECK(sources & CHQ_DRAFT_RECYCLED || stats.recycled.drafted[0] == 0);
                            accepted += stats.accepted;
                            trees    += stats.trees;
                        }
                    }
                }
            }
        }
    }
    CHECK(!guesses || accepted > 2000); // or nothing was tested
    CHECK(!ways || trees > 500);
}

} // namespace

TEST(greedy_text_is_the_same) { same(greedy, true, true); }
TEST(drawn_text_is_the_same)  { same(drawn, false, true); }
TEST(text_by_a_grammar_is_the_same) { same(digits, true, false); } // the grammar leaves few ways

// Where a grammar leaves one token only, what breaks it is not worth a row.
TEST(guesses_that_break_the_grammar_are_not_computed) {
    const auto forced = [](chq_sampler * s) {
        CHECK_OK(chq_sampler_add_grammar(s, "root ::= \"12\" root", "root"));
        CHECK_OK(chq_sampler_add_greedy(s));
    };
    tiny_model model;
    for (int sources : { (int) CHQ_DRAFT_REPEATED, (int) CHQ_DRAFT_RECYCLED, CHQ_DRAFT_ALL }) {
        chq_speculation_params params = chq_speculation_default_params();
        params.sources = (uint32_t) sources;
        params.fixed   = true;
        chq_speculation_stats stats;
        const std::vector<int32_t> prompt = some_tokens(30, 1);
        CHECK(speculative(model, prompt, 200, 16, forced, stats, params) == plain(model, prompt, 200, forced));
        CHECK_EQ(stats.drafted, stats.accepted);
        CHECK(stats.accepted > 100 || sources == CHQ_DRAFT_RECYCLED);
    }
}

namespace {

constexpr chq_draft_shape SHAPES[] = { CHQ_SHAPE_CHAIN, CHQ_SHAPE_BEAM, CHQ_SHAPE_BRANCHES, CHQ_SHAPE_DYNAMIC };

chq_draft_model_params shaped(chq_draft_shape shape, float temperature) {
    chq_draft_model_params params = chq_draft_model_default_params();
    params.shape       = shape;
    params.temperature = temperature;
    params.stop        = 0.02f;
    params.n_nodes     = 10;
    return params;
}

chq_speculation_params fixed_params() {
    chq_speculation_params params = chq_speculation_default_params();
    params.fixed = true;
    return params;
}

} // namespace

TEST(greedy_text_with_a_draft_model_is_the_same) {
    tiny_model model;
    tiny_options options;
    options.seed = 2;
    tiny_model stranger(options);
    for (const tiny_model * drafter : { &model, &stranger }) {
        for (chq_draft_shape shape : SHAPES) {
            for (bool fixed : { true, false }) {
                std::vector<int32_t> text = some_tokens(20);
                const std::vector<int32_t> expected = plain(model, text, 100, greedy);
                tiny_context context(model, precise);
                tiny_context draft(*drafter, precise);
                sampler s(model, greedy);
                chq_speculation_params params = fixed_params();
                params.fixed = fixed;
                speculation spec(context, &params);
                const chq_draft_model_params shape_params = shaped(shape, 0);
                CHECK_OK(chq_speculation_set_draft_model(spec.it, draft.context, &shape_params));
                CHECK_OK(chq_decode(context.context, 0, text.data(), 19, CHQ_OUTPUT_NONE, nullptr));
                CHECK_OK(chq_speculation_begin(spec.it, text.data(), 20));
                while (text.size() < 120) {
                    chq_sampled next[16];
                    int32_t count = 0;
                    CHECK_OK(chq_spec_step(spec.it, 0, s.chain, true, next, std::min(16, 120 - (int32_t) text.size()), &count));
                    for (int32_t i = 0; i < count; i++) {
                        text.push_back(next[i].token);
                    }
                }
                CHECK(text == expected);
                chq_speculation_stats stats;
                CHECK_OK(chq_speculation_get_stats(spec.it, &stats));
                CHECK(stats.model.drafted[0] > 0);
                if (drafter == &model && fixed) {
                    CHECK(stats.steps <= 60); // it knows what comes
                }
            }
        }
    }
}

// The first three tokens of many seeds against the law that the target's logits give, for guesses that were drawn and verified by rejection.
TEST(drawn_guesses_of_a_draft_model_leave_the_law) {
    constexpr int N = 1500;
    constexpr int K = 3;
    constexpr float T = 6; // each of the 27 texts shall come often enough
    tiny_model model;
    tiny_options options;
    options.seed = 2;
    tiny_model stranger(options);
    const std::vector<int32_t> prompt = some_tokens(12);
    const auto three = [](chq_sampler * s) {
        CHECK_OK(chq_sampler_add_top_k(s, K));
        CHECK_OK(chq_sampler_add_temperature(s, T));
        CHECK_OK(chq_sampler_add_dist(s, 1));
    };
    // the law, path by path
    std::vector<std::pair<std::vector<int32_t>, double>> law { { {}, 1 } };
    for (int depth = 0; depth < 3; depth++) {
        std::vector<std::pair<std::vector<int32_t>, double>> longer;
        for (const auto & path : law) {
            tiny_context context(model, precise);
            std::vector<int32_t> text = prompt;
            text.insert(text.end(), path.first.begin(), path.first.end());
            CHECK_OK(chq_decode(context.context, 0, text.data(), (int32_t) text.size() - 1, CHQ_OUTPUT_NONE, nullptr));
            const std::vector<float> logits = logits_after(context.context, text.back());
            int32_t best[K];
            float   value[K];
            CHECK_OK(chq_rows_top_k(logits.data(), 1, N_VOCAB, N_VOCAB, K, best, value));
            double sum = 0;
            for (int i = 0; i < K; i++) {
                sum += std::exp((value[i] - value[0]) / T);
            }
            for (int i = 0; i < K; i++) {
                longer.push_back(path);
                longer.back().first.push_back(best[i]);
                longer.back().second *= std::exp((value[i] - value[0]) / T) / sum;
            }
        }
        law = longer;
    }
    for (const tiny_model * drafter : { &model, &stranger }) {
        for (chq_draft_shape shape : SHAPES) {
            std::vector<int> counts(law.size());
            tiny_context context(model, precise);
            tiny_context draft(*drafter, precise);
            CHECK_OK(chq_decode(context.context, 0, prompt.data(), (int32_t) prompt.size() - 1, CHQ_OUTPUT_NONE, nullptr));
            for (int seed = 0; seed < N; seed++) {
                sampler s(model, three);
                const chq_speculation_params params = fixed_params();
                speculation spec(context, &params);
                chq_draft_model_params shape_params = shaped(shape, 8);
                shape_params.seed = (uint64_t) seed;
                CHECK_OK(chq_seq_remove(draft.context, 0, 0, -1));
                CHECK_OK(chq_seq_remove(context.context, 0, (int32_t) prompt.size() - 1, -1));
                CHECK_OK(chq_speculation_set_draft_model(spec.it, draft.context, &shape_params));
                CHECK_OK(chq_speculation_begin(spec.it, prompt.data(), (int32_t) prompt.size()));
                std::vector<int32_t> tokens;
                while (tokens.size() < 3) {
                    chq_sampled next[8];
                    int32_t count = 0;
                    CHECK_OK(chq_spec_step(spec.it, 0, s.chain, true, next, 3 - (int32_t) tokens.size(), &count));
                    for (int32_t i = 0; i < count; i++) {
                        tokens.push_back(next[i].token);
                    }
                }
                const auto at = std::find_if(law.begin(), law.end(), [&](const auto & path) { return path.first == tokens; });
                REQUIRE(at != law.end());
                counts[(size_t) (at - law.begin())]++;
            }
            double chi = 0;
            for (size_t i = 0; i < law.size(); i++) {
                const double expected = N * law[i].second;
                REQUIRE(expected > 5);
                chi += (counts[i] - expected) * (counts[i] - expected) / expected;
            }
            CHECK(chi < 45.6); // 26 degrees of freedom, p = 0.01
        }
    }
}

TEST(a_draft_model_that_does_not_fit_is_refused) {
    tiny_model model;
    tiny_options options;
    options.bpe = true;
    tiny_model other(options);
    tiny_context context(model);
    tiny_context foreign(other);
    tiny_context used(model);
    tiny_context draft(model);
    const int32_t token = 5;
    CHECK_OK(chq_decode(used.context, 0, &token, 1, CHQ_OUTPUT_NONE, nullptr));
    speculation spec(context);
    CHECK_STATUS(chq_speculation_set_draft_model(spec.it, foreign.context, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_speculation_set_draft_model(spec.it, context.context, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_speculation_set_draft_model(spec.it, used.context, nullptr), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_speculation_set_draft_model(spec.it, nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    chq_draft_model_params params = chq_draft_model_default_params();
    params.temperature = NAN;
    CHECK_STATUS(chq_speculation_set_draft_model(spec.it, draft.context, &params), CHQ_STATUS_ARGUMENT);
    params = chq_draft_model_default_params();
    params.width = 0;
    CHECK_STATUS(chq_speculation_set_draft_model(spec.it, draft.context, &params), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_speculation_set_draft_model(spec.it, draft.context, nullptr));
}

TEST(what_passes_cost_is_kept_in_a_folder) {
    const std::filesystem::path folder = std::filesystem::temp_directory_path() / ("chq-costs-" + std::to_string(std::random_device()()));
    const auto files = [&] {
        return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
    };
    chq_speculation_stats stats;
    tiny_model model;
    CHECK_OK(chq_pass_costs_keep(model.model, folder.u8string().c_str()));
    CHECK(!std::filesystem::exists(folder)); // until there is something to keep
    speculative(model, some_tokens(30, 1), 20, 16, greedy, stats);
    CHECK_EQ(files(), 1);
    tiny_model same;
    CHECK_OK(chq_pass_costs_keep(same.model, folder.u8string().c_str()));
    speculative(same, some_tokens(30, 1), 20, 16, greedy, stats);
    CHECK_EQ(files(), 1);
    tiny_options options;
    options.n_embd = 128;
    tiny_model other(options);
    CHECK_OK(chq_pass_costs_keep(other.model, folder.u8string().c_str()));
    speculative(other, some_tokens(30, 1), 20, 16, greedy, stats);
    CHECK_EQ(files(), 2);
    std::filesystem::remove_all(folder);
    CHECK_OK(chq_pass_costs_keep(model.model, nullptr));
    speculative(model, some_tokens(30, 1), 20, 16, greedy, stats);
    CHECK(!std::filesystem::exists(folder));
    CHECK_STATUS(chq_pass_costs_keep(nullptr, nullptr), CHQ_STATUS_ARGUMENT);
}

TEST(a_window_that_slides_is_no_obstacle_while_the_cache_keeps_all) {
    tiny_options options;
    options.arch = "gemma2";
    options.n_swa = 16;
    tiny_model model(options);
    chq_speculation_stats stats;
    const std::vector<int32_t> prompt = some_tokens(40);
    CHECK(speculative(model, prompt, 200, 16, greedy, stats) == plain(model, prompt, 200, greedy));

    tiny_context sliding(model, [](llama_context_params & p) { p.swa_full = false; });
    speculation spec(sliding);
    int32_t limit  = -1;
    int32_t leaves = -1;
    size_t length = 0;
    char reason[200];
    CHECK_OK(chq_speculation_limit(spec.it, &limit, &leaves, reason, sizeof(reason), &length));
    CHECK_EQ(limit, 0);
    CHECK_EQ(leaves, 1);
    CHECK(strstr(reason, "window") != nullptr);
}

TEST(a_recurrent_model_takes_single_steps) {
    tiny_options options;
    options.arch = "mamba";
    tiny_model model(options);
    chq_speculation_stats stats;
    const std::vector<int32_t> prompt = some_tokens(10);
    CHECK(speculative(model, prompt, 60, 16, greedy, stats) == plain(model, prompt, 60, greedy));
    CHECK_EQ(stats.drafted, (int64_t) 0);
}

TEST(a_full_context_ends_with_a_status_and_loses_nothing) {
    tiny_model model;
    tiny_context context(model, [](llama_context_params & p) { p.n_ctx = 256; });
    sampler s(model, greedy);
    speculation spec(context);
    std::vector<int32_t> text = some_tokens(10);
    CHECK_OK(chq_decode(context.context, 0, text.data(), 9, CHQ_OUTPUT_NONE, nullptr));
    CHECK_OK(chq_speculation_begin(spec.it, text.data(), 10));
    chq_sampled tokens[16];
    int32_t count = 0;
    chq_status status;
    while ((status = chq_spec_step(spec.it, 0, s.chain, true, tokens, 16, &count)) == CHQ_STATUS_OK) {
        for (int32_t i = 0; i < count; i++) {
            text.push_back(tokens[i].token);
        }
        REQUIRE(text.size() < 400);
    }
    CHECK_STATUS(status, CHQ_STATUS_CONTEXT_FULL);
    CHECK_EQ((int) text.size(), 257);
    int32_t first;
    int32_t last;
    CHECK_OK(chq_seq_range(context.context, 0, &first, &last));
    CHECK_EQ(last, 255);
}

TEST(misuse_is_refused) {
    tiny_model model;
    tiny_context context(model);
    sampler s(model, greedy);
    speculation spec(context);
    chq_sampled tokens[4];
    int32_t count = 7;
    chq_speculation * none = nullptr;
    CHECK_STATUS(chq_speculation_create(nullptr, nullptr, &none), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_speculation_create(context.context, nullptr, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_spec_step(nullptr, 0, s.chain, false, tokens, 4, &count), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_spec_step(spec.it, 0, s.chain, false, tokens, 4, &count), CHQ_STATUS_STATE); // no text yet
    const int32_t text[] = { 5, 6, 7 };
    const int32_t unknown = 1 << 20;
    CHECK_STATUS(chq_speculation_begin(spec.it, &unknown, 1), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_speculation_begin(spec.it, nullptr, 3), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_speculation_begin(spec.it, text, 3));
    CHECK_STATUS(chq_spec_step(spec.it, 0, s.chain, false, tokens, 4, &count), CHQ_STATUS_STATE); // nothing computed
    CHECK_OK(chq_decode(context.context, 0, text, 2, CHQ_OUTPUT_NONE, nullptr));
    CHECK_STATUS(chq_spec_step(spec.it, 1, s.chain, false, tokens, 4, &count), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_spec_step(spec.it, 0, nullptr, false, tokens, 4, &count), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_spec_step(spec.it, 0, s.chain, false, tokens, 0, &count), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_spec_step(spec.it, 0, s.chain, false, nullptr, 4, &count), CHQ_STATUS_ARGUMENT);
    chq_context_cancel(context.context);
    CHECK_STATUS(chq_spec_step(spec.it, 0, s.chain, false, tokens, 4, &count), CHQ_STATUS_CANCELLED);
    chq_context_cancel_reset(context.context);
    CHECK_OK(chq_spec_step(spec.it, 0, s.chain, false, tokens, 4, &count));
    CHECK_EQ(count, 1);
}

MAIN
