// Sampling through the ABI against llama_sampler_sample, and every value that a stage refuses.
#include "check.h"
#include "tiny_gguf.h"

#include <cmath>
#include <limits>
#include <random>

static const float NOT = std::numeric_limits<float>::quiet_NaN();

struct sampler_owner {
    chq_sampler * sampler = nullptr;
    explicit sampler_owner(const tiny_model & model) { CHECK_OK(chq_sampler_create(model.model, &sampler)); }
    ~sampler_owner() { CHECK_STATUS(chq_sampler_free(sampler), CHQ_STATUS_OK); }
};

struct chain {
    const char * name;
    std::function<void(chq_sampler *)> ours;
    std::function<void(llama_sampler *, const llama_vocab *)> theirs;
};

static const char * const BREAKERS[] = { "\n", ":", "\"" };
static const int32_t BIASED[]  = { 10, 11, 12 };
static const float   BIAS[]    = { -INFINITY, 5.0f, -3.0f };
static const char    GRAMMAR[] = "root ::= (\"a\" | \"b\" | \"the\" | [0-9])+";

static std::vector<chain> chains() {
    using S = llama_sampler;
    using V = const llama_vocab;
    const auto add = llama_sampler_chain_add;
    return {
        { "greedy", [](chq_sampler * s) { CHECK_OK(chq_sampler_add_greedy(s)); },
            [=](S * c, V *) { add(c, llama_sampler_init_greedy()); } },
        { "dist", [](chq_sampler * s) { CHECK_OK(chq_sampler_add_dist(s, 42)); },
            [=](S * c, V *) { add(c, llama_sampler_init_dist(42)); } },
        { "the usual", [](chq_sampler * s) {
                CHECK_OK(chq_sampler_add_penalties(s, 64, 1.1f, 0.1f, 0.2f));
                CHECK_OK(chq_sampler_add_top_k(s, 40));
                CHECK_OK(chq_sampler_add_typical(s, 0.95f, 1));
                CHECK_OK(chq_sampler_add_top_p(s, 0.9f, 1));
                CHECK_OK(chq_sampler_add_min_p(s, 0.05f, 1));
                CHECK_OK(chq_sampler_add_temperature(s, 0.8f));
                CHECK_OK(chq_sampler_add_dist(s, 7)); },
            [=](S * c, V * v) {
                add(c, llama_sampler_init_penalties(llama_vocab_n_tokens(v), 64, 1.1f, 0.1f, 0.2f));
                add(c, llama_sampler_init_top_k(40));
                add(c, llama_sampler_init_typical(0.95f, 1));
                add(c, llama_sampler_init_top_p(0.9f, 1));
                add(c, llama_sampler_init_min_p(0.05f, 1));
                add(c, llama_sampler_init_temp(0.8f));
                add(c, llama_sampler_init_dist(7)); } },
        { "dry, xtc, dynamic temperature", [](chq_sampler * s) {
                CHECK_OK(chq_sampler_add_dry(s, 0.8f, 1.75f, 2, 256, BREAKERS, 3));
                CHECK_OK(chq_sampler_add_xtc(s, 0.5f, 0.1f, 1, 5));
                CHECK_OK(chq_sampler_add_dynamic_temperature(s, 1.0f, 0.5f, 1.0f));
                CHECK_OK(chq_sampler_add_dist(s, 8)); },
            [=](S * c, V * v) {
                add(c, llama_sampler_init_dry(v, 0.8f, 1.75f, 2, 256, (const char **) BREAKERS, 3));
                add(c, llama_sampler_init_xtc(0.5f, 0.1f, 1, 5));
                add(c, llama_sampler_init_temp_ext(1.0f, 0.5f, 1.0f));
                add(c, llama_sampler_init_dist(8)); } },
        { "top n sigma, temperature 0", [](chq_sampler * s) {
                CHECK_OK(chq_sampler_add_top_n_sigma(s, 1.5f));
                CHECK_OK(chq_sampler_add_temperature(s, 0.0f));
                CHECK_OK(chq_sampler_add_dist(s, 9)); },
            [=](S * c, V *) {
                add(c, llama_sampler_init_top_n_sigma(1.5f));
                add(c, llama_sampler_init_temp(0.0f));
                add(c, llama_sampler_init_dist(9)); } },
        { "mirostat", [](chq_sampler * s) { CHECK_OK(chq_sampler_add_mirostat(s, 5.0f, 0.1f, 100, 10)); },
            [=](S * c, V * v) { add(c, llama_sampler_init_mirostat(llama_vocab_n_tokens(v), 10, 5.0f, 0.1f, 100)); } },
        { "mirostat v2", [](chq_sampler * s) { CHECK_OK(chq_sampler_add_mirostat_v2(s, 5.0f, 0.1f, 11)); },
            [=](S * c, V *) { add(c, llama_sampler_init_mirostat_v2(11, 5.0f, 0.1f)); } },
        { "adaptive p", [](chq_sampler * s) { CHECK_OK(chq_sampler_add_min_p(s, 0.02f, 1)); CHECK_OK(chq_sampler_add_adaptive_p(s, 0.5f, 0.9f, 12)); },
            [=](S * c, V *) { add(c, llama_sampler_init_min_p(0.02f, 1)); add(c, llama_sampler_init_adaptive_p(0.5f, 0.9f, 12)); } },
        { "logit bias", [](chq_sampler * s) { CHECK_OK(chq_sampler_add_logit_bias(s, BIASED, BIAS, 3)); CHECK_OK(chq_sampler_add_greedy(s)); },
            [=](S * c, V * v) {
                const llama_logit_bias bias[] = { { BIASED[0], BIAS[0] }, { BIASED[1], BIAS[1] }, { BIASED[2], BIAS[2] } };
                add(c, llama_sampler_init_logit_bias(llama_vocab_n_tokens(v), 3, bias));
                add(c, llama_sampler_init_greedy()); } },
        { "grammar", [](chq_sampler * s) { CHECK_OK(chq_sampler_add_grammar(s, GRAMMAR, "root")); CHECK_OK(chq_sampler_add_dist(s, 13)); },
            [=](S * c, V * v) { add(c, llama_sampler_init_grammar(v, GRAMMAR, "root")); add(c, llama_sampler_init_dist(13)); } },
        { "infill", [](chq_sampler * s) { CHECK_OK(chq_sampler_add_top_k(s, 20)); CHECK_OK(chq_sampler_add_infill(s)); CHECK_OK(chq_sampler_add_dist(s, 14)); },
            [=](S * c, V * v) { add(c, llama_sampler_init_top_k(20)); add(c, llama_sampler_init_infill(v)); add(c, llama_sampler_init_dist(14)); } },
    };
}

