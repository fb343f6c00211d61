#include "runtime/runtime.h"

#include "chasqui_runtime.h"
#include "guard/guard.h"

#include <array>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>

// Worker threads log too, so the ring has a lock; the count of lines is kept beside it for pollers.

namespace {

constexpr int RING_LINES = 1024;
constexpr int LINE_BYTES = 1024;

struct log_line {
    int32_t  level;
    uint64_t lost_before;
    char     text[LINE_BYTES];
};

struct log_ring {
    std::mutex mutex;
    std::array<log_line, RING_LINES> lines;
    int      first = 0;
    uint64_t lost  = 0; // dropped since the newest line in the ring
    std::atomic<int32_t> n { 0 };
};

log_ring & ring() {
    static log_ring * instance = new log_ring; // never destroyed: backends log while the process exits
    return *instance;
}

std::atomic<int32_t> min_level { CHQ_LOG_WARN };

// A line is made of one message and the CONT messages after it on the same thread, up to a newline.
thread_local int32_t open_level = CHQ_LOG_INFO;
thread_local int     open_bytes = 0;
thread_local char    open_text[LINE_BYTES];

thread_local chq::log_listener::on_text listener      = nullptr;
thread_local void                     * listener_user = nullptr;

void push_line(int32_t level, const char * text, int n_text) {
    log_ring & r = ring();
    std::lock_guard<std::mutex> lock(r.mutex);
    const int32_t n = r.n.load(std::memory_order_relaxed);
    if (n == RING_LINES) {
        // the oldest lines usually say why, so those are the ones kept
        r.lost++;
        return;
    }
    log_line & line = r.lines[(r.first + n) % RING_LINES];
    line.level       = level;
    line.lost_before = r.lost;
    memcpy(line.text, text, n_text);
    line.text[n_text] = 0;
    r.lost = 0;
    r.n.store(n + 1, std::memory_order_release);
}

void finish_line() {
    if (open_bytes > 0) {
        push_line(open_level, open_text, open_bytes);
        open_bytes = 0;
    }
}

void append(const char * text, size_t n) {
    const size_t room = LINE_BYTES - 1 - open_bytes;
    const size_t take = n < room ? n : room;
    memcpy(open_text + open_bytes, text, take);
    open_bytes += (int) take;
}

} // namespace

namespace chq {

void on_log(ggml_log_level level, const char * text, void *) {
    if (!text) {
        return;
    }
    if (listener) {
        listener(text, listener_user);
    }
    if (level == GGML_LOG_LEVEL_ERROR && inside_guard()) {
        capture_error(text);
    }
    if (level != GGML_LOG_LEVEL_CONT) {
        finish_line();
        switch (level) {
            case GGML_LOG_LEVEL_DEBUG: open_level = CHQ_LOG_DEBUG; break;
            case GGML_LOG_LEVEL_WARN:  open_level = CHQ_LOG_WARN;  break;
            case GGML_LOG_LEVEL_ERROR: open_level = CHQ_LOG_ERROR; break;
            default:                   open_level = CHQ_LOG_INFO;  break;
        }
    }
    if (open_level < min_level.load(std::memory_order_relaxed)) {
        return;
    }
    while (*text) {
        const char * newline = strchr(text, '\n');
        append(text, newline ? (size_t) (newline - text) : strlen(text));
        if (!newline) {
            return;
        }
        finish_line();
        text = newline + 1;
    }
}

log_listener::log_listener(on_text hears, void * user) : former_hears(listener), former_user(listener_user) {
    listener      = hears;
    listener_user = user;
}

log_listener::~log_listener() {
    listener      = former_hears;
    listener_user = former_user;
}

} // namespace chq

using namespace chq;

chq_status chq_log_set_level(int32_t level) {
    return guarded([&] {
        if (level < CHQ_LOG_DEBUG || level > CHQ_LOG_OFF) {
            fail(CHQ_STATUS_ARGUMENT, "log level %d is not one of 1 to 5", level);
        }
        min_level.store(level, std::memory_order_relaxed);
        return CHQ_STATUS_OK;
    });
}

int32_t chq_log_pending(void) {
    return ring().n.load(std::memory_order_acquire);
}

chq_status chq_log_take(int32_t * level, char * text, size_t capacity, uint64_t * lost) {
    return guarded([&] {
        if (!text || capacity == 0) {
            fail(CHQ_STATUS_ARGUMENT, "text is NULL or has no room");
        }
        log_ring & r = ring();
        std::lock_guard<std::mutex> lock(r.mutex);
        const int32_t n = r.n.load(std::memory_order_relaxed);
        if (n == 0) {
            fail(CHQ_STATUS_STATE, "no line is waiting");
        }
        const log_line & line = r.lines[r.first];
        snprintf(text, capacity, "%s", line.text);
        if (level) {
            *level = line.level;
        }
        if (lost) {
            *lost = line.lost_before;
        }
        r.first = (r.first + 1) % RING_LINES;
        r.n.store(n - 1, std::memory_order_release);
        return CHQ_STATUS_OK;
    });
}
