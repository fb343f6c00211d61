// Steps of many sequences against each of them alone, and what one slot's failure leaves to the others.
#include "check.h"
#include "tiny_gguf.h"

#include "sampler/sampler.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <random>
#include <stdexcept>

namespace {

constexpr int32_t CAPACITY = 512;

void many(llama_context_params & p) {
    p.n_seq_max  = 8;
    p.kv_unified = true;
    p.n_batch    = 64;
    p.n_ubatch   = 64;
    p.type_k     = p.type_v = GGML_TYPE_F32;
}

void one(llama_context_params & p) { p.type_k = p.type_v = GGML_TYPE_F32; }

struct chain {
    chq_sampler * it = nullptr;
    // with a grammar: and without an end
    explicit chain(const tiny_model & model, const char * gbnf = nullptr, uint32_t seed = 0) {
        CHECK_OK(chq_sampler_create(model.model, &it));
        if (gbnf) {
            CHECK_OK(chq_sampler_add_grammar(it, gbnf, "root"));
            const llama_vocab * vocab = llama_model_get_vocab(chq_model_llama(model.model));
            std::vector<int32_t> ends;
            for (int32_t token = 0; token < llama_vocab_n_tokens(vocab); ++token) {
                if (llama_vocab_is_eog(vocab, token)) {
                    ends.push_back(token);
                }
            }
            const std::vector<float> forbidden(ends.size(), -INFINITY);
            CHECK_OK(chq_sampler_add_logit_bias(it, ends.data(), forbidden.data(), (int32_t) ends.size()));
        }
        if (seed) {
            CHECK_OK(chq_sampler_add_penalties(it, 32, 1.2f, 0, 0));
            CHECK_OK(chq_sampler_add_top_k(it, 20));
            CHECK_OK(chq_sampler_add_dist(it, seed));
        } else {
            CHECK_OK(chq_sampler_add_greedy(it));
        }
    }
    ~chain() { chq_sampler_free(it); }
    chain(const chain &) = delete;
};

// The arrays of one call.
struct step {
    std::vector<chq_batch_slot>   slots;
    std::vector<int32_t>          tokens;
    std::vector<chq_batch_result> results;
    std::vector<chq_sampled>      picked;
    std::vector<char>             text;
    int32_t                       n_spare = 0;

    void add(int32_t seq_id, const std::vector<int32_t> & more, chq_sampler * sampler = nullptr) {
        slots.push_back({ sampler, nullptr, seq_id, (int32_t) more.size(), 1, true, true });
        tokens.insert(tokens.end(), more.begin(), more.end());
    }
    chq_status run(chq_context * context) {
        results.assign(slots.size(), { -1, -1, -1, -1 });
        picked.assign(slots.size() * CHQ_BATCH_PICKS, { -1, -1, false });
        text.assign(slots.size() * CAPACITY, 'x');
        return chq_batch_step(context, slots.data(), (int32_t) slots.size(), tokens.data(), (int32_t) tokens.size(), n_spare, results.data(), picked.data(), text.data(), CAPACITY);
    }
    const chq_sampled & pick_of(size_t i, int32_t n = 0) const { return picked[i * CHQ_BATCH_PICKS + (size_t) n]; }
    std::string text_of(int32_t i) const { return std::string(text.data() + i * CAPACITY, (size_t) results[i].n_text); }
};

std::vector<int32_t> alone(const tiny_model & model, const std::vector<int32_t> & prompt, chq_sampler * sampler, int32_t n) {
    tiny_context context(model, one);
    CHECK_OK(chq_decode(context.context, 0, prompt.data(), (int32_t) prompt.size(), CHQ_OUTPUT_LAST, nullptr));
    std::vector<int32_t> tokens;
    chq_sampled sampled;
    CHECK_OK(chq_sample(context.context, sampler, -1, true, &sampled, nullptr, 0));
    tokens.push_back(sampled.token);
    while ((int32_t) tokens.size() < n) {
        CHECK_OK(chq_step(context.context, 0, tokens.back(), sampler, true, &sampled, nullptr, 0));
        tokens.push_back(sampled.token);
    }
    return tokens;
}

int32_t length_of(chq_context * context, int32_t seq_id) {
    int32_t last = 0;
    CHECK_OK(chq_seq_range(context, seq_id, nullptr, &last));
    return last + 1;
}

std::string piece_of(const tiny_model & model, int32_t token) {
    char   bytes[CAPACITY];
    size_t n = 0;
    CHECK_OK(chq_token_piece(model.model, token, true, bytes, sizeof(bytes), &n));
    return std::string(bytes, n);
}

} // namespace