TEST(same_tokens_as_llama) {
    tiny_model model;
    const llama_vocab * vocab = llama_model_get_vocab(chq_model_llama(model.model));
    for (const chain & c : chains()) {
        tiny_context ours(model);
        tiny_context theirs(model);
        sampler_owner sampler(model);
        c.ours(sampler.sampler);
        llama_sampler * reference = llama_sampler_chain_init(llama_sampler_chain_default_params());
        c.theirs(reference, vocab);

        const std::vector<int32_t> prompt = some_tokens(12);
        CHECK_OK(chq_decode(ours.context,   0, prompt.data(), 12, CHQ_OUTPUT_LAST, nullptr));
        CHECK_OK(chq_decode(theirs.context, 0, prompt.data(), 12, CHQ_OUTPUT_LAST, nullptr));
        chq_sampled sampled;
        char piece[64];
        CHECK_OK(chq_sample(ours.context, sampler.sampler, -1, true, &sampled, piece, sizeof(piece)));
        int32_t expected = llama_sampler_sample(reference, chq_context_llama(theirs.context), -1);
        for (int i = 0; i < 60; ++i) {
            if (sampled.token != expected) {
                check::report(__FILE__, __LINE__, std::string(c.name) + ": token " + std::to_string(i) + " is " + std::to_string(sampled.token) + ", expected " + std::to_string(expected));
                break;
            }
            char text[64];
            const int32_t n_text = llama_token_to_piece(vocab, expected, text, sizeof(text), 0, true);
            CHECK_EQ(std::string(piece, sampled.n_piece), std::string(text, n_text));
            CHECK_EQ(sampled.is_end, llama_vocab_is_eog(vocab, expected));
            CHECK_OK(chq_step(ours.context, 0, sampled.token, sampler.sampler, true, &sampled, piece, sizeof(piece)));
            CHECK_OK(chq_decode(theirs.context, 0, &expected, 1, CHQ_OUTPUT_LAST, nullptr));
            expected = llama_sampler_sample(reference, chq_context_llama(theirs.context), -1);
        }
        llama_sampler_free(reference);
    }
}

