// Chasqui: language models inside a program, on top of llama.cpp's public API.
//
// This header brings in all of them. Everything is plain C; see chasqui_guard.h for the rules of errors.
//
//   chasqui_guard.h     status codes, messages, ABI report
//   chasqui_runtime.h   version, backends, devices, log
//   chasqui_model.h     models, their vocabulary and metadata
//   chasqui_context.h   contexts: decode, sequences, logits, cancel, state
//   chasqui_sampler.h   sampler chains and grammars
//   chasqui_tree.h      token trees: several ways to go on in one pass
//   chasqui_draft.h     where guesses come from, and what is kept of them
//   chasqui_speculation.h  several tokens for one pass
//   chasqui_rows.h      argmax, top-k, log-sum-exp and logprobs over many rows of logits
//   chasqui_selection.h which of an image's tokens to keep
//   chasqui_chat.h      chat templates
//
#pragma once

#include "chasqui_guard.h"
#include "chasqui_runtime.h"
#include "chasqui_model.h"
#include "chasqui_context.h"
#include "chasqui_sampler.h"
#include "chasqui_tree.h"
#include "chasqui_draft.h"
#include "chasqui_speculation.h"
#include "chasqui_rows.h"
#include "chasqui_selection.h"
#include "chasqui_chat.h"
