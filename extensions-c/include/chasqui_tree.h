// Token trees: several ways in which a text may go on, computed in one pass of the model.
//
// Node 0 is the root, the token that follows what a sequence holds; every other node follows its parent. A pass over a tree gives a row of
// logits for each node, those that the path from the root to it alone would give; then one path joins the sequence, and the rest is
// forgotten. Each path but one takes a sequence id of the context's own, which shares the cells of the sequence (no cell is computed twice).
//
// A tree is used by one thread at a time and belongs to no context.
#pragma once

#include "chasqui_context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_tree;

// Most nodes of a tree.
#define CHQ_TREE_MAX 256

struct chq_tree_node {
    int32_t token;
    int32_t parent;      // a smaller number; -1 for the root
    int32_t depth;       // 0 for the root
    float   probability; // of the path from the root to here, as estimated by who made the tree
};

CHQ_API chq_status chq_tree_create(struct chq_tree ** out);
CHQ_API chq_status chq_tree_free(struct chq_tree * tree); // NULL is ignored

// Nothing but a root, in place of what was there.
CHQ_API chq_status chq_tree_reset(struct chq_tree * tree, int32_t token);

// Adds a child, or finds the one with this token that is there; *node (may be NULL) = its number. probability: of the token after its parent, 0..1;
// of two for the same token the larger one stays. CHQ_STATUS_STATE when the tree has CHQ_TREE_MAX nodes or no root.
CHQ_API chq_status chq_tree_add(struct chq_tree * tree, int32_t parent, int32_t token, float probability, int32_t * node);

CHQ_API chq_status chq_tree_size(const struct chq_tree * tree, int32_t * n_nodes, int32_t * n_leaves);
CHQ_API chq_status chq_tree_get(const struct chq_tree * tree, int32_t node, struct chq_tree_node * out);

// Keeps the n nodes with the most probable paths, the earlier of equals; numbers change, parents stay before children.
CHQ_API chq_status chq_tree_prune(struct chq_tree * tree, int32_t n);

// How many leaves a tree may have in a context; 1 where only chains are possible, with the reason. reason: as chq_sampler_describe's text.
CHQ_API chq_status chq_tree_limit(const struct chq_context * context, int32_t * n_leaves, char * reason, size_t capacity, size_t * length);

// One pass over the tree after what the sequence holds. Row i of chq_logits (or chq_top_k) is node i's. Until chq_tree_commit the context takes no other
// decode and no change of a sequence (CHQ_STATUS_STATE), but for chq_context_clear. Errors as of chq_decode; they leave the sequence as it was.
CHQ_API chq_status chq_tree_decode(struct chq_context * context, int32_t seq_id, const struct chq_tree * tree);

// The path from the root to a node joins the sequence, the rest of the tree is forgotten; node -1: all of it.
CHQ_API chq_status chq_tree_commit(struct chq_context * context, int32_t node);

#ifdef __cplusplus
}
#endif