TEST(rows_of_a_batch) {
    tiny_model model;
    tiny_context context(model);
    sampler_owner greedy(model);
    CHECK_OK(chq_sampler_add_greedy(greedy.sampler));
    const std::vector<int32_t> prompt = some_tokens(10);
    chq_sampled sampled;
    CHECK_STATUS(chq_sample(context.context, greedy.sampler, -1, false, &sampled, nullptr, 0), CHQ_STATUS_STATE);
    CHECK_OK(chq_decode(context.context, 0, prompt.data(), 10, CHQ_OUTPUT_ALL, nullptr));
    const float * data = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context.context, &data, &n));
    std::vector<int32_t> best(n);
    CHECK_OK(chq_rows_argmax(data, n, 300, 300, best.data(), nullptr));
    for (int32_t r = 0; r < n; ++r) {
        CHECK_OK(chq_sample(context.context, greedy.sampler, r, false, &sampled, nullptr, 0));
        CHECK_EQ(sampled.token, best[r]);
    }
    CHECK_OK(chq_sample(context.context, greedy.sampler, -1, false, &sampled, nullptr, 0));
    CHECK_EQ(sampled.token, best[n - 1]);
    CHECK_STATUS(chq_sample(context.context, greedy.sampler, n, false, &sampled, nullptr, 0), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_sample(context.context, greedy.sampler, -2, false, &sampled, nullptr, 0), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_sample(context.context, greedy.sampler, -1, false, nullptr, nullptr, 0), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_sample(context.context, greedy.sampler, -1, false, &sampled, nullptr, 4), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_sample(context.context, nullptr, -1, false, &sampled, nullptr, 0), CHQ_STATUS_ARGUMENT);
}

TEST(a_chain_must_end_with_a_pick) {
    tiny_model model;
    sampler_owner s(model);
    std::vector<float> logits(300, 0.0f);
    int32_t token;
    CHECK_STATUS(chq_sampler_apply(s.sampler, logits.data(), 300, &token), CHQ_STATUS_STATE);
    CHECK_OK(chq_sampler_add_top_k(s.sampler, 5));
    CHECK_STATUS(chq_sampler_apply(s.sampler, logits.data(), 300, &token), CHQ_STATUS_STATE);
    CHECK_OK(chq_sampler_add_dist(s.sampler, 1));
    CHECK_OK(chq_sampler_apply(s.sampler, logits.data(), 300, &token));
    CHECK_STATUS(chq_sampler_add_top_k(s.sampler, 5), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_sampler_add_greedy(s.sampler), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_sampler_apply(s.sampler, logits.data(), 299, &token), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_sampler_apply(s.sampler, nullptr, 300, &token), CHQ_STATUS_ARGUMENT);
    char text[64];
    size_t length = 0;
    CHECK_OK(chq_sampler_describe(s.sampler, text, sizeof(text), &length));
    CHECK_EQ(std::string(text), "top-k,dist");
}

// Rows without a candidate, or with values that sorting does not bear.
TEST(hopeless_logits) {
    tiny_model model;
    for (const chain & c : chains()) {
        for (int kind = 0; kind < 5; ++kind) {
            sampler_owner s(model);
            c.ours(s.sampler);
            std::mt19937 random(5);
            std::vector<float> logits(300);
            for (float & x : logits) {
                switch (kind) {
                    case 0: x = -INFINITY; break;
                    case 1: x = NOT; break;
                    case 2: x = random() % 2 ? NOT : (float) (random() % 10); break;
                    case 3: x = random() % 2 ? -INFINITY : (float) (random() % 10); break;
                    default: x = 3e38f * (random() % 2 ? 1.0f : -1.0f); break;
                }
            }
            int32_t token = -1;
            const chq_status status = chq_sampler_apply(s.sampler, logits.data(), 300, &token);
            if (kind <= 1) {
                if (status != CHQ_STATUS_STATE) {
                    check::report(__FILE__, __LINE__, std::string(c.name) + ", kind " + std::to_string(kind) + " gave " + chq_status_name(status) + ": " + chq_last_error());
                }
            } else if (status == CHQ_STATUS_OK) {
                CHECK(token >= 0 && token < 300);
                CHECK(logits[token] > -INFINITY);
            } else {
                CHECK_EQ(status, CHQ_STATUS_STATE);
            }
        }
    }
}

