// Status codes, error messages and the ABI report: what every other header of Chasqui builds on.
//
// Rules that hold for each function declared CHQ_API with a chq_status result:
//   - arguments are checked before llama.cpp or ggml sees them; a bad one gives CHQ_STATUS_ARGUMENT
//   - no C++ exception leaves the library, and ggml_abort() on the calling thread is turned into
//     CHQ_STATUS_ABORTED instead of ending the process
//   - on failure chq_last_error() holds one sentence for a person; outputs are untouched unless said
//
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32)
#    ifdef CHQ_BUILD
#        define CHQ_API __declspec(dllexport)
#    else
#        define CHQ_API __declspec(dllimport)
#    endif
#else
#    define CHQ_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef enum chq_status {
    CHQ_STATUS_OK           = 0,
    CHQ_STATUS_ARGUMENT     = 1,  // an argument is NULL, out of range or of the wrong kind
    CHQ_STATUS_STATE        = 2,  // not possible now: no logits at that row, contexts still open, ...
    CHQ_STATUS_MEMORY       = 3,  // memory is not there, or would not be there
    CHQ_STATUS_CONTEXT_FULL = 4,  // the KV cache has no room; nothing was decoded
    CHQ_STATUS_CANCELLED    = 5,  // stopped by chq_context_cancel or by a progress callback
    CHQ_STATUS_LOAD         = 6,  // the file cannot be used
    CHQ_STATUS_COMPUTE      = 7,  // a backend failed
    CHQ_STATUS_UNSUPPORTED  = 8,  // this model, context or build cannot do it
    CHQ_STATUS_GRAMMAR      = 9,  // a grammar does not parse, or refused the token
    CHQ_STATUS_BUFFER       = 10, // the output buffer is too small; the needed size was written
    CHQ_STATUS_ABORTED      = 11, // ggml gave up; the context and sampler of this call are poisoned, only freeing them is left
    CHQ_STATUS_INTERNAL     = 12, // an unexpected C++ exception
    CHQ_STATUS_REMOTE       = 13, // another machine cannot be reached, is no server for this, or was lost; what uses it can only be freed
    CHQ_STATUS_WRITE        = 14, // a file cannot be written: no room, no permission
    CHQ_STATUS_STORAGE      = 15, // the file behind a KV cache cannot be made, read or written; what was to be computed is not
} chq_status;

// Name of a status, e.g. "argument". Never NULL.
CHQ_API const char * chq_status_name(int32_t status);

// What went wrong in this thread's last failing call. Valid until the thread's next failing call. Never NULL.
CHQ_API const char * chq_last_error(void);

//
// ABI report: the layout of every struct that crosses the boundary, as this library was compiled.
// A caller in another language compares it with its own idea before the first real call.
//

struct chq_abi_field {
    const char * name;
    uint32_t     offset; // bytes from the start of the struct
    uint32_t     size;   // bytes
    uint32_t     is_pointer;
};

struct chq_abi_struct {
    const char *                 name;
    uint32_t                     size;      // bytes
    uint32_t                     alignment; // bytes
    uint32_t                     n_fields;
    const struct chq_abi_field * fields;
    const void *                 defaults;  // size bytes as the *_default_params() function fills them, padding zeroed; NULL if there is none
};

// The table, and its length in *n. Static memory.
CHQ_API const struct chq_abi_struct * chq_abi_structs(uint32_t * n);

// All of the table and the tree of llama.cpp in one number, of pointers by default only whether they are NULL: equal numbers need no comparison field by field.
CHQ_API uint64_t chq_abi_digest(void);

#ifdef __cplusplus
}
#endif
