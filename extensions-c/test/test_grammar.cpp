#include "check.h"
#include "tiny_gguf.h"

#include <chrono>
#include <cmath>

#include <pthread.h>

static chq_status add(const tiny_model & model, const std::string & gbnf, const char * root = "root") {
    chq_sampler * sampler = nullptr;
    CHECK_OK(chq_sampler_create(model.model, &sampler));
    const chq_status status = chq_sampler_add_grammar(sampler, gbnf.c_str(), root);
    CHECK_STATUS(chq_sampler_free(sampler), CHQ_STATUS_OK);
    return status;
}

static std::string repeat(const std::string & text, int n) {
    std::string result;
    for (int i = 0; i < n; ++i) {
        result += text;
    }
    return result;
}

TEST(good_grammars) {
    tiny_model model;
    for (const char * gbnf : {
            "root ::= \"a\"",
            "root ::= [a-z]+ \" \" [^0-9\\n]* # a comment\n",
            "root ::= ( \"a\" | \"b\" )* \"c\"{2,5} x?\nx ::= \"\\x41\\u00e9\\U0001F600\" . [\\]\\[\\-\\\\-]",
            "root ::= item (\",\" item)*\nitem ::= \"1\" | list\nlist ::= \"[\" root \"]\"",
            "root ::=\n  \"a\" |\n  \"b\"\nunused-1 ::= \"x\"\n\n",
            "root ::= \"(((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((((\"",
            "root ::= <[5]> !<[6]> \"x\"",
            "root ::= \"a\"{0} \"b\"{3,} [x]{0,2000}",
            "root ::= \"a\"\r\nb ::= \"c\"\r\n",
        }) {
        CHECK_STATUS(add(model, gbnf), CHQ_STATUS_OK);
    }
    CHECK_STATUS(add(model, "start ::= \"a\"", "start"), CHQ_STATUS_OK);
    CHECK_STATUS(add(model, "root ::= " + repeat("( ", 128) + "\"a\"" + repeat(" )", 128)), CHQ_STATUS_OK);
}

TEST(bad_grammars) {
    tiny_model model;
    for (const std::string & gbnf : std::vector<std::string> {
            "", " ", "# nothing", "root", "root ::=", "root :: = \"a\"", "root ::= \"a", "root ::= [a", "root ::= [", "root ::= \"\\", "root ::= \"\\q\"",
            "root ::= \"\\x4\"", "root ::= \"\\u12\"", "root ::= (", "root ::= (\"a\"", "root ::= \"a\")", "root ::= *", "root ::= \"a\" | +", "root ::= {3}",
            "root ::= \"a\"{", "root ::= \"a\"{x}", "root ::= \"a\"{1", "root ::= \"a\"{1,", "root ::= \"a\"{5,2}", "root ::= \"a\"{1000000}",
            "root ::= \"a\"{0,1000000000000000000000}{3000}", "root ::= \"a\"{99999999999999999999999}",
            "root ::= missing", "a ::= \"b\"", "root ::= root \"a\"", "root ::= a\na ::= b\nb ::= root", "root ::= []", "root ::= <", "root ::= <nonsense", "root ::= !",
            // left recursion behind a rule that is empty in two steps
            "root ::= e root \"z\" | \"q\"\ne ::= f\nf ::= \"\"",
            "root ::= (\"a\" | )*",
            "root ::= e* root \"z\" | \"q\"\ne ::= \"x\"",
            "root ::= ]", "::= \"a\"", "root ::= \"a\"\n | \"b\"", "\xFF\xFE", "root ::= 'a'", "root ::= a b c d",
            "root ::= " + repeat("(", 129) + "\"a\"" + repeat(")", 129),
            "root ::= " + repeat("(", 300000),
            "root ::= \"" + std::string(1 << 20, 'a') + "\"",
            "root ::= \"" + std::string(10000, 'a') + "\"{1000}",
        }) {
        const chq_status status = add(model, gbnf);
        // "root ::=" is a rule that matches nothing, which is a grammar
        const bool empty_rule = gbnf == "root ::=";
        if (status != (empty_rule ? CHQ_STATUS_OK : CHQ_STATUS_GRAMMAR)) {
            check::report(__FILE__, __LINE__, gbnf.substr(0, 60) + " gave " + chq_status_name(status) + ": " + chq_last_error());
        }
    }
    CHECK_STATUS(add(model, "root ::= \"a\"", "other"), CHQ_STATUS_GRAMMAR);
    chq_sampler * s = nullptr;
    CHECK_OK(chq_sampler_create(model.model, &s));
    CHECK_STATUS(chq_sampler_add_grammar(s, nullptr, "root"), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_sampler_add_grammar(s, "root ::= \"a\"", nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_sampler_add_grammar(s, "root ::= \"a\"\nx ::= \"b", "root"), CHQ_STATUS_GRAMMAR);
    CHECK(strstr(chq_last_error(), "line 2") != nullptr);
    CHECK_OK(chq_sampler_free(s));
}

// llama.cpp's search for left recursion would walk 2^60 ways here, or recurse 100 000 rules deep.
TEST(grammars_that_take_too_long) {
    tiny_model model;
    std::string wide = "root ::= r0\n";
    for (int i = 0; i < 60; ++i) {
        wide += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + " \"a\" | r" + std::to_string(i + 1) + " \"b\"\n";
    }
    wide += "r60 ::= \"x\"\n";
    const auto begin = std::chrono::steady_clock::now();
    CHECK_STATUS(add(model, wide), CHQ_STATUS_GRAMMAR);
    std::string deep = "root ::= r0\n";
    for (int i = 0; i < 50000; ++i) {
        deep += "r" + std::to_string(i) + " ::= r" + std::to_string(i + 1) + "\n";
    }
    deep += "r50000 ::= \"x\"\n";
    CHECK_STATUS(add(model, deep), CHQ_STATUS_GRAMMAR);
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(20));
}

