#include "sampler/grammar.h"

#include "sampler/sampler.h"

#include <cstring>
#include <regex>

namespace chq {

static void check_grammar_arguments(const chq_sampler * sampler, const char * gbnf, const char * root) {
    check_pointer(gbnf, "gbnf");
    check_pointer(root, "root");
    if (!sampler->vocab) {
        fail(CHQ_STATUS_UNSUPPORTED, "the model has no vocabulary");
    }
    check_grammar(gbnf, root);
}

// std::regex recurses for each open group, and its messages do not say which pattern they are about.
static void check_pattern(const char * pattern, int32_t i) {
    check_pointer(pattern, "an element of trigger_patterns");
    if (strnlen(pattern, (1 << 16) + 1) > 1 << 16) {
        fail(CHQ_STATUS_GRAMMAR, "trigger pattern %d is longer than 64 KiB", i);
    }
    int nesting = 0;
    for (const char * p = pattern; *p; ++p) {
        nesting += *p == '(' ? 1 : *p == ')' ? -1 : 0;
        p += *p == '\\' && p[1] ? 1 : 0;
        if (nesting > 128) {
            fail(CHQ_STATUS_GRAMMAR, "trigger pattern %d is nested too deep", i);
        }
    }
    try {
        std::regex compiled(pattern);
    } catch (const std::regex_error & e) {
        fail(CHQ_STATUS_GRAMMAR, "trigger pattern %d is not a regular expression: %s", i, e.what());
    }
}

static void add_grammar(chq_sampler * sampler, llama_sampler * stage) {
    if (!stage) {
        fail(CHQ_STATUS_GRAMMAR, "%s", captured_errors()[0] ? captured_errors() : "the grammar does not parse");
    }
    add_stage(sampler, stage, stage_kind::GRAMMAR);
}

} // namespace chq

using namespace chq;

chq_status chq_sampler_add_grammar(struct chq_sampler * sampler, const char * gbnf, const char * root) {
    return guarded({ sampler }, [&] {
        check_open(sampler);
        check_grammar_arguments(sampler, gbnf, root);
        forget_captured_errors();
        add_grammar(sampler, llama_sampler_init_grammar(sampler->vocab, gbnf, root));
        return CHQ_STATUS_OK;
    });
}

chq_status chq_sampler_add_grammar_lazy(
        struct chq_sampler * sampler,
        const char         * gbnf,
        const char         * root,
        const char * const * trigger_patterns,
        int32_t              n_trigger_patterns,
        const int32_t      * trigger_tokens,
        int32_t              n_trigger_tokens) {
    return guarded({ sampler }, [&] {
        check_open(sampler);
        check_grammar_arguments(sampler, gbnf, root);
        if (n_trigger_patterns < 0 || n_trigger_patterns > 1024 || (n_trigger_patterns > 0 && !trigger_patterns)) {
            fail(CHQ_STATUS_ARGUMENT, "trigger_patterns is NULL, or n_trigger_patterns = %d is not in 0..1024", n_trigger_patterns);
        }
        if (n_trigger_tokens < 0 || n_trigger_tokens > sampler->n_vocab || (n_trigger_tokens > 0 && !trigger_tokens)) {
            fail(CHQ_STATUS_ARGUMENT, "trigger_tokens is NULL, or n_trigger_tokens = %d is not in 0..%d", n_trigger_tokens, sampler->n_vocab);
        }
        if (n_trigger_patterns + n_trigger_tokens == 0) {
            fail(CHQ_STATUS_ARGUMENT, "a lazy grammar needs a trigger");
        }
        for (int32_t i = 0; i < n_trigger_patterns; ++i) {
            check_pattern(trigger_patterns[i], i);
        }
        for (int32_t i = 0; i < n_trigger_tokens; ++i) {
            if (trigger_tokens[i] < 0 || trigger_tokens[i] >= sampler->n_vocab) {
                fail(CHQ_STATUS_ARGUMENT, "trigger_tokens[%d] = %d is not in the vocabulary of %d", i, trigger_tokens[i], sampler->n_vocab);
            }
        }
        forget_captured_errors();
        add_grammar(sampler, llama_sampler_init_grammar_lazy_patterns(sampler->vocab, gbnf, root,
            const_cast<const char **>(trigger_patterns), (size_t) n_trigger_patterns, trigger_tokens, (size_t) n_trigger_tokens));
        sampler->has_patterns |= n_trigger_patterns > 0;
        return CHQ_STATUS_OK;
    });
}
