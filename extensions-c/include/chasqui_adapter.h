// What changes a model's answers without changing its weights: LoRA adapters and control vectors. Both belong to a context as a whole; llama.cpp has
// none of a single sequence, but sequences may take turns with adapters: chq_context_switch_loras.
//
// A saved state fits where the same ones are set (chq_state_fit).
#pragma once

#include "chasqui_context.h"

#ifdef __cplusplus
extern "C" {
#endif

struct chq_lora;

// Loads a GGUF file of an adapter for the model. Any number of contexts may use it. Contexts of the model that compute are waited for.
CHQ_API chq_status chq_lora_load(struct chq_model * model, const char * path, struct chq_lora ** out);

// CHQ_STATUS_STATE while a context uses it. NULL is ignored. Before its model.
CHQ_API chq_status chq_lora_free(struct chq_lora * lora);

// A number that adapters of the same content share.
CHQ_API chq_status chq_lora_fingerprint(const struct chq_lora * lora, uint64_t * fingerprint);

// From now on the context computes with these adapters and no others, each multiplied by its scale; 0 leaves one out, n_loras = 0 all of them.
// CHQ_STATUS_STATE unless every sequence is empty: what the KV cache holds was computed with others.
CHQ_API chq_status chq_context_set_loras(struct chq_context * context, struct chq_lora * const * loras, const float * scales, int32_t n_loras);

// As chq_context_set_loras, but what sequences hold stays there: the caller sees to it that each goes on with the adapters that it began with. The next
// pass plans its memory anew. States are saved as of the adapters that are set at that time, and what is held on the device is forgotten.
CHQ_API chq_status chq_context_switch_loras(struct chq_context * context, struct chq_lora * const * loras, const float * scales, int32_t n_loras);

// From now on rows[i - 1] is added to what layer i gives, for the layers first..last; 1 <= first <= last <= n_layer - 1. rows: [n_layer - 1, n_embd of
// the model], for layers 1 and up: nothing can be added to layer 0. NULL: nothing any more. CHQ_STATUS_STATE unless every sequence is empty.
CHQ_API chq_status chq_context_set_control_vector(
        struct chq_context * context, const float * rows, int32_t n_rows, int32_t n_embd, int32_t first_layer, int32_t last_layer);

#ifdef __cplusplus
}
#endif
