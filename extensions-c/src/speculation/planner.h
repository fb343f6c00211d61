// Grows the tree of guesses that gives most tokens a second.
#pragma once

#include "chasqui_speculation.h"
#include "draft/suffix_automaton.h"
#include "speculation/draft_memory.h"
#include "speculation/foresight.h"
#include "speculation/pass_cost.h"
#include "tree/tree.h"

#include <cstdint>
#include <functional>
#include <vector>

namespace chq {

// The text so far and what the sources know of how it goes on.
class planner {
public:
    static constexpr double LEAST_GAIN = 1.06; // the largest of several estimates is more often too high than too low

    explicit planner(draft_memory & memory) : memory(memory) {}

    // The text, in place of what was there.
    void begin(const int32_t * tokens, int32_t n);

    // The token that came next. The sources are judged by it first.
    void add(int32_t token);

    // Guesses of somebody else for the next tokens; good until the next add() that they do not hold.
    void suggest(const int32_t * tokens, int32_t n);

    // What the model rated best after a node of the last tree.
    void learn(const chq_tree & tree, int32_t node, const int32_t * tokens, const float * logits);

    struct limits {
        uint32_t sources; // bits of enum chq_draft_source
        int32_t  nodes;   // besides the root
        int32_t  leaves;
        int32_t  depth;
        double   cost; // seconds of the pass
    };

    // Whether a token may follow a node of the tree.
    using filter = std::function<bool(int32_t node, int32_t token)>;

    // A tree from the last token of the text. fixed: as many nodes as limits allow, whatever they cost. allowed: NULL = all tokens
    void plan(chq_tree & tree, const limits & limits, const pass_cost & cost, bool fixed, const filter & allowed = nullptr);

    // Of a node of the last tree.
    chq_draft_source source_of(int32_t node) const { return (chq_draft_source) sources[(size_t) node]; }

    int32_t length() const { return n_text; }
    int32_t last()   const { return recent[recycling::LONGEST - 1]; }

private:
    struct successor {
        const recycling::successors * next  = nullptr;
        int                           order = 0;
        int rank_of(int32_t token) const; // -1 = not among them
    };

    successor known_after(const int32_t * context, int n) const;
    circumstance::agreement agreement_with(const successor & known, int32_t token) const;
    void judge(int32_t token);
    void context_of(const chq_tree & tree, int32_t node, int32_t (&context)[recycling::LONGEST], int & n) const;

    struct option;
    void offer(std::vector<option> & options, const chq_tree & tree, int32_t node, int32_t repeated, int32_t suggested, const limits & limits) const;

    draft_memory       & memory;
    suffix_automaton     text;
    foresight            rates;
    int32_t              n_text = 0;
    int32_t              recent[recycling::LONGEST] = {}; // the last tokens of the text
    std::vector<int32_t> suggestion;
    size_t               n_taken = 0; // of it
    int                  streak  = 0;
    std::vector<int32_t> continuation;
    std::vector<uint8_t> sources;
};

} // namespace chq
