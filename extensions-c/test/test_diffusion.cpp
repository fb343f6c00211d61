// Proposals for masked positions against a brute-force oracle.
#include "check.h"
#include "tiny_gguf.h"

#include "diffusion/proposal.h"

#include <algorithm>
#include <cmath>
#include <random>

constexpr int32_t MASK  = 3;
constexpr int32_t VOCAB = 300;

static tiny_options diffusion(const char * arch, bool shifted) {
    tiny_options options;
    options.arch           = arch;
    options.n_head_kv      = options.n_head;
    options.mask           = MASK;
    options.shifted_logits = shifted;
    return options;
}

static void whole(llama_context_params & params) {
    params.n_ctx = params.n_batch = params.n_ubatch = 64;
    params.n_outputs_max = 64;
}

static std::vector<int32_t> masked_text() {
    std::vector<int32_t> tokens = some_tokens(40);
    for (int32_t i : { 0, 7, 8, 20, 38, 39 }) {
        tokens[i] = MASK;
    }
    return tokens;
}

struct proposals {
    std::vector<int32_t> token;
    std::vector<float>   probability, entropy, margin;

    proposals(chq_context * context, const std::vector<int32_t> & text, const std::vector<int32_t> & positions, float temperature = 0, uint64_t seed = 0) {
        const int32_t n = (int32_t) positions.size();
        token.resize(n);
        probability.resize(n);
        entropy.resize(n);
        margin.resize(n);
        CHECK_OK(chq_denoise(context, text.data(), (int32_t) text.size(), positions.data(), n, temperature, seed,
            token.data(), probability.data(), entropy.data(), margin.data()));
    }
};

static std::vector<double> law(const float * row, double temperature, int32_t excluded) {
    std::vector<double> p(VOCAB);
    double total = 0;
    for (int32_t t = 0; t < VOCAB; ++t) {
        p[t] = t == excluded ? 0 : std::exp(row[t] / temperature);
        total += p[t];
    }
    for (double & x : p) {
        x /= total;
    }
    return p;
}

static void against_oracle(const char * arch, bool shifted) {
    tiny_model model(diffusion(arch, shifted));
    tiny_context context(model, whole);
    const std::vector<int32_t> text = masked_text();
    const std::vector<int32_t> positions { 39, 0, 7, 20, 8, 5 }; // in any order, and one that is not masked
    const proposals actual(context.context, text, positions);

    CHECK_OK(chq_decode(context.context, 0, text.data(), (int32_t) text.size(), CHQ_OUTPUT_ALL, nullptr));
    const float * rows = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context.context, &rows, &n));
    CHECK_EQ(n, (int32_t) text.size());
    for (size_t i = 0; i < positions.size(); ++i) {
        const float * row = rows + (shifted ? std::max(0, positions[i] - 1) : positions[i]) * VOCAB;
        std::vector<double> p = law(row, 1, MASK);
        const int32_t best = (int32_t) (std::max_element(p.begin(), p.end()) - p.begin());
        double entropy = 0;
        for (double x : p) {
            entropy -= x > 0 ? x * std::log(x) : 0;
        }
        CHECK_EQ(actual.token[i], best);
        CHECK(std::abs(actual.probability[i] - p[best]) < 1e-5);
        CHECK(std::abs(actual.entropy[i] - entropy) < 1e-4);
        std::sort(p.rbegin(), p.rend());
        CHECK(std::abs(actual.margin[i] - (p[0] - p[1])) < 1e-5);
    }
}

TEST(llada_proposes_in_the_rows_of_the_positions)     { against_oracle("llada", false); }
TEST(dream_proposes_in_the_rows_before_the_positions) { against_oracle("dream", true); }

TEST(both_directions) {
    tiny_model model(diffusion("llada", false));
    tiny_context context(model, whole);
    std::vector<int32_t> text = masked_text();
    const proposals before(context.context, text, { 7 });
    text[30] = text[30] == 100 ? 101 : 100; // to the right
    const proposals after(context.context, text, { 7 });
    CHECK(before.probability[0] != after.probability[0]);
}

TEST(proposals_do_not_depend_on_what_else_is_asked_for) {
    tiny_model model(diffusion("llada", false));
    tiny_context context(model, whole);
    const std::vector<int32_t> text = masked_text();
    for (float temperature : { 0.0f, 0.7f, 5.0f }) {
        const proposals all(context.context, text, { 0, 7, 8, 20, 38, 39 }, temperature, 42);
        const proposals one(context.context, text, { 20 }, temperature, 42);
        CHECK_EQ(one.token[0], all.token[3]);
        CHECK_EQ(one.probability[0], all.probability[3]);
        CHECK_EQ(one.entropy[0], all.entropy[3]);
    }
}

TEST(the_mask_is_never_proposed) {
    std::mt19937 random(3);
    std::vector<float> row(VOCAB);
    for (int i = 0; i < 200; ++i) {
        for (float & x : row) {
            x = (float) (random() % 1000) / 100;
        }
        row[MASK] = 1000;
        const chq::proposal p = chq::propose(row.data(), VOCAB, MASK, i % 2 ? 1.0f : 0.0f, chq::uniform_of(i, 0));
        CHECK(p.token != MASK);
        CHECK(p.probability > 0 && p.probability <= 1);
    }
}