// Prompts of different lengths come in parts of random sizes, each answer starts and ends when it likes.
TEST(answers_are_those_of_each_text_alone) {
    for (const char * arch : { "llama", "gemma2", "mamba" }) {
        tiny_options options;
        options.arch = arch;
        tiny_model   model(options);
        tiny_context context(model, many);
        std::mt19937 random(5);
        struct text { std::vector<int32_t> prompt; size_t done = 0; std::vector<int32_t> answer; std::unique_ptr<chain> sampler; };
        std::vector<text> texts(8);
        for (size_t i = 0; i < texts.size(); ++i) {
            texts[i].prompt  = some_tokens(1 + (int32_t) (i * i) % 50, (uint32_t) i + 1);
            texts[i].sampler = std::make_unique<chain>(model, nullptr, i % 2 ? (uint32_t) i : 0);
        }
        constexpr size_t N = 24;
        bool open = true;
        while (open) {
            open = false;
            step s;
            std::vector<size_t> who;
            for (size_t i = 0; i < texts.size(); ++i) {
                text & t = texts[i];
                if (t.answer.size() == N) {
                    continue;
                }
                open = true;
                if (random() % 4 == 0) {
                    continue;
                }
                const size_t left = t.prompt.size() - t.done;
                const size_t n    = left > 0 ? std::min<size_t>(left, 1 + random() % 8) : 1;
                const std::vector<int32_t> more = left > 0
                    ? std::vector<int32_t>(t.prompt.begin() + (ptrdiff_t) t.done, t.prompt.begin() + (ptrdiff_t) (t.done + n)) : std::vector<int32_t> { t.answer.back() };
                s.add((int32_t) i, more, n >= left ? t.sampler->it : nullptr);
                t.done += left > 0 ? n : 0;
                who.push_back(i);
            }
            if (who.empty()) {
                continue;
            }
            CHECK_OK(s.run(context.context));
            for (size_t i = 0; i < who.size(); ++i) {
                CHECK_EQ(s.results[i].status, CHQ_STATUS_OK);
                CHECK_EQ(s.results[i].n_done, s.slots[i].n_tokens);
                if (s.slots[i].sampler) {
                    texts[who[i]].answer.push_back(s.pick_of(i).token);
                    CHECK(s.text_of((int32_t) i) == piece_of(model, s.pick_of(i).token));
                } else {
                    CHECK_EQ(s.results[i].n_text, 0);
                }
            }
        }
        for (size_t i = 0; i < texts.size(); ++i) {
            chain fresh(model, nullptr, i % 2 ? (uint32_t) i : 0);
            CHECK(texts[i].answer == alone(model, texts[i].prompt, fresh.it, (int32_t) N));
            if (strcmp(arch, "mamba") != 0) {
                CHECK_EQ(length_of(context.context, (int32_t) i), (int32_t) (texts[i].prompt.size() + N - 1));
            }
        }
    }
}