struct grammar_sampler {
    chq_sampler * sampler = nullptr;
    std::vector<float> logits = std::vector<float>(300, 0.0f);

    explicit grammar_sampler(const tiny_model & model, const char * gbnf) {
        CHECK_OK(chq_sampler_create(model.model, &sampler));
        CHECK_OK(chq_sampler_add_grammar(sampler, gbnf, "root"));
        CHECK_OK(chq_sampler_add_greedy(sampler));
    }
    ~grammar_sampler() { chq_sampler_free(sampler); }
};

static int32_t byte_token(char c) {
    return 4 + (unsigned char) c;
}

TEST(constrains_and_refuses) {
    tiny_model model;
    grammar_sampler g(model, "root ::= \"ab\" \"c\"*");
    int32_t token = -1;
    const int32_t a = byte_token('a');
    const int32_t b = byte_token('b');
    CHECK_OK(chq_sampler_apply(g.sampler, g.logits.data(), 300, &token));
    struct chq_token_info info;
    CHECK_OK(chq_token_get_info(model.model, token, &info));
    CHECK(token == a || token > 259); // the byte, or the word "a"
    CHECK_STATUS(chq_sampler_accept(g.sampler, b, true), CHQ_STATUS_GRAMMAR);
    CHECK_STATUS(chq_sampler_accept(g.sampler, 2, true), CHQ_STATUS_GRAMMAR); // the end, too early
    CHECK_OK(chq_sampler_accept(g.sampler, a, true));                         // a refusal changes nothing
    CHECK_OK(chq_sampler_accept(g.sampler, 99, false));                       // not shown to the grammar
    CHECK_OK(chq_sampler_accept(g.sampler, b, true));
    CHECK_OK(chq_sampler_accept(g.sampler, 2, true));
    CHECK_OK(chq_sampler_reset(g.sampler));
    CHECK_STATUS(chq_sampler_accept(g.sampler, b, true), CHQ_STATUS_GRAMMAR);
    CHECK_OK(chq_sampler_accept(g.sampler, a, true));

    // every candidate that the grammar allows is impossible
    std::vector<float> logits(300, -INFINITY);
    logits[byte_token('z')] = 1;
    CHECK_STATUS(chq_sampler_apply(g.sampler, logits.data(), 300, &token), CHQ_STATUS_STATE);
}

