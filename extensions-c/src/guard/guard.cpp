#include "guard/guard.h"

#include "ggml.h"

#include <cmath>
#include <cstdarg>
#include <cstdio>
#include <cstring>

namespace chq {

// Plain arrays: they need no constructor per thread and stay valid while a thread ends.
static thread_local char error_text[2048];
static thread_local char abort_text[1024];
static thread_local char captured_text[1024];
static thread_local int  depth;

void set_error(const char * format, ...) {
    va_list args;
    va_start(args, format);
    vsnprintf(error_text, sizeof(error_text), format, args);
    va_end(args);
}

void fail(chq_status status, const char * format, ...) {
    // formatted aside first: an argument may point into error_text
    char text[sizeof(error_text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    memcpy(error_text, text, sizeof(text));
    throw failure { status };
}

const char * last_error() {
    return error_text;
}

const char * captured_errors() {
    return captured_text;
}

void forget_captured_errors() {
    captured_text[0] = 0;
}

void capture_error(const char * text) {
    const size_t used = strlen(captured_text);
    if (used + 4 >= sizeof(captured_text)) {
        return;
    }
    snprintf(captured_text + used, sizeof(captured_text) - used, "%s%s", used ? "; " : "", text);
    for (size_t n = strlen(captured_text); n > 0 && captured_text[n - 1] == '\n'; --n) {
        captured_text[n - 1] = 0;
    }
}

bool inside_guard() {
    return depth > 0;
}

guard_scope::guard_scope() noexcept {
    if (depth++ == 0) {
        captured_text[0] = 0;
        forget_remote_loss();
    }
}

guard_scope::~guard_scope() noexcept {
    --depth;
}

void check_handle(const handle * h, uint32_t kind, const char * what) {
    if (!h) {
        fail(CHQ_STATUS_ARGUMENT, "%s is NULL", what);
    }
    if (h->kind != kind) {
        fail(CHQ_STATUS_ARGUMENT, "%s was freed, or is no %s at all", what, what);
    }
    if (h->poisoned) {
        fail(CHQ_STATUS_ABORTED, "%s cannot be used any more: ggml aborted while working on it", what);
    }
}

void report_abort(std::initializer_list<handle *> touched) noexcept {
    for (handle * h : touched) {
        if (h) {
            h->poisoned = true;
        }
    }
    set_error("ggml aborted: %s", abort_text);
}

void report_exception(const char * what) noexcept {
    if (captured_text[0]) {
        set_error("%s (%s)", what, captured_text);
    } else {
        set_error("%s", what);
    }
}

void check_finite(float value, const char * what) {
    if (!std::isfinite(value)) {
        fail(CHQ_STATUS_ARGUMENT, "%s is not a finite number", what);
    }
}

chq_status give_bytes(const char * bytes, size_t n_bytes, char * out, size_t capacity, size_t * length) {
    *length = n_bytes;
    if (n_bytes > capacity) {
        set_error("%zu bytes are needed, the buffer has %zu", n_bytes, capacity);
        return CHQ_STATUS_BUFFER;
    }
    if (n_bytes > 0) {
        memcpy(out, bytes, n_bytes);
    }
    return CHQ_STATUS_OK;
}

chq_status give_text(const char * text, size_t n_text, char * out, size_t capacity, size_t * length) {
    *length = n_text;
    if (n_text >= capacity) {
        set_error("%zu bytes are needed, the buffer has %zu", n_text + 1, capacity);
        return CHQ_STATUS_BUFFER;
    }
    memcpy(out, text, n_text);
    out[n_text] = 0;
    return CHQ_STATUS_OK;
}

// ggml calls this instead of printing; if it returns, the process ends in abort().
static void on_ggml_abort(const char * message) {
    snprintf(abort_text, sizeof(abort_text), "%s", message);
    if (depth > 0) {
        throw ggml_aborted {};
    }
    fprintf(stderr, "chasqui: ggml aborts outside of a guarded call: %s\n", message);
    fflush(stderr);
}

void install_abort_callback() {
    ggml_set_abort_callback(on_ggml_abort);
}

} // namespace chq

const char * chq_status_name(int32_t status) {
    switch (status) {
        case CHQ_STATUS_OK:           return "ok";
        case CHQ_STATUS_ARGUMENT:     return "argument";
        case CHQ_STATUS_STATE:        return "state";
        case CHQ_STATUS_MEMORY:       return "memory";
        case CHQ_STATUS_CONTEXT_FULL: return "context full";
        case CHQ_STATUS_CANCELLED:    return "cancelled";
        case CHQ_STATUS_LOAD:         return "load";
        case CHQ_STATUS_COMPUTE:      return "compute";
        case CHQ_STATUS_UNSUPPORTED:  return "unsupported";
        case CHQ_STATUS_GRAMMAR:      return "grammar";
        case CHQ_STATUS_BUFFER:       return "buffer";
        case CHQ_STATUS_ABORTED:      return "aborted";
        case CHQ_STATUS_INTERNAL:     return "internal";
        case CHQ_STATUS_REMOTE:       return "remote";
        case CHQ_STATUS_WRITE:        return "write";
        case CHQ_STATUS_STORAGE:      return "storage";
    }
    return "unknown";
}

const char * chq_last_error(void) {
    return chq::last_error();
}
