// Which nodes of a token tree the grammars of a sampler chain allow.
#pragma once

#include "sampler/sampler.h"
#include "tree/tree.h"

#include <memory>
#include <vector>

namespace chq {

class grammar_tree {
public:
    // Of the chain as it stands after the root of the tree; it must not change meanwhile.
    explicit grammar_tree(const chq_sampler * sampler);

    // Whether there is anything to ask. Lazy grammars with patterns allow everything for too long, and search too much, to be asked.
    bool known() const { return !at_root.empty(); }

    // Whether a token may follow a node whose own path is allowed.
    bool allows(const chq_tree & tree, int32_t node, int32_t token);

private:
    struct freeing {
        void operator()(llama_sampler * stage) const { llama_sampler_free(stage); }
    };
    using stages = std::vector<std::unique_ptr<llama_sampler, freeing>>;

    llama_sampler * after(const chq_tree & tree, int32_t node, size_t grammar);

    std::vector<llama_sampler *> at_root; // the chain's own stages
    std::vector<stages>          at_node; // copies, made when they are first asked
};

} // namespace chq
