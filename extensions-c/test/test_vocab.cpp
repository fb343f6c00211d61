#include "check.h"
#include "tiny_gguf.h"

#include <random>

#include <pthread.h>

static std::vector<int32_t> tokenize(const chq_model * model, const std::string & text, bool add_special = false, bool parse_special = false) {
    std::vector<int32_t> tokens(3 * text.size() + 8); // a broken byte becomes U+FFFD
    int32_t n = 0;
    CHECK_OK(chq_tokenize(model, text.data(), text.size(), add_special, parse_special, tokens.data(), (int32_t) tokens.size(), &n));
    tokens.resize(n);
    return tokens;
}

static std::string detokenize(const chq_model * model, const std::vector<int32_t> & tokens, bool special = true) {
    std::string text(tokens.size() * 16 + 16, 0);
    size_t n = 0;
    CHECK_OK(chq_detokenize(model, tokens.data(), (int32_t) tokens.size(), false, special, &text[0], text.size(), &n));
    text.resize(n);
    return text;
}

static const char * const TEXTS[] = {
    "", "a", " ", "  ", "the thing", "\n\n\n", "caf\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80", "tab\tand 0123456789", "x\xE2\x96\x81y",
};

TEST(round_trip_of_text) {
    for (bool bpe : { false, true }) {
        tiny_options options;
        options.bpe = bpe;
        tiny_model model(options);
        for (const char * text : TEXTS) {
            if (!bpe && strstr(text, "\xE2\x96\x81")) {
                continue; // SentencePiece's own sign for a space
            }
            CHECK_EQ(detokenize(model.model, tokenize(model.model, text)), std::string(text));
        }
        std::mt19937 random(3);
        for (int i = 0; i < 50; ++i) {
            std::string text = "x";
            for (int n = (int) (random() % 40); n > 0; --n) {
                // no space before punctuation: GPT-2's detokenizer removes it
                const char c = (char) (32 + random() % 95);
                text += text.back() == ' ' && !isalnum(c) ? 'x' : c;
            }
            CHECK_EQ(detokenize(model.model, tokenize(model.model, text)), text);
        }
    }
}

TEST(text_may_hold_zeros_and_broken_utf8) {
    tiny_model model;
    const std::string text("a\0b\xFF\xC3(\xE2\x82", 8);
    const std::vector<int32_t> tokens = tokenize(model.model, text);
    CHECK(tokens.size() >= 8);
    CHECK(detokenize(model.model, tokens).find(std::string("a\0b", 3)) == 0);
}

TEST(special_tokens) {
    tiny_model model;
    const std::vector<int32_t> with = tokenize(model.model, "a", true);
    const std::vector<int32_t> without = tokenize(model.model, "a", false);
    CHECK_EQ(with.size(), without.size() + 1);
    CHECK_EQ(with[0], 1);
    CHECK_EQ(tokenize(model.model, "<s>", false, true).size(), 1u);
    CHECK_EQ(tokenize(model.model, "<s>", false, true)[0], 1);
    for (int32_t t : tokenize(model.model, "</s><|im_end|>", false, false)) {
        CHECK(t > 3); // text never becomes a control token
    }
    CHECK_EQ(detokenize(model.model, { 1, 2 }, true), std::string("<s></s>"));
    CHECK_EQ(detokenize(model.model, { 1, 2 }, false), std::string(""));
}

