// Speculative decoding: several tokens of an answer for one pass of the model, the same tokens as without.
//
// A speculation follows the text of one sequence. Each step guesses how the text goes on, as a tree of tokens, computes the tree together with
// the last token in one batch, and keeps the path that the sampler chain picks as well: with a chain that draws, the draws are those that plain
// decoding would have made. How much is guessed follows from what passes of so many rows cost and from how often guesses came true, both measured
// as it goes; where guessing would lose, a step is a plain one.
//
// A speculation is used by one thread at a time, the one that uses its context. Free it before the context.
#pragma once

#include "chasqui_context.h"
#include "chasqui_draft.h"
#include "chasqui_sampler.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_speculation;

// Most tokens of a guess.
#define CHQ_DRAFT_MAX 15

// How deep the counts of chq_source_stats go; deeper tokens count as the deepest.
#define CHQ_DEPTH_MAX 8

struct chq_speculation_params {
    uint32_t sources;  // bits of enum chq_draft_source
    int32_t  n_draft;  // most tokens of a guess, 0..CHQ_DRAFT_MAX
    int32_t  n_leaves; // most ways of a guess, >= 1; 1 = chains only
    bool     fixed;    // as many tokens as there can be, whether that pays or not
};

CHQ_API struct chq_speculation_params chq_speculation_default_params(void);

// params: NULL = the defaults. A model whose memory cannot forget its last tokens gets steps of one token; chq_speculation_limit tells why.
CHQ_API chq_status chq_speculation_create(struct chq_context * context, const struct chq_speculation_params * params, struct chq_speculation ** out);
CHQ_API chq_status chq_speculation_free(struct chq_speculation * speculation); // NULL is ignored

// What passes of the model cost is measured as it computes, and kept in a small file of this folder (UTF-8; made when it is needed, at most 64 files) for the next
// program with the same model, build and processor. NULL = no longer kept. A file that cannot be used is as good as none.
CHQ_API chq_status chq_pass_costs_keep(struct chq_model * model, const char * folder);

// How the guesses of a draft model grow.
enum chq_draft_shape {
    CHQ_SHAPE_CHAIN    = 0, // one token after the other, for as long as the draft model gives its best one a probability of `stop`
    CHQ_SHAPE_BEAM     = 1, // RSD-S: `width` nodes a level, a sample of whole paths without replacement
    CHQ_SHAPE_BRANCHES = 2, // RSD-C: `width` children of the root, half as many of each node of the next level, and so on
    CHQ_SHAPE_DYNAMIC  = 3, // DySpec: each node where it is most probably needed, places of a value below `stop` left out
};

struct chq_draft_model_params {
    enum chq_draft_shape shape;
    int32_t  n_nodes;     // at most
    int32_t  depth;       // at most
    int32_t  width;       // 1..CHQ_DRAFT_MAX
    float    temperature; // of the draft model's law. 0: its best tokens, for greedy targets; > 0: drawn, and verified by recursive rejection sampling
    float    stop;        // 0..1
    uint64_t seed;        // of the draws
};

CHQ_API struct chq_draft_model_params chq_draft_model_default_params(void);

// Has a smaller model guess as well: the speculation's steps use it where it gave more tokens a second than the other sources (always, if `fixed`).
// draft: a context of its own, empty, used by nobody else until the speculation is freed; it should be as long as the speculation's.
// CHQ_STATUS_ARGUMENT where the vocabularies differ. With a temperature the tokens have the law of plain decoding but are not those that its seed would give;
// chains that end with mirostat or adaptive_p go on as without one.
CHQ_API chq_status chq_speculation_set_draft_model(struct chq_speculation * speculation, struct chq_context * draft, const struct chq_draft_model_params * params);

// Most tokens of a guess and most ways here, 0 or 1 with the reason where there can be none. reason: as chq_sampler_describe's text.
CHQ_API chq_status chq_speculation_limit(
        const struct chq_speculation * speculation,
        int32_t                      * n_draft,
        int32_t                      * n_leaves,
        char                         * reason,
        size_t                         capacity,
        size_t                       * length);

// The text so far, in place of what was there.
CHQ_API chq_status chq_speculation_begin(struct chq_speculation * speculation, const int32_t * tokens, int32_t n_tokens);

// A guess of the caller's for the tokens that come next, in place of an earlier one; followed for as long as it comes true.
CHQ_API chq_status chq_speculation_suggest(struct chq_speculation * speculation, const int32_t * tokens, int32_t n_tokens);

// The next tokens of the text, 1 to `capacity` of them, accepted by the sampler and added to the text. Before: the sequence holds all of the
// text but its last token; after: again. A token that ends the generation is the last one given, unless go_on.
// CHQ_STATUS_CONTEXT_FULL, CHQ_STATUS_CANCELLED, CHQ_STATUS_COMPUTE: nothing is changed. An error of the sampler after the first token
// comes with the next call. out: pieces are not rendered, n_piece is 0.
CHQ_API chq_status chq_spec_step(
        struct chq_speculation * speculation,
        int32_t                  seq_id,
        struct chq_sampler     * sampler,
        bool                     go_on,
        struct chq_sampled     * out,
        int32_t                  capacity,
        int32_t                * n_tokens);

// Of one source: tokens guessed and computed, and those of them that came true, by their depth in the tree (1, 2, ...).
struct chq_source_stats {
    int64_t drafted [CHQ_DEPTH_MAX];
    int64_t accepted[CHQ_DEPTH_MAX];
};

struct chq_speculation_stats {
    int64_t steps;          // passes of the model
    int64_t tokens;         // that came of them
    int64_t drafted;        // guessed and computed
    int64_t accepted;       // those of them that came true
    int64_t plain_steps;    // without a guess
    int64_t trees;          // steps whose guess had more than one way
    double  draft_seconds;  // growing trees and learning from rows
    double  target_seconds; // passes of the model
    double  verify_seconds; // sampling, and what joins the sequence
    struct chq_source_stats repeated;
    struct chq_source_stats recycled;
    struct chq_source_stats suggested;
    struct chq_source_stats model;
};

CHQ_API chq_status chq_speculation_get_stats(const struct chq_speculation * speculation, struct chq_speculation_stats * out);

#ifdef __cplusplus
}
#endif
