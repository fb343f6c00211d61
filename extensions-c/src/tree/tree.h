#pragma once

#include "chasqui_tree.h"
#include "guard/guard.h"

#include <vector>

namespace chq {

struct tree_node {
    int32_t token;
    int32_t parent;
    int32_t depth;
    float   probability; // of the path
};

} // namespace chq

struct chq_tree : chq::handle {
    chq_tree() : handle(chq::KIND_TREE) {}

    std::vector<chq::tree_node> nodes; // parents first

    void    reset(int32_t token);
    int32_t add(int32_t parent, int32_t token, float probability); // as chq_tree_add
    int32_t child(int32_t parent, int32_t token) const;            // -1 = none
    int32_t n_leaves() const;
    void    prune(int32_t n);
    void    truncate(int32_t n) { nodes.resize((size_t) n); }      // the first n
    int32_t size() const { return (int32_t) nodes.size(); }
};

namespace chq {

inline void check_tree(const chq_tree * tree) {
    check_handle(tree, KIND_TREE, "tree");
}

// chq_tree_decode and chq_tree_commit after their handle checks.
void decode_tree(chq_context * context, int32_t seq_id, const chq_tree & tree);
void commit_tree(chq_context * context, int32_t node);

} // namespace chq