TEST(writes_only_what_the_grammar_allows) {
    tiny_model model;
    tiny_context context(model);
    chq_sampler * s = nullptr;
    CHECK_OK(chq_sampler_create(model.model, &s));
    CHECK_OK(chq_sampler_add_grammar(s, "root ::= \"{\" [0-9]{3} \"}\"", "root"));
    CHECK_OK(chq_sampler_add_dist(s, 3));
    const std::vector<int32_t> prompt = some_tokens(5);
    CHECK_OK(chq_decode(context.context, 0, prompt.data(), 5, CHQ_OUTPUT_LAST, nullptr));
    std::string text;
    chq_sampled out;
    char piece[32];
    CHECK_OK(chq_sample(context.context, s, -1, false, &out, piece, sizeof(piece)));
    while (!out.is_end && text.size() < 50) {
        text.append(piece, out.n_piece);
        CHECK_OK(chq_step(context.context, 0, out.token, s, false, &out, piece, sizeof(piece)));
    }
    CHECK(out.is_end);
    CHECK_EQ(text.size(), 5u);
    CHECK(text[0] == '{' && isdigit(text[1]) && isdigit(text[2]) && isdigit(text[3]) && text[4] == '}');
    CHECK_OK(chq_sampler_free(s));
}

TEST(lazy_grammars) {
    tiny_model model;
    chq_sampler * s = nullptr;
    CHECK_OK(chq_sampler_create(model.model, &s));
    const char * const pattern[]  = { "[\\s\\S]*?(<call>)[\\s\\S]*" };
    const char * const broken[]   = { "(unclosed" };
    const std::string  deep       = std::string(200, '(') + std::string(200, ')');
    const char * const too_deep[] = { deep.c_str() };
    const int32_t bad_token = 300;
    const char * const gbnf = "root ::= \"<call>\" [0-9]+";
    CHECK_STATUS(chq_sampler_add_grammar_lazy(s, gbnf, "root", broken, 1, nullptr, 0), CHQ_STATUS_GRAMMAR);
    CHECK_STATUS(chq_sampler_add_grammar_lazy(s, gbnf, "root", too_deep, 1, nullptr, 0), CHQ_STATUS_GRAMMAR);
    CHECK_STATUS(chq_sampler_add_grammar_lazy(s, gbnf, "root", nullptr, 1, nullptr, 0), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_sampler_add_grammar_lazy(s, gbnf, "root", nullptr, 0, nullptr, 0), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_sampler_add_grammar_lazy(s, gbnf, "root", nullptr, 0, &bad_token, 1), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_sampler_add_grammar_lazy(s, gbnf, "root", pattern, 1, nullptr, 0));
    CHECK_OK(chq_sampler_add_greedy(s));
    std::vector<float> logits(300, 0.0f);
    logits[byte_token('z')] = 5;
    logits[byte_token('7')] = 4;
    int32_t token = -1;
    CHECK_OK(chq_sampler_apply(s, logits.data(), 300, &token));
    CHECK_EQ(token, byte_token('z')); // nothing is bound yet
    for (char c : std::string("hello <call>")) {
        CHECK_OK(chq_sampler_accept(s, byte_token(c), true));
    }
    CHECK_OK(chq_sampler_apply(s, logits.data(), 300, &token));
    CHECK_EQ(token, byte_token('7'));
    CHECK_STATUS(chq_sampler_accept(s, byte_token('z'), true), CHQ_STATUS_GRAMMAR);
    chq_sampler * clone = nullptr;
    CHECK_OK(chq_sampler_clone(s, &clone));
    CHECK_OK(chq_sampler_apply(clone, logits.data(), 300, &token));
    CHECK_EQ(token, byte_token('7'));
    CHECK_OK(chq_sampler_free(clone));
    CHECK_OK(chq_sampler_free(s));
}

// The trigger is looked for in all of the output so far, with a matcher that recurses for each character: on the stack
// of a small thread that would be the end.
TEST(a_lazy_grammar_waits_through_long_output) {
    tiny_model model;
    chq_sampler * s = nullptr;
    CHECK_OK(chq_sampler_create(model.model, &s));
    const char * const pattern[] = { "[\\s\\S]*?(<call>)[\\s\\S]*" };
    CHECK_OK(chq_sampler_add_grammar_lazy(s, "root ::= \"<call>\" [0-9]+", "root", pattern, 1, nullptr, 0));
    CHECK_OK(chq_sampler_add_greedy(s));
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 768 << 10);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, &attributes, [](void * p) -> void * {
        for (int i = 0; i < 500; ++i) {
            CHECK_STATUS(chq_sampler_accept((chq_sampler *) p, 299, true), CHQ_STATUS_OK); // "<unused299>"
        }
        return nullptr;
    }, s) == 0);
    pthread_join(thread, nullptr);
    CHECK_OK(chq_sampler_free(s));
}

MAIN
