// Chasqui: language models inside a program, on top of llama.cpp's public API.
//
// This header brings in all of them. Everything is plain C; see chasqui_guard.h for the rules of errors.
//
//   chasqui_guard.h     status codes, messages, ABI report
//   chasqui_runtime.h   version, backends, devices, log
//   chasqui_rpc.h       devices of other machines, and the server for them
//   chasqui_model.h     models, their vocabulary and metadata
//   chasqui_context.h   contexts: decode, sequences, logits, cancel
//   chasqui_kv.h        sparse attention
//   chasqui_state.h     saved sequences and contexts
//   chasqui_sampler.h   sampler chains and grammars
//   chasqui_batch.h     steps of many sequences in one pass
//   chasqui_tree.h      token trees: several ways to go on in one pass
//   chasqui_draft.h     where guesses come from, and what is kept of them
//   chasqui_speculation.h  several tokens for one pass
//   chasqui_diffusion.h models that fill masks
//   chasqui_rows.h      argmax, top-k, log-sum-exp and logprobs over many rows of logits
//   chasqui_selection.h which of an image's tokens to keep
//   chasqui_chat.h      chat templates
//   chasqui_probe.h     what a prompt looks at, and shorter prompts
//   chasqui_vision.h    images as embeddings
//   chasqui_audio.h     sound as embeddings
//   chasqui_quantize.h  model files in other types of weights
//   chasqui_embedding.h pooled embeddings, and rows of them
//   chasqui_adapter.h   LoRA adapters and control vectors
//   chasqui_tensor.h    tensors and computations with them
//
#pragma once

#include "chasqui_guard.h"
#include "chasqui_runtime.h"
#include "chasqui_rpc.h"
#include "chasqui_model.h"
#include "chasqui_context.h"
#include "chasqui_kv.h"
#include "chasqui_state.h"
#include "chasqui_sampler.h"
#include "chasqui_batch.h"
#include "chasqui_tree.h"
#include "chasqui_draft.h"
#include "chasqui_speculation.h"
#include "chasqui_diffusion.h"
#include "chasqui_rows.h"
#include "chasqui_selection.h"
#include "chasqui_chat.h"
#include "chasqui_probe.h"
#include "chasqui_vision.h"
#include "chasqui_audio.h"
#include "chasqui_quantize.h"
#include "chasqui_embedding.h"
#include "chasqui_adapter.h"
#include "chasqui_tensor.h"
