// Saved states: a sequence or a whole context as bytes, for later, for another context or for another process.
//
// A state is one piece of memory, little-endian: a header of CHQ_STATE_HEADER_BYTES, token ids, a note of the caller's, then the body, which
// is the last logits, if they were there, and what llama.cpp gives. The first three are the head, which says what the state is and can be read alone. Header, rest
// of the head and body have a checksum each (XXH64; that of the body is over those of its pieces of 1 MiB). Checksums tell damage, not forgery: restore
// no states that somebody else may have written.
#pragma once

#include "chasqui_context.h"

#ifdef __cplusplus
extern "C" {
#endif

#define CHQ_STATE_HEADER_BYTES 128

#define CHQ_STATE_ROW (-1) // in the place of a token: a row of embeddings

enum chq_state_kind {
    CHQ_STATE_SEQUENCE = 0,
    CHQ_STATE_CONTEXT  = 1, // every sequence, cells that they share only once
};

struct chq_state_info {
    uint64_t n_bytes;  // of the state
    uint64_t n_head;   // of its head
    uint64_t fit;      // see chq_state_fit
    uint64_t note_at;  // where the note begins
    uint32_t n_note;   // bytes
    uint32_t n_tokens; // token ids, from CHQ_STATE_HEADER_BYTES on
    int32_t  kind;     // enum chq_state_kind
    bool     logits;   // whether it has the last logits
};

// The number of what a state must have in common with a context to be restored there: model, build of llama.cpp, types, parts and
// layout of the KV cache, rotation of positions. Contexts with the same number can exchange states, in any process.
CHQ_API chq_status chq_state_fit(struct chq_context * context, uint64_t * fit);

// Saves a sequence, with tokens and a note to be stored with it (NULL with 0 for none). Among the tokens there is a CHQ_STATE_ROW for each row of
// embeddings that the sequence holds; what they were the note may tell, where they are is saved with them. with_logits: also the last row of logits that the last
// decode left, for which the caller vouches that it follows this sequence; the first thing that a restored sequence needs is then there.
// The body has no checksum yet: what leaves this process, or its memory, needs chq_state_seal.
CHQ_API chq_status chq_seq_save(
        struct chq_context * context,
        int32_t              seq_id,
        const int32_t      * tokens,
        int32_t              n_tokens,
        const uint8_t      * note,
        int32_t              n_note,
        bool                 with_logits,
        uint8_t            * data,     // may be NULL with capacity 0 to ask for the size
        size_t               capacity,
        size_t             * size);    // bytes needed or written

// Restores into seq_id, replacing what it holds. *n_tokens = tokens stored; CHQ_STATUS_BUFFER, with nothing changed, if capacity is less.
// *logits (may be NULL) = whether the state brought logits; they are then what chq_logits and chq_sample use.
// Refuses data of another model, build or kind of cache, and damaged data (CHQ_STATUS_ARGUMENT), and data for which there are too few
// cells (CHQ_STATUS_CONTEXT_FULL); then the sequence is left as it was.
// checked: leave out the check of the body, for data that was checked before or saved by this process, and cannot have changed since.
CHQ_API chq_status chq_seq_restore(
        struct chq_context * context,
        int32_t              seq_id,
        const uint8_t      * data,
        size_t               size,
        bool                 checked,
        int32_t            * tokens,
        int32_t              capacity,
        int32_t            * n_tokens,
        bool               * logits);

// The same for all sequences at once. Tokens and note are the caller's way of telling which sequence is what. Not possible for a context in
// which positions were forgotten in the middle of a sequence (CHQ_STATUS_UNSUPPORTED).
CHQ_API chq_status chq_context_save(
        struct chq_context * context,
        const int32_t      * tokens,
        int32_t              n_tokens,
        const uint8_t      * note,
        int32_t              n_note,
        uint8_t            * data,
        size_t               capacity,
        size_t             * size);

// Into a context whose sequences are all empty (CHQ_STATUS_STATE otherwise); they are empty again if it fails.
CHQ_API chq_status chq_context_restore(struct chq_context * context, const uint8_t * data, size_t size, bool checked);

//
// states that stay on the devices that hold the KV cache (LLAMA_STATE_SEQ_FLAGS_ON_DEVICE): no way through the host's memory, no cells taken
//

// Whether that is worth it here: part of the KV cache is on a GPU, and chq_seq_hold is possible.
CHQ_API chq_status chq_context_holds(struct chq_context * context, bool * holds);

// Copies the state of a sequence into a slot, replacing what is there. A slot has the number of a sequence, which must be empty now. Its memory stays
// allocated until the context is freed. CHQ_STATUS_UNSUPPORTED for recurrent models, windows without swa_full, quantised or divided caches.
CHQ_API chq_status chq_seq_hold(struct chq_context * context, int32_t seq_id, int32_t slot);

// Copies the state in a slot into a sequence, replacing what it holds. CHQ_STATUS_CONTEXT_FULL, with nothing changed, if it is not certain that there are cells
// enough; CHQ_STATUS_STATE if the slot is empty.
CHQ_API chq_status chq_seq_take(struct chq_context * context, int32_t slot, int32_t seq_id);

// What the head at the beginning of data says, after checking it. total: bytes of the whole state, of which `size` are here. CHQ_STATUS_BUFFER if the
// head is longer than that: out->n_head is then the size needed, and nothing else is set. CHQ_STATUS_ARGUMENT if it is damaged or no state.
CHQ_API chq_status chq_state_read_head(const uint8_t * data, size_t size, uint64_t total, struct chq_state_info * out);

// Writes the header that a saved state gets once the checksum of its body is known, to `header`; that may be data itself.
CHQ_API chq_status chq_state_seal(const uint8_t * data, size_t size, uint8_t header[CHQ_STATE_HEADER_BYTES]);

// Checks all of a state, on several threads if it is long. CHQ_STATUS_ARGUMENT if it is damaged.
CHQ_API chq_status chq_state_check(const uint8_t * data, size_t size);

// Memory for a state: not filled with zeros, in large pages where the system has them, since it is written and read once and as a whole.
// CHQ_STATUS_MEMORY if it would not be there. size > 0.
CHQ_API chq_status chq_state_allocate(size_t size, uint8_t ** out);
CHQ_API void       chq_state_release (uint8_t * data); // NULL is ignored

#ifdef __cplusplus
}
#endif