TEST(values_out_of_range) {
    tiny_model model;
    sampler_owner owner(model);
    chq_sampler * s = owner.sampler;
    const chq_status A = CHQ_STATUS_ARGUMENT;
    for (float p : { -0.1f, 1.1f, NOT, INFINITY }) {
        CHECK_STATUS(chq_sampler_add_top_p(s, p, 1), A);
        CHECK_STATUS(chq_sampler_add_min_p(s, p, 1), A);
        CHECK_STATUS(chq_sampler_add_typical(s, p, 1), A);
        CHECK_STATUS(chq_sampler_add_xtc(s, p, 0.1f, 1, 0), A);
        CHECK_STATUS(chq_sampler_add_adaptive_p(s, 0.5f, p, 0), A);
    }
    CHECK_STATUS(chq_sampler_add_top_p(s, 0.5f, -1), A);
    CHECK_STATUS(chq_sampler_add_min_p(s, 0.5f, -1), A);
    CHECK_STATUS(chq_sampler_add_typical(s, 0.5f, -1), A);
    CHECK_STATUS(chq_sampler_add_xtc(s, 0.5f, 0.1f, -1, 0), A);
    CHECK_STATUS(chq_sampler_add_xtc(s, 0.5f, -0.1f, 1, 0), A);
    CHECK_STATUS(chq_sampler_add_temperature(s, NOT), A);
    CHECK_STATUS(chq_sampler_add_temperature(s, INFINITY), A);
    CHECK_STATUS(chq_sampler_add_dynamic_temperature(s, 1, -1, 1), A);
    CHECK_STATUS(chq_sampler_add_dynamic_temperature(s, 1, 1, NOT), A);
    CHECK_STATUS(chq_sampler_add_top_n_sigma(s, NOT), A);
    CHECK_STATUS(chq_sampler_add_mirostat(s, 0, 0.1f, 100, 0), A);
    CHECK_STATUS(chq_sampler_add_mirostat(s, 5, 0, 100, 0), A);
    CHECK_STATUS(chq_sampler_add_mirostat(s, 5, 0.1f, 1, 0), A);
    CHECK_STATUS(chq_sampler_add_mirostat_v2(s, NOT, 0.1f, 0), A);
    CHECK_STATUS(chq_sampler_add_mirostat_v2(s, 5, -0.1f, 0), A);
    CHECK_STATUS(chq_sampler_add_adaptive_p(s, 1.5f, 0.5f, 0), A);
    CHECK_STATUS(chq_sampler_add_adaptive_p(s, 0.5f, 0.995f, 0), A);
    CHECK_STATUS(chq_sampler_add_penalties(s, -1, 1, 0, 0), A);
    CHECK_STATUS(chq_sampler_add_penalties(s, (1 << 20) + 1, 1, 0, 0), A);
    CHECK_STATUS(chq_sampler_add_penalties(s, 64, 0, 0, 0), A);
    CHECK_STATUS(chq_sampler_add_penalties(s, 64, 1, NOT, 0), A);
    CHECK_STATUS(chq_sampler_add_penalties(s, 64, 1, 0, INFINITY), A);
    CHECK_STATUS(chq_sampler_add_dry(s, -1, 1.75f, 2, 64, nullptr, 0), A);
    CHECK_STATUS(chq_sampler_add_dry(s, 1, 0.5f, 2, 64, nullptr, 0), A);
    CHECK_STATUS(chq_sampler_add_dry(s, 1, 1.75f, -1, 64, nullptr, 0), A);
    CHECK_STATUS(chq_sampler_add_dry(s, 1, 1.75f, 2, -1, nullptr, 0), A);
    CHECK_STATUS(chq_sampler_add_dry(s, 1, 1.75f, 2, 64, nullptr, 1), A);
    const char * const missing[] = { "a", nullptr };
    CHECK_STATUS(chq_sampler_add_dry(s, 1, 1.75f, 2, 64, missing, 2), A);
    const int32_t bad_tokens[] = { 5, 300 };
    const float   bias[]       = { 1, 1 };
    const float   bad_bias[]   = { 1, NOT };
    CHECK_STATUS(chq_sampler_add_logit_bias(s, bad_tokens, bias, 2), A);
    CHECK_STATUS(chq_sampler_add_logit_bias(s, BIASED, bad_bias, 2), A);
    CHECK_STATUS(chq_sampler_add_logit_bias(s, nullptr, bias, 2), A);
    CHECK_STATUS(chq_sampler_add_logit_bias(s, BIASED, bias, -1), A);
    CHECK_STATUS(chq_sampler_accept(s, 300, true), A);
    CHECK_STATUS(chq_sampler_accept(s, -1, false), A);
    CHECK_STATUS(chq_sampler_create(nullptr, &s), A);
    CHECK_STATUS(chq_sampler_create(model.model, nullptr), A);
    char text[8];
    size_t length = 1;
    CHECK_OK(chq_sampler_describe(owner.sampler, text, sizeof(text), &length));
    CHECK_EQ(length, 0u); // nothing was added
}