TEST(rows_of_the_step_are_in_the_order_of_its_slots) {
    tiny_model   model;
    tiny_context context(model, many);
    chain a(model);
    chain b(model);
    step s;
    s.add(3, some_tokens(5, 1), a.it);
    s.add(1, some_tokens(4, 2));
    s.add(2, some_tokens(3, 3), b.it);
    CHECK_OK(s.run(context.context));
    const float * rows = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context.context, &rows, &n));
    CHECK_EQ(n, 2);
    CHECK_EQ(std::max_element(rows, rows + 300) - rows, s.pick_of(0).token);
    CHECK_EQ(std::max_element(rows + 300, rows + 600) - rows - 300, s.pick_of(2).token);
}

// What two good slots give beside a bad one is what they give without it.
TEST(a_slot_fails_alone) {
    tiny_model model;
    chq_sampler * unfinished = nullptr;
    CHECK_OK(chq_sampler_create(model.model, &unfinished));

    struct { const char * what; int32_t seq_id; std::vector<int32_t> tokens; chq_sampler * sampler; chq_status expected; } bad[] = {
        { "a sequence outside",  8,  { 5 },       nullptr,     CHQ_STATUS_ARGUMENT },
        { "a negative sequence", -1, { 5 },       nullptr,     CHQ_STATUS_ARGUMENT },
        { "a token outside",     5,  { 5, 300 },  nullptr,     CHQ_STATUS_ARGUMENT },
        { "a negative token",    5,  { -1, 5 },   nullptr,     CHQ_STATUS_ARGUMENT },
        { "a chain that cannot pick", 5, { 5 },   unfinished,  CHQ_STATUS_STATE },
    };
    for (const auto & b : bad) {
        for (int32_t place = 0; place < 3; ++place) {
            tiny_context context(model, many);
            chain first(model);
            chain second(model, nullptr, 9);
            step s;
            for (int32_t i = 0; i < 3; ++i) {
                if (i == place) {
                    s.add(b.seq_id, b.tokens, b.sampler);
                } else {
                    s.add(i, some_tokens(7, (uint32_t) i), i == (place == 0 ? 1 : 0) ? first.it : second.it);
                }
            }
            CHECK_OK(s.run(context.context));
            for (int32_t i = 0; i < 3; ++i) {
                if (i == place) {
                    if (s.results[i].status != b.expected) {
                        check::report(__FILE__, __LINE__, std::string(b.what) + " gave " + chq_status_name(s.results[i].status));
                    }
                    CHECK_EQ(s.results[i].n_done, 0);
                    CHECK(!s.text_of(i).empty());
                } else {
                    const bool is_first = s.slots[i].sampler == first.it;
                    chain fresh(model, nullptr, is_first ? 0 : 9);
                    CHECK_EQ(s.results[i].status, CHQ_STATUS_OK);
                    CHECK_EQ(s.results[i].n_done, 7);
                    CHECK_EQ(s.pick_of(i).token, alone(model, some_tokens(7, (uint32_t) i), fresh.it, 1)[0]);
                }
            }
        }
    }
    CHECK_OK(chq_sampler_free(unfinished));
}

TEST(only_bad_slots_decode_nothing) {
    tiny_model   model;
    tiny_context context(model, many);
    step s;
    s.add(9, { 5 });
    CHECK_OK(s.run(context.context));
    CHECK_EQ(s.results[0].status, CHQ_STATUS_ARGUMENT);
    CHECK(s.text_of(0).find("sequence 9 is not in 0..7") != std::string::npos);
}

