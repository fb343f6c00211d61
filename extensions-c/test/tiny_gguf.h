// Models small enough to be made by a test: random weights, a byte-level vocabulary of 300 tokens.
#pragma once

#include "chasqui.h"

#include <cstdint>
#include <string>
#include <vector>

struct tiny_options {
    std::string arch       = "llama"; // or "mamba" (recurrent), "gemma2" (sliding window), "qwen2vl" (positions of several dimensions), "llada" or "dream" (diffusion)
    int32_t     n_embd     = 64;
    int32_t     n_layer    = 2;
    int32_t     n_head     = 4;
    int32_t     n_head_kv  = 2;
    int32_t     n_ff       = 96;
    int32_t     n_ctx      = 2048;
    int32_t     n_swa      = 64;      // gemma2
    uint32_t    seed       = 1;
    int32_t     n_expert   = 0;       // experts of a mixture, two of which are used; 0 = none
    std::vector<ggml_type> types { GGML_TYPE_F32 }; // of the weights that are multiplied with, in turn; columns come in multiples of their blocks
    bool        bpe        = false;   // a GPT-2 vocabulary instead of SentencePiece
    std::string chat_template;
    std::vector<std::string> controls;     // texts of more control tokens, the last ones of the vocabulary
    int32_t     mask           = -1;   // the mask token of a diffusion model ("llada", "dream"); -1 = none
    int32_t     kernels        = 0;    // CHQ_KERNELS_*, when it is loaded
    bool        shifted_logits = true; // the row before a position speaks of it; what llama.cpp assumes
};

void write_tiny_gguf(const std::string & path, const tiny_options & options = {});

// A vision encoder with a projector of that type for a model of n_embd numbers a row: "janus_pro", "mlp", "phi4", "gemma3", "idefics3", "pixtral", "qwen2vl_merger".
void write_tiny_projector(const std::string & path, const std::string & type, int32_t n_embd = 64, uint32_t seed = 5);

// One for sound: "gemma4ua" (a matrix), "qwen2a" (Whisper's encoder and a matrix).
void write_tiny_audio_projector(const std::string & path, const std::string & type, int32_t n_embd = 64, uint32_t seed = 6);

// The control tokens by which these frame an image or a sound.
std::vector<std::string> projector_controls();

// An adapter for the feed-forward part of such a model.
void write_tiny_lora(const std::string & path, const tiny_options & options);

// A file name of this process's own in the working directory; removed when the process ends.
std::string temporary_path(const std::string & name);

// A model of write_tiny_gguf, loaded. The runtime is initialised on the way.
struct tiny_model {
    chq_model * model = nullptr;

    explicit tiny_model(const tiny_options & options = {});
    ~tiny_model();
    tiny_model(const tiny_model &) = delete;
};

struct tiny_context {
    chq_context * context = nullptr;

    // change: what to set besides n_ctx = 512, n_threads = 1
    explicit tiny_context(const tiny_model & model, void (*change)(llama_context_params &) = nullptr);
    ~tiny_context();
    tiny_context(const tiny_context &) = delete;
};

// n tokens of the vocabulary's ordinary part, always the same for a seed.
std::vector<int32_t> some_tokens(int32_t n, uint32_t seed = 7);
