// A tree through the model, by sequence ids: a node belongs to the sequences of all leaves below it, so that it attends to the cells of its
// ancestors and of what was there before, and to no others.
#include "context/context.h"
#include "tree/tree.h"

#include <algorithm>
#include <cstring>

namespace chq {

namespace {

// Which leaf's path is the sequence itself: the most probable one, which then needs no copy when it wins.
int32_t best_leaf(const chq_tree & tree, const std::vector<bool> & inner) {
    int32_t best = -1;
    for (int32_t i = 0; i < tree.size(); ++i) {
        if (!inner[i] && (best < 0 || tree.nodes[i].probability > tree.nodes[best].probability)) {
            best = i;
        }
    }
    return best;
}

void undo(chq_context * context, const tree_in_flight & flight) {
    llama_memory_seq_rm(context->memory, flight.seq_id, flight.base, -1);
    for (int32_t b = 0; b < flight.n_branches; ++b) {
        cut_branch(context, b, flight.base);
    }
}

// Whether the path to a node lies in the first cells that the tree took.
bool lies_first(const tree_in_flight & flight, int32_t node) { return node == flight.nodes[node].depth; }

// The cells of [base, end) go where plain decoding would have put them: into the first free ones, in the order of their positions. Sums over the cells are rounded in
// their order, so only then the next logits are those of plain decoding to the last bit. (A tree that went on at the beginning of a cache whose end was reached stays
// out of order.)
void close_ranks(chq_context * context, int32_t seq_id, int32_t base, int32_t end) {
    const llama_seq_id spare = context->branches.spare;
    llama_memory_seq_cp(context->memory, seq_id, spare, base, end);
    std::vector<uint8_t> & cells = context->flight.cells;
    bool saved = false;
    try {
        cells.resize(llama_state_seq_get_size(context->llama, spare));
        saved = !cells.empty() && llama_state_seq_get_data(context->llama, cells.data(), cells.size(), spare) == cells.size();
    } catch (const std::bad_alloc &) {
        // as if it could not be read
    }
    llama_memory_seq_rm(context->memory, spare, -1, -1);
    if (!saved || loss_noted()) {
        return; // the tokens are good where they are
    }
    llama_memory_seq_rm(context->memory, seq_id, base, -1);
    if (llama_state_seq_set_data(context->llama, cells.data(), cells.size(), spare) == 0 || loss_noted()) {
        llama_memory_seq_rm(context->memory, spare, -1, -1);
        forget_rows(context);
        fail(CHQ_STATUS_STATE, "cells that were just freed could not be used: the sequence ends at %d", base);
    }
    llama_memory_seq_cp(context->memory, spare, seq_id, base, end);
    llama_memory_seq_rm(context->memory, spare, -1, -1);
}

} // namespace

void decode_tree(chq_context * context, int32_t seq_id, const chq_tree & tree) {
    check_decodable(context);
    check_sequence(context, seq_id);
    const int32_t n = tree.size();
    if (n < 1) {
        fail(CHQ_STATUS_STATE, "the tree has no root yet");
    }
    if (context->embeddings || !context->causal) {
        fail(CHQ_STATUS_UNSUPPORTED, "the context gives embeddings");
    }
    for (const tree_node & node : tree.nodes) {
        check_token(context->model, node.token);
    }
    const int32_t n_leaves = tree.n_leaves();
    if (n_leaves > 1 + context->branches.count()) {
        fail(CHQ_STATUS_ARGUMENT, "the tree has %d leaves, at most %d are possible here%s%s", n_leaves, 1 + context->branches.count(),
            context->no_branches ? ": " : "", context->no_branches ? context->no_branches : "");
    }
    const int32_t most = std::min({ context->n_outputs_max, context->n_batch, context->n_ubatch });
    if (n > most) {
        fail(CHQ_STATUS_ARGUMENT, "the tree has %d nodes, the context computes at most %d at once", n, most);
    }
    const int32_t room = room_of(context, seq_id);
    if (n > room) {
        fail_full(n, room);
    }
    forget_rows(context);

    tree_in_flight & flight = context->flight;
    flight.seq_id     = seq_id;
    flight.base       = next_position(context, seq_id);
    flight.n_branches = 0;
    flight.nodes.assign((size_t) n, {});

    std::vector<bool> inner((size_t) n);
    for (int32_t i = 1; i < n; ++i) {
        inner[tree.nodes[i].parent] = true;
    }
    const int32_t trunk = best_leaf(tree, inner);
    std::vector<std::vector<llama_seq_id>> ids((size_t) n);
    for (int32_t leaf = 0; leaf < n; ++leaf) {
        if (inner[leaf]) {
            continue;
        }
        const llama_seq_id id = leaf == trunk ? seq_id : grow_branch(context, flight.n_branches++, seq_id);
        for (int32_t i = leaf; i >= 0; i = tree.nodes[i].parent) {
            ids[i].push_back(id);
            flight.nodes[i].on_trunk |= leaf == trunk;
            flight.nodes[i].id        = id;
        }
    }

    std::vector<llama_token>    tokens((size_t) n);
    std::vector<llama_seq_id *> id_lists((size_t) n);
    std::vector<int32_t>        id_counts((size_t) n);
    for (int32_t i = 0; i < n; ++i) {
        tokens[i]                = tree.nodes[i].token;
        id_lists[i]              = ids[i].data();
        id_counts[i]             = (int32_t) ids[i].size();
        context->batch_pos[i]    = flight.base + tree.nodes[i].depth;
        context->batch_output[i] = 1;
        flight.nodes[i].parent   = tree.nodes[i].parent;
        flight.nodes[i].depth    = tree.nodes[i].depth;
    }
    const llama_batch batch = {
        /*.n_tokens =*/ n,
        /*.token    =*/ tokens.data(),
        /*.embd     =*/ nullptr,
        /*.pos      =*/ context->batch_pos.data(),
        /*.n_seq_id =*/ id_counts.data(),
        /*.seq_id   =*/ id_lists.data(),
        /*.logits   =*/ context->batch_output.data(),
    };
    const int32_t code = decode_batch(context, batch, n);
    context->needs_update &= code == -1;
    if (code != 0) {
        undo(context, flight);
        if (code == 1) {
            fail_full(n, 0);
        }
        fail_decode(code);
    }
    context->retired_pools.clear();
    context->n_rows = n;
    flight.pending  = true;
}

void commit_tree(chq_context * context, int32_t node) {
    tree_in_flight & flight = context->flight;
    flight.pending = false;
    if (node < 0) {
        undo(context, flight);
        return;
    }
    const int32_t end = flight.base + flight.nodes[node].depth + 1;
    int32_t shared = node;
    while (!flight.nodes[shared].on_trunk) {
        shared = flight.nodes[shared].parent;
    }
    const int32_t fork = flight.base + flight.nodes[shared].depth + 1;
    llama_memory_seq_rm(context->memory, flight.seq_id, fork, -1);
    if (shared != node) {
        llama_memory_seq_cp(context->memory, flight.nodes[node].id, flight.seq_id, fork, end);
    }
    for (int32_t b = 0; b < flight.n_branches; ++b) {
        cut_branch(context, b, flight.base);
    }
    if (!lies_first(flight, node)) {
        close_ranks(context, flight.seq_id, flight.base, end);
    }
}

} // namespace chq