// Pearson's chi-square against the exact law. 40 tokens; 86.5 is exceeded once in 10^5.
TEST(drawn_tokens_follow_the_law) {
    constexpr int N = 40;
    std::vector<float> row(N);
    for (int t = 0; t < N; ++t) {
        row[t] = std::sin((float) t * 1.7f) * 2;
    }
    for (double temperature : { 0.5, 1.0, 2.0 }) {
        std::vector<double> p(N);
        double total = 0;
        for (int t = 0; t < N; ++t) {
            p[t] = t == MASK ? 0 : std::exp(row[t] / temperature);
            total += p[t];
        }
        std::vector<int> seen(N);
        constexpr int DRAWS = 200000;
        for (int i = 0; i < DRAWS; ++i) {
            ++seen[chq::propose(row.data(), N, MASK, (float) temperature, chq::uniform_of(i / 500, i % 500)).token];
        }
        double chi = 0;
        for (int t = 0; t < N; ++t) {
            if (t != MASK) {
                const double expected = DRAWS * p[t] / total;
                chi += (seen[t] - expected) * (seen[t] - expected) / expected;
            }
        }
        CHECK_EQ(seen[MASK], 0);
        CHECK(chi < 86.5);
    }
}

TEST(odd_rows) {
    const float inf = INFINITY;
    const float nan = NAN;
    const auto one = [](std::vector<float> row, float temperature, double uniform) {
        return chq::propose(row.data(), (int32_t) row.size(), 0, temperature, uniform);
    };
    for (float temperature : { 0.0f, 1.0f }) {
        for (double u : { 0.0, 0.5, 0.999999999 }) {
            CHECK_EQ(one({ 9, nan, 2, nan }, temperature, u).token, 2);
            CHECK_EQ(one({ 9, -inf, 2, -inf }, temperature, u).token, 2);
            CHECK_EQ(one({ 9, 1, inf, 2 }, temperature, u).token, 2);
            CHECK_EQ(one({ 9, 1, inf, 2 }, temperature, u).probability, 1.0f);
            CHECK_EQ(one({ 9, nan, nan, -inf }, temperature, u).token, 1);
            CHECK_EQ(one({ 9, nan, nan, -inf }, temperature, u).probability, 0.0f);
            CHECK_EQ(one({ 9 }, temperature, u).token, 0);
            const chq::proposal far = one({ 9, -3e38f, 3e38f, 0 }, temperature, u);
            CHECK_EQ(far.token, 2);
            CHECK(far.probability == 1 && far.entropy == 0 && far.margin == 1);
        }
    }
    CHECK_EQ(one({ 0, 5, 5, 1 }, 0, 0).token, 1); // the first of equals
    CHECK_EQ(one({ 0, 5, 5, 1 }, 0, 0).margin, 0.0f);
    CHECK_EQ(one({ 0, 5, 4, 1 }, 1e-30f, 0.99).token, 1);
}

TEST(arguments) {
    tiny_model model(diffusion("llada", false));
    tiny_context context(model, whole);
    const std::vector<int32_t> text = masked_text();
    const int32_t n = (int32_t) text.size();
    int32_t at = 7;
    int32_t token = -1;
    const auto denoise = [&](const int32_t * tokens, int32_t n_tokens, const int32_t * positions, int32_t n_positions, float temperature, int32_t * out) {
        return chq_denoise(context.context, tokens, n_tokens, positions, n_positions, temperature, 0, out, nullptr, nullptr, nullptr);
    };
    CHECK_OK(denoise(text.data(), n, &at, 1, 0, &token));
    CHECK(token >= 0 && token < VOCAB);
    CHECK_STATUS(denoise(nullptr,     n,  &at,     1,     0,    &token),  CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(denoise(text.data(), n,  nullptr, 1,     0,    &token),  CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(denoise(text.data(), n,  &at,     1,     0,    nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(denoise(text.data(), 0,  &at,     1,     0,    &token),  CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(denoise(text.data(), -1, &at,     1,     0,    &token),  CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(denoise(text.data(), 65, &at,     1,     0,    &token),  CHQ_STATUS_ARGUMENT); // beyond n_ubatch
    CHECK_STATUS(denoise(text.data(), n,  &at,     0,     0,    &token),  CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(denoise(text.data(), n,  &at,     n + 1, 0,    &token),  CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(denoise(text.data(), n,  &at,     1,     -1,   &token),  CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(denoise(text.data(), n,  &at,     1,     NAN,  &token),  CHQ_STATUS_ARGUMENT);
    for (int32_t wrong : { -1, n, INT32_MAX, INT32_MIN }) {
        CHECK_STATUS(denoise(text.data(), n, &wrong, 1, 0, &token), CHQ_STATUS_ARGUMENT);
    }
    std::vector<int32_t> bad = text;
    bad[3] = VOCAB;
    CHECK_STATUS(denoise(bad.data(), n, &at, 1, 0, &token), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_denoise(nullptr, text.data(), n, &at, 1, 0, 0, &token, nullptr, nullptr, nullptr), CHQ_STATUS_ARGUMENT);

    chq_context_cancel(context.context);
    CHECK_STATUS(denoise(text.data(), n, &at, 1, 0, &token), CHQ_STATUS_CANCELLED);
    chq_context_cancel_reset(context.context);
    CHECK_OK(denoise(text.data(), n, &at, 1, 0, &token));
}

TEST(other_models_are_refused) {
    const std::vector<int32_t> text = masked_text();
    const int32_t at = 7;
    int32_t token = -1;
    for (bool diffuses : { false, true }) {
        tiny_options options = diffuses ? diffusion("llada", false) : tiny_options();
        options.mask = diffuses ? -1 : MASK;
        tiny_model model(options);
        tiny_context context(model, whole);
        CHECK_STATUS(chq_denoise(context.context, text.data(), (int32_t) text.size(), &at, 1, 0, 0, &token, nullptr, nullptr, nullptr), CHQ_STATUS_UNSUPPORTED);
    }
    CHECK_EQ(token, -1);
}

MAIN
