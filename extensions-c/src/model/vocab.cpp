#include "model/deep_stack.h"
#include "model/model.h"

#include <algorithm>
#include <climits>
#include <cstdlib>
#include <cstring>
#include <string>

namespace chq {

const llama_vocab * check_vocab(const chq_model * model) {
    check_model(model);
    if (!model->vocab) {
        fail(CHQ_STATUS_UNSUPPORTED, "the model has no vocabulary");
    }
    return model->vocab;
}

void check_token(const chq_model * model, int32_t token) {
    if (token < 0 || token >= model->n_vocab) {
        fail(CHQ_STATUS_ARGUMENT, "token %d is not in the vocabulary of %d", token, model->n_vocab);
    }
}

void check_tokens(const chq_model * model, const int32_t * tokens, int32_t n_tokens) {
    const uint32_t n_vocab = (uint32_t) model->n_vocab;
    for (int32_t i = 0; i < n_tokens; ++i) {
        if ((uint32_t) tokens[i] >= n_vocab) {
            fail(CHQ_STATUS_ARGUMENT, "tokens[%d] = %d is not in the vocabulary of %u", i, tokens[i], n_vocab);
        }
    }
}

void token_piece(const chq_model * model, int32_t token, bool special, char * piece, int32_t capacity, int32_t * n_piece) {
    char nothing; // llama.cpp copies pieces of 0 bytes, too
    const int32_t n = llama_token_to_piece(model->vocab, token, capacity > 0 ? piece : &nothing, capacity, 0, special);
    *n_piece = n < 0 ? -n : n;
}

// llama_detokenize counts in 32 bits. Only texts long enough to reach that are counted beforehand.
static void check_total_length(const chq_model * model, const int32_t * tokens, int32_t n_tokens) {
    if (n_tokens < 1 << 15) {
        return;
    }
    int64_t total = 0;
    for (int32_t i = 0; i < n_tokens; ++i) {
        int32_t n = 0;
        token_piece(model, tokens[i], true, nullptr, 0, &n);
        total += n;
    }
    if (total > INT32_MAX) {
        fail(CHQ_STATUS_ARGUMENT, "the text of these tokens has %lld bytes, at most %d can be made at once", (long long) total, INT32_MAX);
    }
}

// The code point of a four-byte sequence at p, 0 if there is none.
static uint32_t four_byte_code_point(const unsigned char * p, const unsigned char * end) {
    if (end - p < 4 || (p[0] & 0xF8) != 0xF0 || (p[1] & 0xC0) != 0x80 || (p[2] & 0xC0) != 0x80 || (p[3] & 0xC0) != 0x80) {
        return 0;
    }
    return (uint32_t) (p[0] & 7) << 18 | (uint32_t) (p[1] & 63) << 12 | (uint32_t) (p[2] & 63) << 6 | (p[3] & 63);
}

// llama.cpp takes broken UTF-8 for U+FFFD, except for sequences beyond U+10FFFF, on which it throws. Those are replaced
// here; returns false if there were none.
static bool replace_impossible(const char * text, size_t n_text, std::string & out) {
    const unsigned char * begin = (const unsigned char *) text;
    const unsigned char * end   = begin + n_text;
    const unsigned char * done  = begin;
    for (const unsigned char * p = begin; p < end; ++p) {
        if (*p >= 0xF4 && four_byte_code_point(p, end) > 0x10FFFF) {
            out.append((const char *) done, p - done);
            out += "\xEF\xBF\xBD";
            done = p + 4;
            p += 3;
        }
    }
    if (done == begin) {
        return false;
    }
    out.append((const char *) done, end - done);
    return true;
}

// Pre-tokenizers for which llama.cpp has code of its own. All others of a BPE vocabulary go through std::regex.
bool has_deep_splitter(const llama_model * model, const llama_model_params & params) {
    if (llama_vocab_type(llama_model_get_vocab(model)) != LLAMA_VOCAB_TYPE_BPE) {
        return false;
    }
    for (const llama_model_kv_override * o = params.kv_overrides; o && o->key[0]; ++o) {
        if (strcmp(o->key, "tokenizer.ggml.pre") == 0) {
            return true; // the metadata below is the file's
        }
    }
    static const char * const own_code[] = {
        "gpt-2", "mpt", "olmo", "jais", "trillion", "granite-docling",
        "llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "lfm2", "dbrx", "smaug-bpe", "chatglm-bpe",
        "starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b",
        "stablelm2", "qwen2", "deepseek-r1-qwen", "megrez", "hunyuan", "solar-open", "qwen35",
    };
    const std::string pre = meta_text(model, "tokenizer.ggml.pre");
    for (const char * name : own_code) {
        if (pre == name) {
            return false;
        }
    }
    return true;
}

// A match never holds both: characters, then white space. Longest stretch of either, in code points.
static size_t longest_stretch(const char * text, size_t n_text) {
    size_t longest = 0;
    size_t current = 0;
    bool   space   = false;
    for (size_t i = 0; i < n_text; ++i) {
        const unsigned char c = (unsigned char) text[i];
        if ((c & 0xC0) == 0x80) {
            continue;
        }
        const bool is_space = c == ' ' || (c >= '\t' && c <= '\r');
        current = is_space == space ? current + 1 : 1;
        space   = is_space;
        longest = current > longest ? current : longest;
    }
    return longest;
}

constexpr size_t MAX_STRETCH = 1000000; // a stack of 1 GiB, committed only as far as it is used

bool same_vocabulary(const chq_model * a, const chq_model * b) {
    constexpr int32_t PADDING = 1024;
    const int32_t n = std::min(a->n_vocab, b->n_vocab);
    if (!a->vocab || !b->vocab || std::abs(a->n_vocab - b->n_vocab) > PADDING || llama_vocab_type(a->vocab) != llama_vocab_type(b->vocab)) {
        return false;
    }
    for (int32_t token = 0; token < n; token++) {
        if (strcmp(llama_vocab_get_text(a->vocab, token), llama_vocab_get_text(b->vocab, token)) != 0) {
            return false;
        }
    }
    return true;
}

} // namespace chq