// After "ab" the grammar allows the end alone, which the chain forbids.
TEST(a_grammar_fails_alone) {
    tiny_model   model;
    tiny_context context(model, many);
    chain good(model);
    chain bound(model, "root ::= \"ab\"");
    std::vector<int32_t> next[2] = { some_tokens(6, 1), some_tokens(6, 2) };
    std::vector<int32_t> answer;
    std::string          text;
    chq_status           status = CHQ_STATUS_OK;
    while (status == CHQ_STATUS_OK && answer.size() < 8) {
        step s;
        s.add(1, next[1], bound.it);
        s.add(0, next[0], good.it);
        CHECK_OK(s.run(context.context));
        CHECK_EQ(s.results[1].status, CHQ_STATUS_OK);
        answer.push_back(s.pick_of(1).token);
        next[0] = { answer.back() };
        status  = (chq_status) s.results[0].status;
        if (status == CHQ_STATUS_OK) {
            next[1] = { s.pick_of(0).token };
            text   += s.text_of(0);
        }
    }
    CHECK_EQ(text, std::string("ab"));
    CHECK_EQ(status, CHQ_STATUS_STATE);
    chain fresh(model);
    CHECK(answer == alone(model, some_tokens(6, 1), fresh.it, (int32_t) answer.size()));
}

static void * no_state = nullptr;

static llama_sampler_i stage(void (*apply)(llama_sampler *, llama_token_data_array *)) {
    llama_sampler_i i = {};
    i.name  = [](const llama_sampler *) { return "test"; };
    i.apply = apply;
    return i;
}

// A stage that does what no stage of llama.cpp should: it aborts, throws, or leaves nothing.
TEST(a_chain_that_breaks_takes_nobody_with_it) {
    static llama_sampler_i aborting = stage([](llama_sampler *, llama_token_data_array *) { GGML_ABORT("a stage that aborts"); });
    static llama_sampler_i throwing = stage([](llama_sampler *, llama_token_data_array *) { throw std::runtime_error("a stage that throws"); });
    static llama_sampler_i emptying = stage([](llama_sampler *, llama_token_data_array * all) {
        for (size_t i = 0; i < all->size; ++i) {
            all->data[i].logit = -INFINITY;
        }
    });
    struct { llama_sampler_i * stage; chq_status status; const char * text; } cases[] = {
        { &aborting, CHQ_STATUS_ABORTED,  "a stage that aborts" },
        { &throwing, CHQ_STATUS_INTERNAL, "a stage that throws" },
        { &emptying, CHQ_STATUS_STATE,    "no candidate is left" },
    };
    for (const auto & c : cases) {
        tiny_model   model;
        tiny_context context(model, many);
        chain good(model);
        chq_sampler * bad = nullptr;
        CHECK_OK(chq_sampler_create(model.model, &bad));
        llama_sampler_chain_add(bad->chain, llama_sampler_init(c.stage, no_state));
        bad->stages.push_back(chq::stage_kind::FILTER);
        CHECK_OK(chq_sampler_add_greedy(bad));
        const std::vector<int32_t> p = some_tokens(9, 3);
        step s;
        s.add(0, some_tokens(5, 4), bad);
        s.add(1, p, good.it);
        CHECK_OK(s.run(context.context));
        CHECK_EQ(s.results[0].status, c.status);
        CHECK_EQ(s.results[0].n_done, 5);
        if (s.text_of(0).find(c.text) == std::string::npos) {
            check::report(__FILE__, __LINE__, "the text is \"" + s.text_of(0) + "\"");
        }
        CHECK_EQ(s.results[1].status, CHQ_STATUS_OK);
        chain fresh(model);
        CHECK_EQ(s.pick_of(1).token, alone(model, p, fresh.it, 1)[0]);
        // an aborted chain can only be freed, the context goes on
        step again;
        again.add(0, { 5 }, bad);
        again.add(1, { s.pick_of(1).token }, good.it);
        CHECK_OK(again.run(context.context));
        CHECK_EQ(again.results[0].status, c.status);
        CHECK_EQ(again.results[0].n_done, c.stage == &aborting ? 0 : 1);
        CHECK_EQ(again.results[1].status, CHQ_STATUS_OK);
        CHECK_OK(chq_sampler_free(bad));
    }
}