TEST(sizes_are_asked_for_with_a_small_buffer) {
    tiny_model model;
    int32_t n = 0;
    CHECK_STATUS(chq_tokenize(model.model, "hello", 5, false, false, nullptr, 0, &n), CHQ_STATUS_BUFFER);
    std::vector<int32_t> tokens(n);
    int32_t again = 0;
    CHECK_OK(chq_tokenize(model.model, "hello", 5, false, false, tokens.data(), n, &again));
    CHECK_EQ(again, n);
    size_t length = 0;
    char text[64];
    CHECK_STATUS(chq_detokenize(model.model, tokens.data(), n, true, false, nullptr, 0, &length), CHQ_STATUS_BUFFER);
    CHECK(length >= 5);
    CHECK_OK(chq_detokenize(model.model, tokens.data(), n, true, false, text, length, &length));
    CHECK_EQ(std::string(text, length), "hello");
    CHECK_STATUS(chq_token_piece(model.model, 1, true, text, 2, &length), CHQ_STATUS_BUFFER);
    CHECK_EQ(length, 3u);
    CHECK_OK(chq_token_piece(model.model, 1, true, text, sizeof(text), &length));
    CHECK_EQ(std::string(text, length), "<s>");
    CHECK_OK(chq_token_piece(model.model, 1, false, nullptr, 0, &length));
    CHECK_EQ(length, 0u);
    CHECK_STATUS(chq_model_description(model.model, text, 1, &length), CHQ_STATUS_BUFFER);
    CHECK(length > 1);
    CHECK_OK(chq_model_description(model.model, text, sizeof(text), &length));
    CHECK_EQ(strlen(text), length);
}

