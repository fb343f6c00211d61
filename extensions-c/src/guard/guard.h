// The boundary between C callers and C++ inside: one guarded() per entry point.
#pragma once

#include "chasqui_guard.h"
#include "guard/remote.h"

#include <cstring>
#include <exception>
#include <initializer_list>
#include <new>
#include <type_traits>
#include <utility>

namespace chq {

// Thrown inside the library only; its message is already in the thread's error buffer.
struct failure {
    chq_status status;
};

// Thrown by the abort callback on a thread that is inside a guarded call. Not a std::exception on purpose:
// llama.cpp catches those in places and would go on with half-built state.
struct ggml_aborted {};

void set_error(const char * format, ...) __attribute__((format(printf, 1, 2)));
[[noreturn]] void fail(chq_status status, const char * format, ...) __attribute__((format(printf, 2, 3)));

const char * last_error();

// Messages that llama.cpp logged as errors on this thread since the outermost guarded call began, joined by "; ".
const char * captured_errors();
void         capture_error(const char * text);
void         forget_captured_errors();
bool         inside_guard();

// Makes ggml_abort() throw on guarded threads. See runtime_init.
void install_abort_callback();

// What every object behind an opaque pointer starts with.
struct handle {
    explicit handle(uint32_t kind) : kind(kind) {}

    uint32_t kind;             // tells a wrong or freed pointer from a good one, most of the time
    bool     poisoned = false; // ggml gave up while working on it
};

enum : uint32_t {
    KIND_MODEL       = 0x4c444d51, // "QMDL"
    KIND_CONTEXT     = 0x58544351, // "QCTX"
    KIND_SAMPLER     = 0x504d5351, // "QSMP"
    KIND_SPECULATION = 0x43505351, // "QSPC"
    KIND_TREE        = 0x45525451, // "QTRE"
    KIND_RPC_SERVER  = 0x43505251, // "QRPC"
    KIND_ARENA       = 0x4e524151, // "QARN"
    KIND_TENSOR      = 0x534e5451, // "QTNS"
    KIND_GRAPH       = 0x46524751, // "QGRF"
    KIND_LORA        = 0x41524c51, // "QLRA"
    KIND_FREED       = 0x44414551, // "QEAD"
};

void check_handle(const handle * h, uint32_t kind, const char * what);

class guard_scope {
public:
    guard_scope() noexcept;
    ~guard_scope() noexcept;
};

void report_abort    (std::initializer_list<handle *> touched) noexcept;
void report_exception(const char * what) noexcept;

// What becomes of a body that returns a chq_status or throws.
template <typename F>
chq_status guarded_alone(std::initializer_list<handle *> touched, F && body) noexcept {
    try {
        return body();
    } catch (const failure & f) {
        return f.status;
    } catch (const ggml_aborted &) {
        report_abort(touched);
        return CHQ_STATUS_ABORTED;
    } catch (const std::bad_alloc &) {
        set_error("out of memory");
        return CHQ_STATUS_MEMORY;
    } catch (const std::exception & e) {
        report_exception(e.what());
        return CHQ_STATUS_INTERNAL;
    } catch (...) {
        report_exception("an exception of unknown type");
        return CHQ_STATUS_INTERNAL;
    }
}

// Runs the body of an entry point. touched: what to poison if ggml aborts on the way; may hold NULL.
template <typename F>
chq_status guarded(std::initializer_list<handle *> touched, F && body) noexcept {
    static_assert(std::is_same_v<decltype(body()), chq_status>, "a guarded body returns a status");
    guard_scope scope;
    return settle_remote(guarded_alone(touched, std::forward<F>(body)));
}

template <typename F>
chq_status guarded(F && body) noexcept {
    return guarded({}, std::forward<F>(body));
}

// A required pointer argument.
inline void check_pointer(const void * p, const char * what) {
    if (!p) {
        fail(CHQ_STATUS_ARGUMENT, "%s is NULL", what);
    }
}

void check_finite(float value, const char * what);

// The number in an enum that a C caller wrote: reading it as the enum is undefined if it is none of its values.
template <typename E>
int raw(const E & value) {
    static_assert(sizeof(E) == sizeof(int), "enums cross as int");
    int number;
    memcpy(&number, &value, sizeof(number));
    return number;
}

template <typename E>
void check_enum(const E & value, int lo, int hi, const char * what) {
    if (raw(value) < lo || raw(value) > hi) {
        fail(CHQ_STATUS_ARGUMENT, "%s = %d is unknown", what, raw(value));
    }
}

// Copies text for the caller: always writes *length, then either the terminated text or CHQ_STATUS_BUFFER.
chq_status give_text (const char * text, size_t n_text, char * out, size_t capacity, size_t * length);
// The same without a terminator.
chq_status give_bytes(const char * bytes, size_t n_bytes, char * out, size_t capacity, size_t * length);

} // namespace chq
