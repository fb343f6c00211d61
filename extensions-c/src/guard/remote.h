// What a call learns about machines that it has computed on, or files that it has computed in, while llama.cpp was on the stack.
//
// llama.cpp has no way to say that a device is gone: tensors are written and read by functions without a result. So a device that is
// lost notes that on the thread which used it and gives zeros from then on, llama.cpp comes to its end with them, and
// the entry point fails instead of handing out what was computed from nothing.
#pragma once

#include "chasqui_guard.h"

namespace chq {

void note_remote_loss(const char * text);

// The same for a file behind a KV cache.
void note_storage_loss(const char * text);

// Whether something was noted.
bool loss_noted() noexcept;

// Throws CHQ_STATUS_REMOTE or CHQ_STATUS_STORAGE if a loss was noted on this thread since the outermost guarded call began.
void fail_if_remote_lost();

// For guarded(): the status of a call that ended with that one.
chq_status settle_remote(chq_status status) noexcept;
void       forget_remote_loss() noexcept;

// While one lives, whoever waits on this thread asks it whether the caller wants to stop.
class stop_watch {
public:
    stop_watch(bool (*wanted)(const void *), const void * who) noexcept;
    ~stop_watch() noexcept;
    stop_watch(const stop_watch &) = delete;

private:
    bool (*before)(const void *);
    const void * before_who;
};

bool stop_wanted();

} // namespace chq
