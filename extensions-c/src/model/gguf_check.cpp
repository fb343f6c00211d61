#include "model/model.h"

#include "gguf.h"

#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <optional>

// llama.cpp trusts the numbers in a file's metadata in many places: it divides by them, sizes arrays with them and
// builds graphs of them. What it checks itself is left to it; here is what would crash or run out of memory instead.

namespace chq {

namespace {

constexpr int64_t MAX_LAYERS  = 512;      // LLAMA_MAX_LAYERS
constexpr int64_t MAX_EXPERTS = 1024;
constexpr int64_t MAX_HEADS   = 1 << 14;
constexpr int64_t MAX_EMBD    = 1 << 20;
constexpr int64_t MAX_CTX     = 1 << 30;
constexpr int64_t MAX_VOCAB   = 1 << 24;

struct metadata {
    const gguf_context            * gguf;
    const llama_model_kv_override * overrides;
    const char                    * path;
    std::string                     arch;

    std::string arch_key(const char * name) const {
        return arch + "." + name;
    }

    const llama_model_kv_override * overridden(const std::string & key) const {
        for (const llama_model_kv_override * o = overrides; o && o->key[0]; ++o) {
            if (key == o->key) {
                return o;
            }
        }
        return nullptr;
    }

    std::optional<double> number(const std::string & key) const {
        if (const llama_model_kv_override * o = overridden(key)) {
            switch (o->tag) {
                case LLAMA_KV_OVERRIDE_TYPE_INT:   return (double) o->val_i64;
                case LLAMA_KV_OVERRIDE_TYPE_FLOAT: return o->val_f64;
                default:                           break;
            }
        }
        const int64_t id = gguf_find_key(gguf, key.c_str());
        if (id < 0 || gguf_get_kv_type(gguf, id) == GGUF_TYPE_ARRAY) {
            return std::nullopt;
        }
        return scalar(gguf_get_kv_type(gguf, id), gguf_get_kv_type(gguf, id) == GGUF_TYPE_STRING ? nullptr : gguf_get_val_data(gguf, id), 0);
    }

    static std::optional<double> scalar(gguf_type type, const void * data, size_t i) {
        switch (type) {
            case GGUF_TYPE_UINT8:   return (double) ((const uint8_t  *) data)[i];
            case GGUF_TYPE_INT8:    return (double) ((const int8_t   *) data)[i];
            case GGUF_TYPE_UINT16:  return (double) ((const uint16_t *) data)[i];
            case GGUF_TYPE_INT16:   return (double) ((const int16_t  *) data)[i];
            case GGUF_TYPE_UINT32:  return (double) ((const uint32_t *) data)[i];
            case GGUF_TYPE_INT32:   return (double) ((const int32_t  *) data)[i];
            case GGUF_TYPE_UINT64:  return (double) ((const uint64_t *) data)[i];
            case GGUF_TYPE_INT64:   return (double) ((const int64_t  *) data)[i];
            case GGUF_TYPE_FLOAT32: return (double) ((const float    *) data)[i];
            case GGUF_TYPE_FLOAT64: return          ((const double   *) data)[i];
            default:                return std::nullopt;
        }
    }

    // A number, or each number of an array, must lie in [lo, hi]. A key that is not there is fine.
    void range(const std::string & key, double lo, double hi) const {
        const auto check = [&](std::optional<double> value) {
            if (value && !(*value >= lo && *value <= hi)) {
                fail(CHQ_STATUS_LOAD, "%s: %s = %g is out of range", path, key.c_str(), *value);
            }
        };
        check(number(key));
        const int64_t id = gguf_find_key(gguf, key.c_str());
        if (id >= 0 && gguf_get_kv_type(gguf, id) == GGUF_TYPE_ARRAY && gguf_get_arr_type(gguf, id) != GGUF_TYPE_STRING) {
            const size_t n = gguf_get_arr_n(gguf, id);
            for (size_t i = 0; i < n; ++i) {
                check(scalar(gguf_get_arr_type(gguf, id), gguf_get_arr_data(gguf, id), i));
            }
        }
    }

    void arch_range(const char * name, double lo, double hi) const {
        range(arch_key(name), lo, hi);
    }

