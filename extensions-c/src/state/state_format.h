// Saved states as bytes, apart from any context: see chasqui_state.h.
//
//   header          CHQ_STATE_HEADER_BYTES
//   token ids       4 bytes each
//   spans           n_spans of state_span
//   note            n_note bytes, then zeros up to a multiple of 64: here the head ends
//   logits          n_logits floats, then zeros up to a multiple of 64
//   payload         what llama.cpp gave
#pragma once

#include "chasqui_state.h"

#include <cstddef>
#include <cstdint>

namespace chq {

struct state_header {
    uint64_t magic;
    uint64_t header_checksum; // of what follows it in the header
    uint64_t head_checksum;   // of the rest of the head
    uint64_t body_checksum;   // 0 before it is sealed
    uint32_t version;
    uint32_t kind;            // enum chq_state_kind
    uint32_t n_tokens;
    uint32_t n_note;
    uint64_t n_logits;
    uint64_t n_payload;
    // what a context must have in common with it, as chq_state_fit
    uint64_t fingerprint;     // of the model
    uint64_t build;           // of llama.cpp
    uint64_t settings;        // rotation of positions, kind of attention
    int32_t  type_k;
    int32_t  type_v;
    uint32_t n_streams;       // parts of the KV cache
    uint32_t sealed;          // whether the body has its checksum
    uint32_t n_spans;         // parts that came as embeddings; not 0 from version 3 on
    uint32_t reserved[5];
};
static_assert(sizeof(state_header) == CHQ_STATE_HEADER_BYTES, "no padding in the header");

// A part of the sequence that came as embeddings.
struct state_span {
    int32_t begin;       // position of the first row
    int32_t n_positions;
    int32_t n_cells;
};

// Sizes that follow from a header that is right.
inline uint64_t padded(uint64_t n) { return (n + 63) / 64 * 64; }
inline uint64_t spans_at(const state_header & h) { return sizeof(h) + (uint64_t) h.n_tokens * sizeof(int32_t); }
inline uint64_t note_at(const state_header & h) { return spans_at(h) + (uint64_t) h.n_spans * sizeof(state_span); }
inline uint64_t head_bytes(const state_header & h) { return padded(note_at(h) + h.n_note); }
inline uint64_t logits_bytes(const state_header & h) { return padded(h.n_logits * sizeof(float)); }
inline uint64_t state_bytes(const state_header & h) { return head_bytes(h) + logits_bytes(h) + h.n_payload; }

// The header at the beginning of data, of a state of `total` bytes. Fails with CHQ_STATUS_ARGUMENT and the reason.
state_header check_header(const uint8_t * data, size_t size, uint64_t total);
void         check_head  (const state_header & header, const uint8_t * data); // data: at least the head
void         check_body  (const state_header & header, const uint8_t * data); // data: all of it

// Fills in magic, version and the checksums of the head, and writes the header in front of the rest, which is there already.
void write_header(state_header & header, uint8_t * data);

// The number behind chq_state_fit.
uint64_t fit_of(const state_header & header);

} // namespace chq
