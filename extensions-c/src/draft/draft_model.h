// Guesses by a smaller model of the same vocabulary.
//
// Trees grow layer by layer, with a pass of the draft model over what there is of the tree for each. With a temperature children are drawn without
// replacement, which verify_drawn needs; without they are the best ones.
#pragma once

#include "chasqui_speculation.h"
#include "tree/rejection.h"
#include "tree/tree.h"

#include <cstdint>
#include <vector>

namespace chq {

class draft_model {
public:
    // Fails where the models' vocabularies differ, and where the context is not empty or cannot grow trees.
    draft_model(const chq_context * target, chq_context * context, const chq_draft_model_params & params);

    ~draft_model();
    draft_model(const draft_model &) = delete;

    // A tree after the text, of at most so many nodes besides the root; without growth where the draft model cannot follow. Gives how many tokens of
    // the text were computed first.
    int32_t grow(chq_tree & tree, const std::vector<int32_t> & text, int32_t most_nodes, int32_t most_leaves, int32_t most_depth);

    bool         draws() const { return params.temperature > 0; }
    const law  & law_of(int32_t node) const { return laws[(size_t) node]; } // of the last tree, empty for nodes without children
    chq_context * context_of() const { return context; }
    uint64_t      seed()       const { return params.seed; }

private:
    void compute(chq_tree & tree);
    void read_laws(const chq_tree & tree);
    void chain  (chq_tree & tree, int32_t most, int32_t depth);
    void beam   (chq_tree & tree, int32_t most, int32_t depth);
    void branch (chq_tree & tree, int32_t most, int32_t depth);
    void dynamic(chq_tree & tree, int32_t most, int32_t depth);
    std::vector<int32_t> pick(const law & from, int32_t n);

    chq_context          * context;
    int32_t                n_shared; // tokens that both models have
    chq_draft_model_params params;
    std::vector<int32_t>   held;     // the text in the draft context
    std::vector<law>       laws;     // by node, empty = not computed
    uint64_t               drawn = 0;
};

} // namespace chq
