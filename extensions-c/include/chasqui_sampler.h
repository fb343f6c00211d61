// Sampler chains: each stage reshapes or picks from the candidates, in the order it was added.
//
// A chain is used by one thread at a time. It keeps its model alive only by the caller's care: free it before the model.
#pragma once

#include "chasqui_guard.h"
#include "chasqui_model.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_sampler;

// An empty chain. Sampling needs a last stage that picks: greedy, dist, mirostat or adaptive_p; nothing can be added after it.
CHQ_API chq_status chq_sampler_create(const struct chq_model * model, struct chq_sampler ** out);
CHQ_API chq_status chq_sampler_free(struct chq_sampler * sampler); // NULL is ignored

// A deep copy with the same state, e.g. for a forked sequence.
CHQ_API chq_status chq_sampler_clone(const struct chq_sampler * sampler, struct chq_sampler ** out);

// Forgets accepted tokens and restarts grammar and random numbers.
CHQ_API chq_status chq_sampler_reset(struct chq_sampler * sampler);

// Tells the chain that a token was added to the text without sampling (e.g. the prompt, for penalties).
// with_grammar = false feeds only the stages that do not follow the form of the answer: neither grammars nor a reasoning budget.
CHQ_API chq_status chq_sampler_accept(struct chq_sampler * sampler, int32_t token, bool with_grammar);

// Tells the grammars alone of a token with which the prompt opens the answer.
CHQ_API chq_status chq_sampler_accept_opening(struct chq_sampler * sampler, int32_t token);

// Runs the chain on one row of n_vocab logits of the caller's and returns the pick without accepting it.
CHQ_API chq_status chq_sampler_apply(struct chq_sampler * sampler, const float * logits, int32_t n_vocab, int32_t * token);

// The seed in use, CHQ_STATUS_STATE if no stage is random.
CHQ_API chq_status chq_sampler_seed(const struct chq_sampler * sampler, uint32_t * seed);

// Names of the stages, comma separated. *length = bytes needed without the terminator.
CHQ_API chq_status chq_sampler_describe(const struct chq_sampler * sampler, char * text, size_t capacity, size_t * length);

// ---- stages; a value outside the range given is CHQ_STATUS_ARGUMENT -------------------------------------------------

CHQ_API chq_status chq_sampler_add_greedy     (struct chq_sampler * sampler);
CHQ_API chq_status chq_sampler_add_dist       (struct chq_sampler * sampler, uint32_t seed);                                  // picks by probability; 0xFFFFFFFF = a random seed
CHQ_API chq_status chq_sampler_add_top_k      (struct chq_sampler * sampler, int32_t k);                                      // k <= 0 = off
CHQ_API chq_status chq_sampler_add_top_p      (struct chq_sampler * sampler, float p, int32_t min_keep);                      // 0 <= p <= 1
CHQ_API chq_status chq_sampler_add_min_p      (struct chq_sampler * sampler, float p, int32_t min_keep);                      // 0 <= p <= 1
CHQ_API chq_status chq_sampler_add_typical    (struct chq_sampler * sampler, float p, int32_t min_keep);                      // 0 <= p <= 1
CHQ_API chq_status chq_sampler_add_temperature(struct chq_sampler * sampler, float t);                                        // t <= 0 keeps only the best
CHQ_API chq_status chq_sampler_add_dynamic_temperature(struct chq_sampler * sampler, float t, float delta, float exponent);   // delta >= 0
CHQ_API chq_status chq_sampler_add_top_n_sigma(struct chq_sampler * sampler, float n);                                        // n <= 0 = off
CHQ_API chq_status chq_sampler_add_xtc        (struct chq_sampler * sampler, float p, float threshold, int32_t min_keep, uint32_t seed); // 0 <= p <= 1, 0 <= threshold
CHQ_API chq_status chq_sampler_add_mirostat   (struct chq_sampler * sampler, float tau, float eta, int32_t m, uint32_t seed); // tau > 0, eta > 0, 2 <= m
CHQ_API chq_status chq_sampler_add_mirostat_v2(struct chq_sampler * sampler, float tau, float eta, uint32_t seed);            // tau > 0, eta > 0
CHQ_API chq_status chq_sampler_add_adaptive_p (struct chq_sampler * sampler, float target, float decay, uint32_t seed);       // target <= 1 (< 0 = off), 0 <= decay <= 0.99
CHQ_API chq_status chq_sampler_add_infill     (struct chq_sampler * sampler);

// last_n: tokens looked back, 0 = off, at most 1 << 20; repeat > 0 (1 = off); frequency and presence: 0 = off
CHQ_API chq_status chq_sampler_add_penalties(struct chq_sampler * sampler, int32_t last_n, float repeat, float frequency, float presence);

// breakers: n_breakers strings. last_n: 0 = off, at most 1 << 20. multiplier >= 0 (0 = off), base >= 1, allowed_length >= 0
CHQ_API chq_status chq_sampler_add_dry(
        struct chq_sampler * sampler,
        float                multiplier,
        float                base,
        int32_t              allowed_length,
        int32_t              last_n,
        const char * const * breakers,
        int32_t              n_breakers);

// Adds bias[i] to the logit of tokens[i]; -INFINITY forbids it. Tokens must be in the vocabulary.
CHQ_API chq_status chq_sampler_add_logit_bias(struct chq_sampler * sampler, const int32_t * tokens, const float * bias, int32_t n);

// GBNF. CHQ_STATUS_GRAMMAR, with the reason in the message, if it does not parse or exceeds the limits
// (1 MiB of text, nesting of 128). When a grammar refuses a token that it was shown, the chain gives CHQ_STATUS_GRAMMAR until it is reset.
CHQ_API chq_status chq_sampler_add_grammar(struct chq_sampler * sampler, const char * gbnf, const char * root);

// A grammar that starts to bind at a trigger: a token, or the first group of a pattern matched from the start of the output.
CHQ_API chq_status chq_sampler_add_grammar_lazy(
        struct chq_sampler * sampler,
        const char         * gbnf,
        const char         * root,
        const char * const * trigger_patterns,
        int32_t              n_trigger_patterns,
        const int32_t      * trigger_tokens,
        int32_t              n_trigger_tokens);

// Ends reasoning, the text between start and the first of ends, after n_tokens tokens: whatever the candidates are, ends[0] follows then. Place it right
// before the stage that picks. What the model has written of ends[0] already is not written again, and a character that is begun is finished first. Several
// parts of reasoning share the tokens. start and ends: 1 to 256 bytes each, at most 64 ends, with control tokens as text. opening: the end of the prompt that
// belongs to the answer, "" = nothing; its tokens do not count. CHQ_STATUS_UNSUPPORTED if the vocabulary cannot write ends[0].
CHQ_API chq_status chq_sampler_add_reasoning_budget(
        struct chq_sampler * sampler,
        int32_t              n_tokens,
        const char         * start,
        const char * const * ends,
        int32_t              n_ends,
        const char         * opening);

#ifdef __cplusplus
}
#endif
