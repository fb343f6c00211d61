#include "sampler/grammar_tree.h"

#include <cmath>

namespace chq {

grammar_tree::grammar_tree(const chq_sampler * sampler) {
    for (size_t i = 0; !sampler->has_patterns && i < sampler->stages.size(); i++) {
        if (sampler->stages[i] == stage_kind::GRAMMAR) {
            at_root.push_back(llama_sampler_chain_get(sampler->chain, (int32_t) i));
        }
    }
}

llama_sampler * grammar_tree::after(const chq_tree & tree, int32_t node, size_t grammar) {
    if (node == 0) {
        return at_root[grammar];
    }
    if (at_node.size() <= (size_t) node) {
        at_node.resize((size_t) node + 1);
    }
    if (at_node[(size_t) node].size() <= grammar) {
        llama_sampler * const parent = after(tree, tree.nodes[(size_t) node].parent, grammar);
        at_node[(size_t) node].emplace_back(llama_sampler_clone(parent));
        llama_sampler_accept(at_node[(size_t) node].back().get(), tree.nodes[(size_t) node].token);
    }
    return at_node[(size_t) node][grammar].get();
}

bool grammar_tree::allows(const chq_tree & tree, int32_t node, int32_t token) {
    for (size_t i = 0; i < at_root.size(); i++) {
        llama_token_data candidate = { token, 0.0f, 0.0f };
        llama_token_data_array array = { &candidate, 1, -1, false };
        llama_sampler_apply(after(tree, node, i), &array);
        if (candidate.logit == -INFINITY) {
            return false;
        }
    }
    return true;
}

} // namespace chq