TEST(a_sequence_that_is_full_fails_alone) {
    tiny_model   model;
    tiny_context context(model, [](llama_context_params & p) { many(p); p.n_ctx = 256; p.n_seq_max = 2; p.kv_unified = false; p.n_outputs_max = 2; });
    struct chq_context_info info;
    CHECK_OK(chq_context_get_info(context.context, &info));
    REQUIRE(info.n_ctx_seq == 256 || info.n_ctx_seq == 128);
    const int32_t size = (int32_t) info.n_ctx_seq;
    for (int32_t done = 0; done < size - 1;) {
        const int32_t n = std::min(64, size - 1 - done);
        step fill;
        fill.add(0, some_tokens(n, 1));
        CHECK_OK(fill.run(context.context));
        done += n;
    }
    step s;
    s.add(0, { 5, 6 });
    s.add(1, { 5, 6 });
    CHECK_OK(s.run(context.context));
    CHECK_EQ(s.results[0].status, CHQ_STATUS_CONTEXT_FULL);
    CHECK(s.text_of(0).find("needed 2, available 1") != std::string::npos);
    CHECK_EQ(s.results[1].n_done, 2);
    CHECK_EQ(length_of(context.context, 0), size - 1);
    CHECK_EQ(length_of(context.context, 1), 2);
}

TEST(too_few_cells_change_nothing) {
    tiny_model   model;
    tiny_context context(model, [](llama_context_params & p) { many(p); p.n_ctx = 256; });
    for (int32_t i = 0; i < 5; ++i) {
        step s;
        s.add(i, some_tokens(48, (uint32_t) i));
        CHECK_OK(s.run(context.context));
    }
    step s;
    s.add(0, some_tokens(10, 1));
    s.add(6, some_tokens(10, 2)); // 16 are left
    CHECK_STATUS(s.run(context.context), CHQ_STATUS_CONTEXT_FULL);
    CHECK_EQ(s.results[0].n_done, 0);
    CHECK_EQ(length_of(context.context, 0), 48);
    CHECK_EQ(length_of(context.context, 6), 0);
    s.slots.pop_back();
    s.tokens.resize(10);
    CHECK_OK(s.run(context.context));
    CHECK_EQ(length_of(context.context, 0), 58);
}

// Stopped in the third of four micro-batches: the first two stay, and everything goes on from there.
TEST(a_step_that_is_cancelled_tells_what_it_did) {
    tiny_model   model;
    tiny_context context(model, [](llama_context_params & p) { many(p); p.n_ubatch = 16; });
    static int polls;
    static int limit;
    static const auto count = [](void *) { return ++polls > limit; };
    const std::vector<int32_t> p = some_tokens(24, 1);
    const std::vector<int32_t> q = some_tokens(40, 2);

    chain good(model);
    polls = 0;
    limit = INT32_MAX;
    llama_set_abort_callback(chq_context_llama(context.context), count, nullptr);
    step whole;
    whole.add(0, p, good.it);
    whole.add(1, q);
    CHECK_OK(whole.run(context.context));
    const int32_t expected = whole.pick_of(0).token;
    CHECK_OK(chq_context_clear(context.context));

    limit = polls / 4 * 2 + polls / 8;
    polls = 0;
    step s;
    s.add(0, p, good.it);
    s.add(1, q);
    CHECK_STATUS(s.run(context.context), CHQ_STATUS_CANCELLED);
    CHECK_EQ(s.results[0].n_done, 24);
    CHECK_EQ(s.results[1].n_done, 8);
    CHECK_EQ(length_of(context.context, 0), 24);
    CHECK_EQ(length_of(context.context, 1), 8);
    CHECK_EQ(s.results[0].n_picked, 0);

    limit = INT32_MAX;
    polls = 0;
    CHECK_OK(chq_seq_remove(context.context, 0, 23, -1));
    step rest;
    rest.add(0, { p.back() }, good.it);
    rest.add(1, std::vector<int32_t>(q.begin() + 8, q.end()));
    CHECK_OK(rest.run(context.context));
    CHECK_EQ(rest.pick_of(0).token, expected);
    CHECK_EQ(length_of(context.context, 1), 40);

    chq_context_cancel(context.context);
    CHECK_STATUS(rest.run(context.context), CHQ_STATUS_CANCELLED);
    chq_context_cancel_reset(context.context);
}