TEST(clone_reset_and_seed) {
    tiny_model model;
    sampler_owner s(model);
    uint32_t seed = 0;
    CHECK_STATUS(chq_sampler_seed(s.sampler, &seed), CHQ_STATUS_STATE);
    CHECK_OK(chq_sampler_add_penalties(s.sampler, 64, 1.5f, 0.5f, 0.5f));
    CHECK_OK(chq_sampler_add_dist(s.sampler, 99));
    CHECK_OK(chq_sampler_seed(s.sampler, &seed));
    CHECK_EQ(seed, 99u);
    std::vector<float> logits(300);
    for (int i = 0; i < 300; ++i) {
        logits[i] = (float) (i % 7);
    }
    const auto draw = [&](chq_sampler * sampler, int n) {
        std::vector<int32_t> tokens(n);
        for (int32_t & t : tokens) {
            CHECK_OK(chq_sampler_apply(sampler, logits.data(), 300, &t));
            CHECK_OK(chq_sampler_accept(sampler, t, true));
        }
        return tokens;
    };
    const std::vector<int32_t> first = draw(s.sampler, 20);
    chq_sampler * clone = nullptr;
    CHECK_OK(chq_sampler_clone(s.sampler, &clone));
    CHECK(draw(s.sampler, 20) == draw(clone, 20));
    CHECK_OK(chq_sampler_free(clone));
    CHECK_OK(chq_sampler_reset(s.sampler));
    CHECK(draw(s.sampler, 20) == first);
}

MAIN

// ---- reasoning budgets -----------------------------------------------------------------------------------------------

static int32_t byte_token(char c) {
    return 4 + (unsigned char) c;
}

struct thinker : sampler_owner {
    std::vector<float> logits = std::vector<float>(300, 0.0f);

    thinker(const tiny_model & model, int32_t n_tokens, const std::vector<const char *> & ends, const char * opening) : sampler_owner(model) {
        CHECK_OK(chq_sampler_add_reasoning_budget(sampler, n_tokens, "<think>", ends.data(), (int32_t) ends.size(), opening));
        CHECK_OK(chq_sampler_add_greedy(sampler));
    }
    void hear(const std::string & text) {
        for (const char c : text) {
            CHECK_OK(chq_sampler_accept(sampler, byte_token(c), true));
        }
    }
};

static std::string piece_of(const tiny_model & model, int32_t token) {
    char   text[64];
    size_t length = 0;
    CHECK_OK(chq_token_piece(model.model, token, true, text, sizeof(text), &length));
    return std::string(text, length);
}

// n bytes of what a chain makes of a model that always wants to write the same.
static std::string goes_on(const tiny_model & model, chq_sampler * sampler, const std::string & wanted, size_t n) {
    std::string text;
    for (size_t i = 0; text.size() < n; ++i) {
        std::vector<float> logits(300, 0.0f);
        logits[(size_t) byte_token(wanted[i % wanted.size()])] = 9;
        int32_t token = -1;
        CHECK_OK(chq_sampler_apply(sampler, logits.data(), 300, &token));
        CHECK_OK(chq_sampler_accept(sampler, token, true));
        text += piece_of(model, token);
    }
    return text;
}

TEST(reasoning_ends_when_its_budget_is_spent) {
    tiny_model model;
    const std::vector<const char *> ends = { "</think>", "<call>" };
    for (int n : { 0, 1, 5 }) {
        thinker opened(model, n, ends, "assistant\n<think>\n");
        CHECK_EQ(goes_on(model, opened.sampler, "x", (size_t) n + 11), std::string((size_t) n, 'x') + "</think>xxx");
        thinker opens(model, n, ends, "");
        opens.hear("well <think>");
        CHECK_EQ(goes_on(model, opens.sampler, "x", (size_t) n + 11), std::string((size_t) n, 'x') + "</think>xxx");
        opens.hear("<think>"); // the budget is that of all the answer
        CHECK_EQ(goes_on(model, opens.sampler, "x", 9), "</think>x");
        CHECK_OK(chq_sampler_reset(opens.sampler));
        CHECK_EQ(goes_on(model, opens.sampler, "x", 20), std::string(20, 'x'));
    }
    thinker closed(model, 0, ends, "<think>\n\n</think>\n\n");
    CHECK_EQ(goes_on(model, closed.sampler, "x", 4), "xxxx");
}

