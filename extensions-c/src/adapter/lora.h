#pragma once

#include "chasqui_adapter.h"
#include "context/context.h"

#include <atomic>

struct chq_lora : chq::handle {
    chq_lora() : handle(chq::KIND_LORA) {}

    chq_model          * model       = nullptr;
    llama_adapter_lora * llama       = nullptr;
    uint64_t             fingerprint = 0; // of its file

    std::atomic<int32_t> n_contexts { 0 };
};

namespace chq {

// Before what a context computes with is changed: CHQ_STATUS_STATE unless it holds nothing.
void check_empty(const chq_context * context);

// The number that says what the context computes with besides its model, 0 if nothing.
void update_adapters(chq_context * context);

// The context is about to go.
void release_loras(chq_context * context);

} // namespace chq
