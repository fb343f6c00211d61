#pragma once

#include "chasqui_model.h"
#include "guard/guard.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <vector>

struct gguf_context;

namespace chq { struct draft_memory; }
namespace chq::rpc { class remote_server; }

namespace chq {

// llama.cpp keeps a list of a model's adapters without a lock, and looks at it when it plans graphs. Those who compute share this, those who change
// the list have it alone; who comes first goes first, so that many who compute keep nobody waiting for ever.
class loras_gate {
public:
    std::shared_lock<std::shared_mutex> share() {
        const std::lock_guard<std::mutex> in_turn(turn);
        return std::shared_lock<std::shared_mutex>(mutex);
    }
    std::unique_lock<std::shared_mutex> own() {
        const std::lock_guard<std::mutex> in_turn(turn);
        return std::unique_lock<std::shared_mutex>(mutex);
    }

private:
    std::mutex        turn;
    std::shared_mutex mutex;
};

} // namespace chq

struct chq_model : chq::handle {
    chq_model() : handle(chq::KIND_MODEL) {}

    llama_model       * llama = nullptr;
    const llama_vocab * vocab = nullptr; // NULL if the model has no vocabulary

    // constants, read once
    int32_t     n_vocab        = 0; // also the width of the logits
    int32_t     n_pos_per_embd = 1;
    bool        vocab_only     = false;
    bool        no_alloc       = false;
    int32_t     kernels        = 0;     // CHQ_KERNELS_*, as asked for
    bool        offloads       = false; // some layers may live on another device
    bool        causal         = true;
    bool        recurrent      = false;
    bool        hybrid         = false;
    bool        enc_dec        = false; // needs llama_encode first
    uint64_t    n_bytes_packed = 0;
    std::string arch;
    uint64_t    fingerprint    = 0;     // of shape, size and vocabulary
    bool        deep_splitter  = false; // the pre-tokenizer recurses, see vocab.cpp

    std::vector<chq_placement> placement; // of the weights

    mutable std::once_flag                     drafts_made;
    mutable std::shared_ptr<chq::draft_memory> drafts; // see drafts_of

    std::vector<std::shared_ptr<chq::rpc::remote_server>> remotes; // that have a part of it

    mutable std::atomic<int32_t> n_contexts { 0 };
    mutable std::atomic<int32_t> n_loras    { 0 };
    mutable chq::loras_gate      loras_gate;
    mutable std::atomic<bool>    pinned     { false }; // a poisoned context may still touch the weights
};

namespace chq {

inline void check_model(const chq_model * model) {
    check_handle(model, KIND_MODEL, "model");
}

// The vocabulary; CHQ_STATUS_UNSUPPORTED if the model has none.
const llama_vocab * check_vocab(const chq_model * model);

// Fails with CHQ_STATUS_ARGUMENT if a token is not in the vocabulary.
void check_token (const chq_model * model, int32_t token);
void check_tokens(const chq_model * model, const int32_t * tokens, int32_t n_tokens);

// Whether tokens of the one mean the same in the other; the larger of two vocabularies may be padded.
bool same_vocabulary(const chq_model * a, const chq_model * b);

// A metadata value, fallback if the key is not there or is no number.
double meta_number(const llama_model * model, const std::string & key, double fallback);
std::string meta_text(const llama_model * model, const char * key);

// Whether the vocabulary cuts texts with std::regex, which recurses for each character of a match.
bool has_deep_splitter(const llama_model * model, const llama_model_params & params);

// The size of a file that is a readable regular file and begins like a GGUF of this byte order; CHQ_STATUS_LOAD says which of these it is not.
uint64_t check_gguf_file(const char * path);

// The types of its tensors, all of which must lie in the file.
std::set<ggml_type> check_gguf_tensors(const gguf_context * gguf, const char * path, uint64_t n_file);

// Looks at the header and the metadata of a file and fails with CHQ_STATUS_LOAD if llama.cpp could crash on it. The types of its tensors.
std::set<ggml_type> check_gguf(const char * path, const llama_model_params & params);

// Fails with CHQ_STATUS_ARGUMENT on a regular expression that is empty or so long that std::regex may need too much stack for it.
void check_pattern(const char * pattern);

// Writes the bytes of a token; *n_piece = its full length, also when that is more than capacity.
void token_piece(const chq_model * model, int32_t token, bool special, char * piece, int32_t capacity, int32_t * n_piece);

} // namespace chq