using namespace chq;

chq_status chq_tokenize(
        const struct chq_model * model,
        const char             * text,
        size_t                   n_text,
        bool                     add_special,
        bool                     parse_special,
        int32_t                * tokens,
        int32_t                  capacity,
        int32_t                * n_tokens) {
    return guarded([&] {
        const llama_vocab * vocab = check_vocab(model);
        check_pointer(n_tokens, "n_tokens");
        if (n_text > 0) {
            check_pointer(text, "text");
        }
        if (capacity < 0 || (capacity > 0 && !tokens)) {
            fail(CHQ_STATUS_ARGUMENT, "tokens is NULL or its capacity negative");
        }
        if (n_text > INT32_MAX / 2) {
            fail(CHQ_STATUS_ARGUMENT, "the text has %zu bytes, at most %d can be tokenized at once", n_text, INT32_MAX / 2);
        }
        std::string repaired;
        if (llama_vocab_type(vocab) != LLAMA_VOCAB_TYPE_SPM && replace_impossible(text, n_text, repaired)) {
            text   = repaired.data();
            n_text = repaired.size();
        }
        int32_t n = 0;
        const auto tokenize = [&] {
            n = llama_tokenize(vocab, n_text > 0 ? text : "", (int32_t) n_text, tokens, capacity, add_special, parse_special);
        };
        const size_t stretch = model->deep_splitter ? longest_stretch(text, n_text) : 0;
        if (stretch > MAX_STRETCH) {
            fail(CHQ_STATUS_UNSUPPORTED, "%zu characters without a break are too many for the pre-tokenizer of this model, at most %zu are possible", stretch, MAX_STRETCH);
        }
        if (stretch <= REGEX_SHALLOW) {
            tokenize();
        } else {
            run_on_deep_stack(((size_t) 4 << 20) + stretch * REGEX_STACK, tokenize);
        }
        if (n == INT32_MIN) {
            fail(CHQ_STATUS_ARGUMENT, "the text has more tokens than fit into 31 bits");
        }
        if (n < 0) {
            *n_tokens = -n;
            set_error("%d tokens are needed, the buffer has %d", -n, capacity);
            return CHQ_STATUS_BUFFER;
        }
        *n_tokens = n;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_detokenize(
        const struct chq_model * model,
        const int32_t          * tokens,
        int32_t                  n_tokens,
        bool                     remove_special,
        bool                     unparse_special,
        char                   * text,
        size_t                   capacity,
        size_t                 * length) {
    return guarded([&] {
        const llama_vocab * vocab = check_vocab(model);
        check_pointer(length, "length");
        if (n_tokens < 0 || (n_tokens > 0 && !tokens)) {
            fail(CHQ_STATUS_ARGUMENT, "tokens is NULL or their number negative");
        }
        if (capacity > 0) {
            check_pointer(text, "text");
        }
        check_tokens(model, tokens, n_tokens);
        check_total_length(model, tokens, n_tokens);
        const int32_t room = capacity > INT32_MAX ? INT32_MAX : (int32_t) capacity;
        char nothing;
        const int32_t n = llama_detokenize(vocab, tokens, n_tokens, room > 0 ? text : &nothing, room, remove_special, unparse_special);
        *length = (size_t) (n < 0 ? -(int64_t) n : n);
        if (n < 0) {
            set_error("%zu bytes are needed, the buffer has %zu", *length, capacity);
            return CHQ_STATUS_BUFFER;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_token_piece(const struct chq_model * model, int32_t token, bool special, char * bytes, size_t capacity, size_t * length) {
    return guarded([&] {
        check_vocab(model);
        check_pointer(length, "length");
        check_token(model, token);
        if (capacity > 0) {
            check_pointer(bytes, "bytes");
        }
        int32_t n = 0;
        token_piece(model, token, special, bytes, capacity > INT32_MAX ? INT32_MAX : (int32_t) capacity, &n);
        *length = (size_t) n;
        if (*length > capacity) {
            set_error("%d bytes are needed, the buffer has %zu", n, capacity);
            return CHQ_STATUS_BUFFER;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_token_get_info(const struct chq_model * model, int32_t token, struct chq_token_info * out) {
    return guarded([&] {
        const llama_vocab * vocab = check_vocab(model);
        check_pointer(out, "out");
        check_token(model, token);
        struct chq_token_info info;
        memset(&info, 0, sizeof(info));
        info.score      = llama_vocab_get_score(vocab, token);
        info.attributes = llama_vocab_get_attr (vocab, token);
        info.is_end     = llama_vocab_is_eog    (vocab, token);
        info.is_control = llama_vocab_is_control(vocab, token);
        *out = info;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_same_vocabulary(const struct chq_model * a, const struct chq_model * b, bool * same) {
    return guarded([&] {
        check_model(a);
        check_model(b);
        check_pointer(same, "same");
        *same = same_vocabulary(a, b);
        return CHQ_STATUS_OK;
    });
}
