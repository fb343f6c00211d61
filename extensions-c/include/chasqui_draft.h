// Where the guesses of a speculation come from, and what a model's speculations remember between answers.
//
// Each model keeps one table of the tokens that it rated best after contexts of one to four tokens ("token recycling") and counts of how often
// guesses came true. All speculations of the model fill it and use it. It takes some 40 bytes for each token of the vocabulary and grows to 15 MiB
// more; it is made when the first answer is. Safe from any thread.
#pragma once

#include "chasqui_guard.h"
#include "chasqui_model.h"

#ifdef __cplusplus
extern "C" {
#endif

enum chq_draft_source {
    CHQ_DRAFT_REPEATED  = 1, // what followed the longest suffix of the text that occurred in it before
    CHQ_DRAFT_RECYCLED  = 2, // what the model rated best when the last tokens came before, in any answer
    CHQ_DRAFT_SUGGESTED = 4, // what the caller thinks: chq_speculation_suggest
    CHQ_DRAFT_MODEL     = 8, // what a smaller model thinks: chq_speculation_set_draft_model
};

// Those that chq_speculation_params may name.
#define CHQ_DRAFT_ALL 7

struct chq_recycling_info {
    uint64_t n_entries; // contexts that the table knows
    uint64_t n_bytes;   // of memory
};

CHQ_API chq_status chq_recycling_get_info(struct chq_model * model, struct chq_recycling_info * out);
CHQ_API chq_status chq_recycling_clear(struct chq_model * model);

// The table as bytes, for the next start. data may be NULL with capacity 0 to ask for the size; a size that has grown since is CHQ_STATUS_BUFFER again.
CHQ_API chq_status chq_recycling_save(struct chq_model * model, uint8_t * data, size_t capacity, size_t * size);

// In place of what is there. CHQ_STATUS_ARGUMENT, with nothing changed, for damaged bytes and those of another model.
CHQ_API chq_status chq_recycling_load(struct chq_model * model, const uint8_t * data, size_t size);

#ifdef __cplusplus
}
#endif
