// Sequence ids of a context's own, beyond its caller's, for the branches of a token tree.
//
// A branch holds the cells of the sequence that it branches off. It keeps them from step to step and takes over what is new when it is used
// again: copying all of a long sequence into each branch of each tree would cost more than many a pass.
#pragma once

#include <cstdint>
#include <vector>

struct chq_context;
struct chq_model;
struct llama_context_params;

namespace chq {

struct branches {
    static constexpr int32_t MOST = 15;

    int32_t              first = 0;  // id of the first one
    int32_t              spare = 0;  // an id that holds nothing between calls
    int32_t              trunk = -1; // the sequence whose cells they hold
    std::vector<int32_t> end;        // of each: up to this position

    int32_t count() const { return (int32_t) end.size(); }
};

// How many a context of this model should have, beside the spare id; 0 with the reason where branches are not possible.
int32_t branches_for(const chq_model * model, const llama_context_params & params, const char ** reason);

// Makes branch b hold all of the sequence. Gives its id.
int32_t grow_branch(chq_context * context, int32_t b, int32_t seq_id);

// Branch b forgets [position, end).
void cut_branch(chq_context * context, int32_t b, int32_t position);

// Before anything but appending happens to a sequence.
void forget_branches(chq_context * context);

} // namespace chq