    // Length of an array of that type; -1 if the key is not there.
    int64_t array_length(const char * key, gguf_type type) const {
        const int64_t id = gguf_find_key(gguf, key);
        if (id < 0) {
            return -1;
        }
        if (gguf_get_kv_type(gguf, id) != GGUF_TYPE_ARRAY || gguf_get_arr_type(gguf, id) != type) {
            fail(CHQ_STATUS_LOAD, "%s: %s is not an array of %s", path, key, gguf_type_name(type));
        }
        return (int64_t) gguf_get_arr_n(gguf, id);
    }

    std::string text(const char * key) const {
        const int64_t id = gguf_find_key(gguf, key);
        if (id < 0) {
            return "";
        }
        if (gguf_get_kv_type(gguf, id) != GGUF_TYPE_STRING) {
            fail(CHQ_STATUS_LOAD, "%s: %s is not a string", path, key);
        }
        return gguf_get_val_str(gguf, id);
    }
};

void check_hparams(const metadata & meta) {
    meta.arch_range("block_count",                     1, MAX_LAYERS);
    meta.arch_range("context_length",                  1, MAX_CTX);
    meta.arch_range("embedding_length",                1, MAX_EMBD);
    meta.arch_range("embedding_length_out",            0, MAX_EMBD);
    meta.arch_range("feed_forward_length",             0, 1 << 24);
    meta.arch_range("vocab_size",                      0, MAX_VOCAB);
    meta.arch_range("expert_count",                    0, MAX_EXPERTS);
    meta.arch_range("expert_used_count",               0, MAX_EXPERTS);
    meta.arch_range("attention.head_count",            0, MAX_HEADS);
    meta.arch_range("attention.head_count_kv",         0, MAX_HEADS);
    meta.arch_range("attention.key_length",            1, MAX_EMBD);
    meta.arch_range("attention.value_length",          1, MAX_EMBD);
    meta.arch_range("attention.key_length_swa",        1, MAX_EMBD);
    meta.arch_range("attention.value_length_swa",      1, MAX_EMBD);
    meta.arch_range("attention.sliding_window",        0, MAX_CTX);
    meta.arch_range("attention.layer_norm_epsilon",    0, 1);
    meta.arch_range("attention.layer_norm_rms_epsilon", 0, 1);
    meta.arch_range("pooling_type",                    0, LLAMA_POOLING_TYPE_RANK);
    meta.arch_range("rope.dimension_count",            0, MAX_EMBD);
    meta.arch_range("rope.freq_base",                  1e-3, 1e15);
    meta.arch_range("rope.scaling.factor",             0, 1e6);
    meta.arch_range("rope.scale_linear",               0, 1e6);
    meta.arch_range("rope.scaling.original_context_length", 0, MAX_CTX);
    meta.range("tokenizer.ggml.token_type_count",      0, MAX_VOCAB);

    // Divisors. An array holds a value per layer, where 0 stands for a layer without attention.
    const std::optional<double> n_embd    = meta.number(meta.arch_key("embedding_length"));
    const std::optional<double> n_head    = meta.number(meta.arch_key("attention.head_count"));
    const std::optional<double> n_head_kv = meta.number(meta.arch_key("attention.head_count_kv"));
    const std::optional<double> n_key     = meta.number(meta.arch_key("attention.key_length"));
    const std::optional<double> n_rot     = meta.number(meta.arch_key("rope.dimension_count"));
    if (n_head && *n_head > 0) {
        if (n_head_kv && *n_head_kv > 0 && fmod(*n_head, *n_head_kv) != 0) {
            fail(CHQ_STATUS_LOAD, "%s: %g attention heads cannot share %g key-value heads", meta.path, *n_head, *n_head_kv);
        }
        const double n_embd_head = n_key ? *n_key : n_embd ? floor(*n_embd / *n_head) : 1;
        if (n_embd_head < 1) {
            fail(CHQ_STATUS_LOAD, "%s: more attention heads (%g) than embedding dimensions", meta.path, *n_head);
        }
        if (n_rot && *n_rot > n_embd_head) {
            fail(CHQ_STATUS_LOAD, "%s: %g rotated dimensions in attention heads of %g", meta.path, *n_rot, n_embd_head);
        }
    }
}

void check_tokenizer(const metadata & meta) {
    const std::string tokenizer = meta.text("tokenizer.ggml.model");
    if (tokenizer.empty() || tokenizer == "none" || tokenizer == "no_vocab") {
        return;
    }
    const int64_t n_tokens = meta.array_length("tokenizer.ggml.tokens", GGUF_TYPE_STRING);
    if (n_tokens < 1 || n_tokens > MAX_VOCAB) {
        fail(CHQ_STATUS_LOAD, "%s: the vocabulary has %lld tokens", meta.path, (long long) n_tokens);
    }
}

// Also keys of other types than llama.cpp expects are refused there, with an exception; nothing to do here.
void check_overrides(const llama_model_params & params) {
    int n = 0;
    for (const llama_model_kv_override * o = params.kv_overrides; o && o->key[0]; ++o) {
        if (++n > 4096) {
            fail(CHQ_STATUS_ARGUMENT, "kv_overrides does not end with an empty key");
        }
        if (!memchr(o->key, 0, sizeof(o->key))) {
            fail(CHQ_STATUS_ARGUMENT, "the key of override %d is not terminated", n - 1);
        }
        check_enum(o->tag, LLAMA_KV_OVERRIDE_TYPE_INT, LLAMA_KV_OVERRIDE_TYPE_STR, "the type of an override");
        if (o->tag == LLAMA_KV_OVERRIDE_TYPE_STR && !memchr(o->val_str, 0, sizeof(o->val_str))) {
            fail(CHQ_STATUS_ARGUMENT, "the value that overrides %s is not terminated", o->key);
        }
    }
}

} // namespace

uint64_t check_gguf_file(const char * path) {
    namespace fs = std::filesystem;
    std::error_code error;
    const fs::file_status status = fs::status(path, error);
    if (!fs::exists(status)) {
        fail(CHQ_STATUS_LOAD, "%s: no such file", path);
    }
    if (!fs::is_regular_file(status)) {
        fail(CHQ_STATUS_LOAD, "%s: not a regular file", path);
    }
    std::unique_ptr<FILE, int (*)(FILE *)> file(fopen(path, "rb"), fclose);
    if (!file) {
        fail(CHQ_STATUS_LOAD, "%s: cannot be read: %s", path, strerror(errno));
    }
    char head[24]; // magic, version, number of tensors, number of keys
    if (fread(head, 1, sizeof(head), file.get()) != sizeof(head)) {
        fail(CHQ_STATUS_LOAD, "%s: too short to be a GGUF file", path);
    }
    if (memcmp(head, "GGUF", 4) != 0) {
        fail(CHQ_STATUS_LOAD, "%s: not a GGUF file", path);
    }
    return (uint64_t) fs::file_size(path, error);
}

std::set<ggml_type> check_gguf_tensors(const gguf_context * gguf, const char * path, uint64_t n_file) {
    const uint64_t begin = gguf_get_data_offset(gguf);
    const int64_t  n     = gguf_get_n_tensors(gguf);
    std::set<ggml_type> types;
    for (int64_t i = 0; i < n; ++i) {
        const uint64_t offset = gguf_get_tensor_offset(gguf, i);
        const uint64_t size   = gguf_get_tensor_size  (gguf, i);
        if (begin > n_file || offset > n_file - begin || size > n_file - begin - offset) {
            fail(CHQ_STATUS_LOAD, "%s: tensor %s reaches beyond the end of the file, which is damaged or incomplete",
                path, gguf_get_tensor_name(gguf, i));
        }
        types.insert(gguf_get_tensor_type(gguf, i));
    }
    return types;
}

std::set<ggml_type> check_gguf(const char * path, const llama_model_params & params) {
    check_overrides(params);
    const uint64_t n_file = check_gguf_file(path);

    const gguf_init_params init = { /*.no_alloc =*/ true, /*.ctx =*/ nullptr };
    std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_from_file(path, init), gguf_free);
    if (!gguf) {
        fail(CHQ_STATUS_LOAD, "%s: not a usable GGUF file: %s", path, captured_errors());
    }
    metadata meta { gguf.get(), params.kv_overrides, path, "" };
    meta.arch = meta.text("general.architecture");
    if (meta.arch.empty()) {
        fail(CHQ_STATUS_LOAD, "%s: names no architecture", path);
    }
    std::set<ggml_type> types = check_gguf_tensors(gguf.get(), path, n_file);
    check_tokenizer(meta);
    if (!params.vocab_only) {
        check_hparams(meta);
    }
    return types;
}

} // namespace chq