using namespace chq;

chq_status chq_tree_limit(const struct chq_context * context, int32_t * n_leaves, char * reason, size_t capacity, size_t * length) {
    return guarded([&] {
        check_context(context);
        check_pointer(n_leaves, "n_leaves");
        check_pointer(length, "length");
        *n_leaves = 1 + context->branches.count();
        const char * text = context->no_branches ? context->no_branches : "";
        return give_text(text, strlen(text), reason, capacity, length);
    });
}

chq_status chq_tree_decode(struct chq_context * context, int32_t seq_id, const struct chq_tree * tree) {
    return guarded({ context }, [&] {
        check_context(context);
        check_memory(context);
        check_tree(tree);
        decode_tree(context, seq_id, *tree);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_tree_commit(struct chq_context * context, int32_t node) {
    return guarded({ context }, [&] {
        check_context(context);
        if (!context->flight.pending) {
            fail(CHQ_STATUS_STATE, "no tree has been decoded since the last one was committed");
        }
        if (node < -1 || node >= (int32_t) context->flight.nodes.size()) {
            fail(CHQ_STATUS_ARGUMENT, "node = %d is not in -1..%zu", node, context->flight.nodes.size() - 1);
        }
        commit_tree(context, node);
        return CHQ_STATUS_OK;
    });
}
