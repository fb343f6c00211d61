#include "tree/tree.h"

#include <algorithm>
#include <memory>
#include <numeric>

using namespace chq;

void chq_tree::reset(int32_t token) {
    nodes.clear();
    nodes.push_back({ token, -1, 0, 1.0f });
}

int32_t chq_tree::child(int32_t parent, int32_t token) const {
    for (int32_t i = parent + 1; i < size(); ++i) {
        if (nodes[i].parent == parent && nodes[i].token == token) {
            return i;
        }
    }
    return -1;
}

int32_t chq_tree::add(int32_t parent, int32_t token, float probability) {
    const float path = nodes[parent].probability * probability;
    const int32_t there = child(parent, token);
    if (there >= 0) {
        const float old = nodes[there].probability;
        if (path > old) {
            // what was estimated of its descendants is of them given it
            const float factor = old > 0 ? path / old : 0;
            std::vector<bool> below(nodes.size());
            below[there] = true;
            nodes[there].probability = path;
            for (int32_t i = there + 1; i < size(); ++i) {
                below[i] = below[nodes[i].parent];
                if (below[i]) {
                    nodes[i].probability = std::min(nodes[i].probability * factor, nodes[nodes[i].parent].probability);
                }
            }
        }
        return there;
    }
    nodes.push_back({ token, parent, nodes[parent].depth + 1, path });
    return size() - 1;
}

int32_t chq_tree::n_leaves() const {
    std::vector<bool> inner(nodes.size());
    for (const tree_node & node : nodes) {
        if (node.parent >= 0) {
            inner[node.parent] = true;
        }
    }
    return (int32_t) std::count(inner.begin(), inner.end(), false);
}

// A path is at most as probable as each of its beginnings, and a parent comes before its children: the best n always hold their parents.
void chq_tree::prune(int32_t n) {
    std::vector<int32_t> order(nodes.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return nodes[a].probability > nodes[b].probability; });
    order.resize((size_t) std::min(n, size()));
    std::sort(order.begin(), order.end());
    std::vector<int32_t> renumbered(nodes.size(), -1);
    std::vector<tree_node> kept;
    for (int32_t i : order) {
        renumbered[i] = (int32_t) kept.size();
        kept.push_back(nodes[i]);
        if (nodes[i].parent >= 0) {
            kept.back().parent = renumbered[nodes[i].parent];
        }
    }
    nodes.swap(kept);
}

chq_status chq_tree_create(struct chq_tree ** out) {
    return guarded([&] {
        check_pointer(out, "out");
        *out = nullptr;
        auto tree = std::make_unique<chq_tree>();
        tree->nodes.reserve(32);
        *out = tree.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tree_free(struct chq_tree * tree) {
    return guarded([&] {
        if (tree) {
            check_tree(tree);
            tree->kind = KIND_FREED;
            delete tree;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tree_reset(struct chq_tree * tree, int32_t token) {
    return guarded([&] {
        check_tree(tree);
        tree->reset(token);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tree_add(struct chq_tree * tree, int32_t parent, int32_t token, float probability, int32_t * node) {
    return guarded([&] {
        check_tree(tree);
        if (tree->nodes.empty()) {
            fail(CHQ_STATUS_STATE, "the tree has no root yet");
        }
        if (parent < 0 || parent >= tree->size()) {
            fail(CHQ_STATUS_ARGUMENT, "parent = %d is not in 0..%d", parent, tree->size() - 1);
        }
        if (!(probability >= 0 && probability <= 1)) {
            fail(CHQ_STATUS_ARGUMENT, "probability = %g is not in 0..1", (double) probability);
        }
        if (tree->size() == CHQ_TREE_MAX && tree->child(parent, token) < 0) {
            fail(CHQ_STATUS_STATE, "the tree has %d nodes, which is the most", CHQ_TREE_MAX);
        }
        const int32_t added = tree->add(parent, token, probability);
        if (node) {
            *node = added;
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tree_size(const struct chq_tree * tree, int32_t * n_nodes, int32_t * n_leaves) {
    return guarded([&] {
        check_tree(tree);
        if (n_nodes) {
            *n_nodes = tree->size();
        }
        if (n_leaves) {
            *n_leaves = tree->n_leaves();
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tree_get(const struct chq_tree * tree, int32_t node, struct chq_tree_node * out) {
    return guarded([&] {
        check_tree(tree);
        check_pointer(out, "out");
        if (node < 0 || node >= tree->size()) {
            fail(CHQ_STATUS_ARGUMENT, "node = %d is not in 0..%d", node, tree->size() - 1);
        }
        const tree_node & n = tree->nodes[node];
        *out = { n.token, n.parent, n.depth, n.probability };
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tree_prune(struct chq_tree * tree, int32_t n) {
    return guarded([&] {
        check_tree(tree);
        if (n < 1) {
            fail(CHQ_STATUS_ARGUMENT, "n = %d", n);
        }
        tree->prune(n);
        return CHQ_STATUS_OK;
    });
}
