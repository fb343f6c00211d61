// What runs the template engine, and the template that turns and rendering share.
#pragma once

#include "chasqui_chat.h"

#include "chat/engine_bound.h"
#include "guard/guard.h"
#include "model/deep_stack.h"

#include "chat.h"

#include <cstdint>
#include <mutex>

namespace chq {

constexpr uint32_t KIND_CHAT_TEMPLATE = 0x54484351; // "QCHT"
constexpr uint32_t KIND_CHAT_TURN     = 0x4e544351; // "QCTN"

// A rendered conversation larger than this is the work of a template that runs away.
constexpr size_t MAX_RENDERED = 64u << 20;

// The engine recurses over its source, so the source is bounded and runs on a stack that bears that bound.
// The largest template that llama.cpp ships has 17 kB.
constexpr size_t MAX_SOURCE   = 64u << 10;
constexpr size_t ENGINE_STACK = 512u << 20;

// Of that stack the interpreter gets a part, enough for some thousand nested calls; a long conversation takes milliseconds.
constexpr size_t  INTERPRETER_STACK   = 16u << 20;
constexpr int64_t ENGINE_MILLISECONDS = 5000;

// Runs the engine with both bounds; what it throws says why the conversation is refused.
template <typename F>
void run_engine(const char * refusal, F && body) {
    run_on_deep_stack(ENGINE_STACK, [&] {
        const char here = 0;
        chq_engine_bound((const char *) ((uintptr_t) &here - INTERPRETER_STACK), ENGINE_MILLISECONDS);
        try {
            body();
        } catch (const std::exception & e) {
            fail(CHQ_STATUS_ARGUMENT, "%s: %s", refusal, e.what());
        }
    });
}

} // namespace chq

struct chq_chat_template : chq::handle {
    chq_chat_template() : handle(chq::KIND_CHAT_TEMPLATE) {}

    const llama_vocab       * vocab = nullptr;
    common_chat_templates_ptr templates;
    std::mutex                mutex; // the engine is not documented to be reentrant
};