TEST(reasoning_that_ends_by_itself_is_left_alone) {
    tiny_model model;
    for (const char * end : { "</think>", "<call>" }) {
        thinker t(model, 20, { "</think>", "<call>" }, "<think>");
        t.hear(std::string("so") + end);
        CHECK_EQ(goes_on(model, t.sampler, "x", 40), std::string(40, 'x'));
    }
}

TEST(what_is_written_of_the_end_is_not_written_again) {
    tiny_model model;
    const std::string end = "</think>";
    for (size_t n = 0; n < end.size(); ++n) {
        thinker t(model, 2 + (int32_t) n, { end.c_str() }, "<think>");
        t.hear("ab" + end.substr(0, n));
        CHECK_EQ(goes_on(model, t.sampler, "x", end.size() - n + 1), end.substr(n) + "x");
    }
    thinker t(model, 4, { "aab" }, "<think>"); // the longest part of the end that the text ends with
    t.hear("xaaa");
    CHECK_EQ(goes_on(model, t.sampler, "y", 2), "by");
}

TEST(no_character_is_cut) {
    tiny_model model;
    for (const std::string character : { "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80" }) {
        thinker t(model, 1, { "</think>" }, "<think>");
        CHECK_EQ(goes_on(model, t.sampler, character, character.size() + 8), character + "</think>");
    }
    thinker t(model, 1, { "</think>" }, "<think>");
    CHECK_EQ(goes_on(model, t.sampler, "\xE2", 12), "\xE2\xE2\xE2\xE2</think>"); // a character that never ends
}

TEST(an_end_that_is_one_token_is_that_token) {
    tiny_options options;
    options.bpe      = true;
    options.controls = { "<think>", "</think>" };
    tiny_model model(options);
    thinker t(model, 1, { "</think>" }, "<think>");
    CHECK_EQ(goes_on(model, t.sampler, "x", 1), "x");
    int32_t token = -1;
    CHECK_OK(chq_sampler_apply(t.sampler, t.logits.data(), 300, &token));
    CHECK_EQ(token, 299);
    chq_sampler * clone = nullptr;
    CHECK_OK(chq_sampler_clone(t.sampler, &clone));
    CHECK_OK(chq_sampler_accept(t.sampler, 298, false)); // what the prompt has said is nothing to it
    CHECK_OK(chq_sampler_accept(t.sampler, 299, true));
    CHECK_EQ(goes_on(model, t.sampler, "x", 3), "xxx");
    CHECK_EQ(goes_on(model, clone, "x", 9), "</think>x");
    CHECK_OK(chq_sampler_free(clone));
}

TEST(refused_reasoning_budgets) {
    tiny_model model;
    sampler_owner owner(model);
    const char * const ends[]   = { "</think>" };
    const char * const empty[]  = { "" };
    const char * const broken[] = { "</think>", nullptr };
    const std::string  lengthy(257, 'x');
    const chq_status A = CHQ_STATUS_ARGUMENT;
    CHECK_STATUS(chq_sampler_add_reasoning_budget(owner.sampler, -1, "<think>", ends, 1, ""), A);
    CHECK_STATUS(chq_sampler_add_reasoning_budget(owner.sampler, 1, nullptr, ends, 1, ""), A);
    CHECK_STATUS(chq_sampler_add_reasoning_budget(owner.sampler, 1, "", ends, 1, ""), A);
    CHECK_STATUS(chq_sampler_add_reasoning_budget(owner.sampler, 1, lengthy.c_str(), ends, 1, ""), A);
    CHECK_STATUS(chq_sampler_add_reasoning_budget(owner.sampler, 1, "<think>", nullptr, 1, ""), A);
    CHECK_STATUS(chq_sampler_add_reasoning_budget(owner.sampler, 1, "<think>", ends, 0, ""), A);
    CHECK_STATUS(chq_sampler_add_reasoning_budget(owner.sampler, 1, "<think>", empty, 1, ""), A);
    CHECK_STATUS(chq_sampler_add_reasoning_budget(owner.sampler, 1, "<think>", broken, 2, ""), A);
    CHECK_STATUS(chq_sampler_add_reasoning_budget(owner.sampler, 1, "<think>", ends, 1, nullptr), A);
    CHECK_STATUS(chq_sampler_accept_opening(owner.sampler, 300), A);
}