TEST(steps_are_checked_as_a_whole) {
    tiny_model   model;
    tiny_context context(model, [](llama_context_params & p) { many(p); p.n_outputs_max = 8; p.n_batch = 32; });
    const auto good = [] {
        step s;
        s.add(0, { 5, 6 });
        s.add(1, { 7 });
        return s;
    };
    step s = good();
    s.results.resize(2);
    s.text.resize(2 * CAPACITY);
    const chq_status A = CHQ_STATUS_ARGUMENT;
    chq_context * c = context.context;
    CHECK_STATUS(chq_batch_step(nullptr, s.slots.data(), 2, s.tokens.data(), 3, 0, s.results.data(), s.picked.data(), s.text.data(), CAPACITY), A);
    CHECK_STATUS(chq_batch_step(c, nullptr,        2, s.tokens.data(), 3, 0, s.results.data(), s.picked.data(), s.text.data(), CAPACITY), A);
    CHECK_STATUS(chq_batch_step(c, s.slots.data(), 2, nullptr, 3, 0, s.results.data(), s.picked.data(), s.text.data(), CAPACITY), A);
    CHECK_STATUS(chq_batch_step(c, s.slots.data(), 2, s.tokens.data(), 3, 0, nullptr, s.picked.data(), s.text.data(), CAPACITY), A);
    CHECK_STATUS(chq_batch_step(c, s.slots.data(), 2, s.tokens.data(), 3, 0, s.results.data(), nullptr, s.text.data(), CAPACITY), A);
    CHECK_STATUS(chq_batch_step(c, s.slots.data(), 2, s.tokens.data(), 3, 0, s.results.data(), s.picked.data(), nullptr, CAPACITY), A);
    CHECK_STATUS(chq_batch_step(c, s.slots.data(), 2, s.tokens.data(), 3, 0, s.results.data(), s.picked.data(), s.text.data(), 0), A);
    CHECK_STATUS(chq_batch_step(c, s.slots.data(), 0, s.tokens.data(), 3, 0, s.results.data(), s.picked.data(), s.text.data(), CAPACITY), A);
    CHECK_STATUS(chq_batch_step(c, s.slots.data(), 9, s.tokens.data(), 3, 0, s.results.data(), s.picked.data(), s.text.data(), CAPACITY), A);
    CHECK_STATUS(chq_batch_step(c, s.slots.data(), 2, s.tokens.data(), 2, 0, s.results.data(), s.picked.data(), s.text.data(), CAPACITY), A);
    CHECK_STATUS(chq_batch_step(c, s.slots.data(), 2, s.tokens.data(), 0, 0, s.results.data(), s.picked.data(), s.text.data(), CAPACITY), A);
    step more = good();
    more.slots[0].n_tokens = 0;
    CHECK_STATUS(more.run(c), A);
    more = good();
    more.slots[0].n_tokens = INT32_MAX;
    CHECK_STATUS(more.run(c), A);
    more = good();
    more.slots[1].seq_id = 0;
    CHECK_STATUS(more.run(c), A);
    CHECK(strstr(chq_last_error(), "sequence 0 is in two slots") != nullptr);
    more = step();
    more.add(0, some_tokens(33, 1));
    CHECK_STATUS(more.run(c), A);
    CHECK_OK(good().run(c));

    tiny_context embeddings(model, [](llama_context_params & p) { many(p); p.embeddings = true; });
    CHECK_STATUS(good().run(embeddings.context), CHQ_STATUS_UNSUPPORTED);
}

MAIN

