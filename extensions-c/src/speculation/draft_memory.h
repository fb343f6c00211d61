// What a model's speculations share and keep from answer to answer.
#pragma once

#include "draft/recycling.h"
#include "speculation/cost_folder.h"
#include "speculation/foresight.h"
#include "speculation/pass_cost.h"

#include <chrono>
#include <map>
#include <memory>
#include <mutex>

struct chq_model;

namespace chq {

struct draft_memory {
    explicit draft_memory(int32_t n_vocab) : successors(n_vocab) {}

    std::mutex mutex; // of all below
    recycling  successors;
    experience rates;

    std::map<int32_t, pass_cost> costs; // by the number of threads

    std::unique_ptr<cost_folder>          folder; // of these costs, NULL = none
    bool                                  is_read = false; // what it had
    std::chrono::steady_clock::time_point saved; // to it
};

// The model's; made when it is first asked for.
draft_memory & drafts_of(const chq_model * model);

} // namespace chq
