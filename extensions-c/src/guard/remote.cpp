#include "guard/remote.h"

#include "guard/guard.h"

#include <cstdio>

namespace chq {

static thread_local char       loss_text[512];
static thread_local chq_status loss_status;
static thread_local bool (*wanted)(const void *);
static thread_local const void * who;

static void note_loss(chq_status status, const char * text) {
    if (!loss_text[0]) {
        snprintf(loss_text, sizeof(loss_text), "%s", text);
        loss_status = status;
    }
}

void note_remote_loss (const char * text) { note_loss(CHQ_STATUS_REMOTE,  text); }
void note_storage_loss(const char * text) { note_loss(CHQ_STATUS_STORAGE, text); }

bool loss_noted() noexcept { return loss_text[0] != 0; }

void fail_if_remote_lost() {
    if (loss_text[0]) {
        fail(loss_status, "%s", loss_text);
    }
}

chq_status settle_remote(chq_status status) noexcept {
    if (!loss_text[0]) {
        return status;
    }
    set_error("%s", loss_text);
    return loss_status;
}

void forget_remote_loss() noexcept {
    loss_text[0] = 0;
}

stop_watch::stop_watch(bool (*wanted_now)(const void *), const void * by) noexcept : before(wanted), before_who(who) {
    wanted = wanted_now;
    who    = by;
}

stop_watch::~stop_watch() noexcept {
    wanted = before;
    who    = before_who;
}

bool stop_wanted() {
    return wanted && wanted(who);
}

} // namespace chq