namespace {

struct guesser {
    chq_speculation * it = nullptr;
    guesser(chq_context * context, bool fixed, const std::vector<int32_t> & text) {
        chq_speculation_params params = chq_speculation_default_params();
        params.n_draft = 5;
        params.fixed   = fixed;
        CHECK_OK(chq_speculation_create(context, &params, &it));
        begin(text);
    }
    void begin(const std::vector<int32_t> & text) { CHECK_OK(chq_speculation_begin(it, text.data(), (int32_t) text.size())); }
    ~guesser() { chq_speculation_free(it); }
    guesser(const guesser &) = delete;
};

void many_rows(llama_context_params & p) {
    many(p);
    p.n_outputs_max = 32;
}

} // namespace

// Some texts are guessed from and some are not, some guesses take any room there is and some what pays, and room comes and goes.
TEST(guesses_do_not_change_what_is_picked) {
    tiny_model   model;
    tiny_context context(model, many_rows);
    constexpr int32_t TEXTS = 5;
    constexpr size_t  N     = 60;
    std::mt19937 random(11);
    std::vector<std::vector<int32_t>> prompts, answers(TEXTS), expected;
    std::vector<std::unique_ptr<chain>>   chains;
    std::vector<std::unique_ptr<guesser>> guessers;
    for (int32_t i = 0; i < TEXTS; ++i) {
        prompts.push_back(some_tokens(5 + 3 * i, (uint32_t) i + 1));
        const uint32_t seed = i % 2 ? (uint32_t) i : 0;
        chain fresh(model, nullptr, seed);
        expected.push_back(alone(model, prompts.back(), fresh.it, N));
        chains.push_back(std::make_unique<chain>(model, nullptr, seed));
        step s;
        s.add(i, prompts.back(), chains.back()->it);
        CHECK_OK(s.run(context.context));
        CHECK_EQ(s.results[0].n_picked, 1);
        answers[(size_t) i].push_back(s.pick_of(0).token);
        std::vector<int32_t> text = prompts.back();
        text.push_back(s.pick_of(0).token);
        guessers.push_back(i == 4 ? nullptr : std::make_unique<guesser>(context.context, i < 3, text));
    }
    int64_t came_true = 0;
    for (;;) {
        step s;
        s.n_spare = (int32_t) (random() % 12);
        std::vector<size_t> who;
        for (size_t i = 0; i < TEXTS; ++i) {
            if (answers[i].size() < N && random() % 5 > 0) {
                s.add((int32_t) i, { answers[i].back() }, chains[i]->it);
                s.slots.back().speculation = guessers[i] ? guessers[i]->it : nullptr;
                s.slots.back().n_most      = (int32_t) std::min<size_t>(1 + random() % 6, N - answers[i].size());
                who.push_back(i);
            }
        }
        if (who.empty()) {
            bool open = false;
            for (const auto & answer : answers) {
                open |= answer.size() < N;
            }
            if (open) {
                continue;
            }
            break;
        }
        CHECK_OK(s.run(context.context));
        int32_t n_true = 0;
        for (size_t k = 0; k < who.size(); ++k) {
            const size_t i = who[k];
            CHECK_EQ(s.results[k].status, CHQ_STATUS_OK);
            CHECK(s.results[k].n_picked >= 1 && s.results[k].n_picked <= s.slots[k].n_most);
            CHECK_EQ(s.results[k].n_done, s.results[k].n_picked);
            std::string text;
            for (int32_t n = 0; n < s.results[k].n_picked; ++n) {
                answers[i].push_back(s.pick_of(k, n).token);
                text += piece_of(model, answers[i].back());
            }
            CHECK(s.text_of((int32_t) k) == text);
            n_true += s.results[k].n_picked - 1;
            CHECK_EQ(length_of(context.context, (int32_t) i), (int32_t) (prompts[i].size() + answers[i].size() - 1));
        }
        CHECK(n_true <= s.n_spare);
        came_true += n_true;
    }
    for (size_t i = 0; i < TEXTS; ++i) {
        CHECK(answers[i] == expected[i]);
    }
    CHECK(came_true > 0);
    chq_speculation_stats stats;
    CHECK_OK(chq_speculation_get_stats(guessers[0]->it, &stats));
    CHECK_EQ(stats.tokens, (int64_t) N - 1);
    CHECK(stats.drafted >= stats.accepted);
    CHECK_EQ(stats.trees, 0);
}