TEST(bad_arguments) {
    tiny_model model;
    int32_t tokens[4] = { 5, 300, 6, 7 };
    int32_t n = 0;
    size_t length = 0;
    char text[8];
    struct chq_token_info info;
    CHECK_STATUS(chq_tokenize(model.model, nullptr, 3, false, false, tokens, 4, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tokenize(model.model, "abc", 3, false, false, nullptr, 4, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tokenize(model.model, "abc", 3, false, false, tokens, -1, &n), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tokenize(model.model, "abc", 3, false, false, tokens, 4, nullptr), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_tokenize(model.model, "abc", SIZE_MAX, false, false, tokens, 4, &n), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_tokenize(model.model, nullptr, 0, false, false, nullptr, 0, &n));
    CHECK_EQ(n, 0);
    CHECK_STATUS(chq_detokenize(model.model, tokens, 4, false, false, text, 8, &length), CHQ_STATUS_ARGUMENT);
    CHECK(strstr(chq_last_error(), "tokens[1] = 300") != nullptr);
    CHECK_STATUS(chq_detokenize(model.model, nullptr, 4, false, false, text, 8, &length), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_detokenize(model.model, tokens, -1, false, false, text, 8, &length), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_token_piece(model.model, -1, true, text, 8, &length), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_token_piece(model.model, 300, true, text, 8, &length), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_token_get_info(model.model, 300, &info), CHQ_STATUS_ARGUMENT);
    CHECK_STATUS(chq_token_get_info(model.model, INT32_MIN, &info), CHQ_STATUS_ARGUMENT);
    CHECK_OK(chq_token_get_info(model.model, 2, &info));
    CHECK(info.is_end && info.is_control);
    CHECK_OK(chq_token_get_info(model.model, 10, &info));
    CHECK(!info.is_end && !info.is_control);
    CHECK_STATUS(chq_model_meta(model.model, "no.such.key", text, 8, &length), CHQ_STATUS_STATE);
    CHECK_STATUS(chq_model_chat_template(model.model, nullptr, text, 8, &length), CHQ_STATUS_STATE);
}

TEST(metadata_and_template) {
    tiny_options options;
    options.chat_template = "{{ messages }}";
    tiny_model model(options);
    char text[64];
    size_t length = 0;
    CHECK_OK(chq_model_meta(model.model, "general.architecture", text, sizeof(text), &length));
    CHECK_EQ(std::string(text), "llama");
    CHECK_OK(chq_model_chat_template(model.model, nullptr, text, sizeof(text), &length));
    CHECK_EQ(std::string(text), options.chat_template);
    struct chq_model_info info;
    CHECK_OK(chq_model_get_info(model.model, &info));
    CHECK_EQ(info.n_vocab, 300);
    CHECK_EQ(info.n_ctx_train, 2048);
    CHECK_EQ(info.n_embd, 64);
    CHECK_EQ(info.n_layer, 2);
    CHECK_EQ(info.n_head, 4);
    CHECK_EQ(info.n_head_kv, 2);
    CHECK_EQ(info.token_bos, 1);
    CHECK_EQ(info.token_eos, 2);
    CHECK_EQ(info.token_mask, -1);
    CHECK(info.add_bos && !info.add_eos && info.has_decoder && !info.has_encoder && !info.is_recurrent && !info.vocab_only);
}

TEST(vocabulary_without_weights) {
    const std::string path = temporary_path("vocab.gguf");
    write_tiny_gguf(path);
    CHECK_OK(chq_runtime_init(nullptr));
    llama_model_params params = llama_model_default_params();
    params.vocab_only = true;
    chq_model * model = nullptr;
    CHECK_OK(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &model));
    struct chq_model_info info;
    CHECK_OK(chq_model_get_info(model, &info));
    CHECK(info.vocab_only);
    CHECK_EQ(info.n_vocab, 300);
    CHECK_EQ(detokenize(model, tokenize(model, "the thing")), std::string("the thing"));
    chq_context * context = nullptr;
    CHECK_STATUS(chq_context_create(model, nullptr, 0, &context), CHQ_STATUS_STATE);
    CHECK_OK(chq_model_free(model));
}

// Longer than any stack of a Java thread would bear if the pre-tokenizer recursed on it.
TEST(long_texts) {
    for (bool bpe : { false, true }) {
        tiny_options options;
        options.bpe = bpe;
        tiny_model model(options);
        for (const char * unit : { "a", " ", "\n", "\xE2\x82\xAC", "1", "the ", "\xFF" }) {
            std::string text;
            while (text.size() < 60000) {
                text += unit;
            }
            const std::vector<int32_t> tokens = tokenize(model.model, text);
            if (unit[0] != '\xFF') {
                CHECK(detokenize(model.model, tokens) == text);
            }
        }
    }
}

// The same for a pre-tokenizer that really recurses, called from a thread with a small stack.
TEST(long_words_and_a_recursive_pre_tokenizer) {
    const std::string path = temporary_path("bpe.gguf");
    tiny_options options;
    options.bpe = true;
    write_tiny_gguf(path, options);
    llama_model_kv_override overrides[2] = {};
    overrides[0].tag = LLAMA_KV_OVERRIDE_TYPE_STR;
    snprintf(overrides[0].key,     sizeof(overrides[0].key),     "tokenizer.ggml.pre");
    snprintf(overrides[0].val_str, sizeof(overrides[0].val_str), "deepseek-llm");
    llama_model_params params = llama_model_default_params();
    params.kv_overrides = overrides;
    CHECK_OK(chq_runtime_init(nullptr));
    chq_model * loaded = nullptr;
    CHECK_OK(chq_model_load(path.c_str(), &params, CHQ_KERNELS_AUTO, &loaded));
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 512 << 10);
    pthread_t thread;
    REQUIRE(pthread_create(&thread, &attributes, [](void * p) -> void * {
        const chq_model * model = *(chq_model **) p;
        for (size_t size : { (size_t) 200, (size_t) 5000, (size_t) 50000 }) {
            const std::string text(size, 'a');
            std::vector<int32_t> tokens(size + 8);
            int32_t n = 0;
            CHECK_STATUS(chq_tokenize(model, text.data(), size, false, false, tokens.data(), (int32_t) tokens.size(), &n), CHQ_STATUS_OK);
            CHECK_EQ(n, (int32_t) size);
        }
        const std::string endless(2000000, 'a');
        int32_t n = 0;
        CHECK_STATUS(chq_tokenize(model, endless.data(), endless.size(), false, false, nullptr, 0, &n), CHQ_STATUS_UNSUPPORTED);
        return nullptr;
    }, &loaded) == 0);
    pthread_join(thread, nullptr);
    CHECK_OK(chq_model_free(loaded));
}

MAIN