// The caller counts cells that are not there: the step does without its guesses.
TEST(a_step_without_room_for_guesses_is_a_plain_one) {
    tiny_model   model;
    tiny_context context(model, [](llama_context_params & p) {
        many_rows(p);
        p.n_ctx = 256;
    });
    chain first(model);
    chain second(model);
    step s;
    s.add(0, some_tokens(60, 1), first.it);
    CHECK_OK(s.run(context.context));
    std::vector<int32_t> text = some_tokens(60, 1);
    text.push_back(s.pick_of(0).token);
    for (int32_t i = 1; i < 4; ++i) {
        step fill;
        fill.add(i, some_tokens(i == 3 ? 254 - 3 * 60 : 60, (uint32_t) i));
        for (size_t at = 0; at < fill.tokens.size(); at += 60) {
            step part;
            part.add(i, std::vector<int32_t>(fill.tokens.begin() + (ptrdiff_t) at, fill.tokens.begin() + (ptrdiff_t) std::min(at + 60, fill.tokens.size())));
            CHECK_OK(part.run(context.context));
        }
    }
    guesser by(context.context, true, text);
    step full;
    full.n_spare = 100;
    full.add(0, { text.back() }, first.it);
    full.slots[0].speculation = by.it;
    full.slots[0].n_most      = 6;
    CHECK_OK(full.run(context.context));
    CHECK_EQ(full.results[0].status, CHQ_STATUS_OK);
    CHECK_EQ(full.results[0].n_picked, 1);
    CHECK_EQ(full.pick_of(0).token, alone(model, some_tokens(60, 1), second.it, 2)[1]);
}

TEST(a_speculation_that_does_not_fit_fails_its_slot) {
    tiny_model   model;
    tiny_context context(model, many_rows);
    tiny_context other(model, many_rows);
    const std::vector<int32_t> prompt = some_tokens(6, 1);
    chain sampler(model);
    step s;
    s.add(0, prompt, sampler.it);
    s.add(1, prompt);
    CHECK_OK(s.run(context.context));
    std::vector<int32_t> text = prompt;
    text.push_back(s.pick_of(0).token);
    guesser foreign(other.context, true, text);
    guesser early(context.context, true, prompt);
    guesser mine(context.context, true, text);
    const auto fails = [&](chq_speculation * by, std::vector<int32_t> tokens, int32_t n_most, chq_sampler * with, chq_status status) {
        step wrong;
        wrong.n_spare = 8;
        wrong.add(0, tokens, with);
        wrong.slots[0].speculation = by;
        wrong.slots[0].n_most      = n_most;
        CHECK_OK(wrong.run(context.context));
        CHECK_EQ(wrong.results[0].status, status);
        CHECK_EQ(wrong.results[0].n_done, 0);
        CHECK_EQ(length_of(context.context, 0), 6);
    };
    fails(foreign.it, { text.back() }, 4, sampler.it, CHQ_STATUS_ARGUMENT);
    fails(mine.it, { text.back(), 3 }, 4, sampler.it, CHQ_STATUS_ARGUMENT);
    fails(mine.it, { text.back() }, 0, sampler.it, CHQ_STATUS_ARGUMENT);
    fails(mine.it, { text.back() }, 4, nullptr, CHQ_STATUS_ARGUMENT);
    fails(early.it, { text.back() }, 4, sampler.it, CHQ_STATUS_STATE);
    fails(mine.it, { (text.back() + 1) % 300 }, 4, sampler.it, CHQ_STATUS_STATE);
}


