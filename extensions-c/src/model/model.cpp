#include "model/model.h"

#include "model/packing.h"
#include "model/placement.h"
#include "rpc/servers.h"
#include "runtime/runtime.h"

#ifdef __GLIBC__
#    include <malloc.h>
#endif
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <memory>
#include <regex>
#include <vector>

namespace chq {

std::string meta_text(const llama_model * model, const char * key) {
    const int32_t n = llama_model_meta_val_str(model, key, nullptr, 0);
    if (n <= 0) {
        return "";
    }
    std::string text((size_t) n + 1, '\0');
    llama_model_meta_val_str(model, key, &text[0], text.size());
    text.resize(n);
    return text;
}

double meta_number(const llama_model * model, const std::string & key, double fallback) {
    const std::string text = meta_text(model, key.c_str());
    char * end = nullptr;
    const double value = strtod(text.c_str(), &end);
    return text.empty() || *end ? fallback : value;
}

void check_pattern(const char * pattern) {
    constexpr size_t LONGEST = 256; // std::regex recurses for each character
    if (!pattern[0] || strlen(pattern) > LONGEST) {
        fail(CHQ_STATUS_ARGUMENT, "a pattern is empty or longer than %zu bytes", LONGEST);
    }
    try {
        const std::regex compiled(pattern);
    } catch (const std::regex_error & e) {
        fail(CHQ_STATUS_ARGUMENT, "the pattern %s is no regular expression: %s", pattern, e.what());
    }
}

static void check_params(const llama_model_params & params) {
    check_enum(params.split_mode, LLAMA_SPLIT_MODE_NONE, LLAMA_SPLIT_MODE_TENSOR,   "split_mode");
    check_enum(params.load_mode,  LLAMA_LOAD_MODE_AUTO,  LLAMA_LOAD_MODE_DIRECT_IO, "load_mode");
    check_enum(params.lazy_mode,  LLAMA_LAZY_MODE_OFF,   LLAMA_LAZY_MODE_ON,        "lazy_mode");
    for (size_t i = 0; params.devices && params.devices[i]; ++i) {
        bool known = server_of(params.devices[i]) != nullptr;
        for (size_t k = 0; k < ggml_backend_dev_count(); ++k) {
            known |= ggml_backend_dev_get(k) == params.devices[i];
        }
        if (!known || i >= llama_max_devices()) {
            fail(CHQ_STATUS_ARGUMENT, "devices[%zu] is no device of this process, or the list does not end with NULL", i);
        }
        ggml_backend_reg_t reg = ggml_backend_dev_backend_reg(params.devices[i]);
        if (reg && reg == kernels_registration()) {
            fail(CHQ_STATUS_ARGUMENT, "devices[%zu] helps the CPU and holds no layers of its own", i);
        }
    }
    for (size_t i = 0; params.split_mode == LLAMA_SPLIT_MODE_TENSOR && params.devices && params.devices[i]; ++i) {
        if (server_of(params.devices[i])) {
            fail(CHQ_STATUS_UNSUPPORTED, "single tensors are not split over machines, only layers are");
        }
    }
    for (size_t i = 0; params.tensor_buft_overrides && params.tensor_buft_overrides[i].pattern; ++i) {
        if (!params.tensor_buft_overrides[i].buft || i >= llama_max_tensor_buft_overrides()) {
            fail(CHQ_STATUS_ARGUMENT, "tensor_buft_overrides[%zu] has no buffer type, or the list does not end with NULL", i);
        }
        check_pattern(params.tensor_buft_overrides[i].pattern);
    }
    for (size_t i = 0; params.tensor_split && i < llama_max_devices(); ++i) {
        if (!std::isfinite(params.tensor_split[i]) || params.tensor_split[i] < 0) {
            fail(CHQ_STATUS_ARGUMENT, "tensor_split[%zu] is not a share", i);
        }
    }
}

// Whom the load will talk to, held for as long as the model may.
static std::vector<std::shared_ptr<rpc::remote_server>> remotes_of(const llama_model_params & params) {
    std::vector<std::shared_ptr<rpc::remote_server>> remotes;
    for (size_t i = 0; params.devices && params.devices[i]; ++i) {
        std::shared_ptr<rpc::remote_server> server = server_of(params.devices[i]);
        if (server && std::find(remotes.begin(), remotes.end(), server) == remotes.end()) {
            remotes.push_back(std::move(server));
        }
    }
    return remotes;
}

// Passes the caller's progress callback on and remembers whether it was the one to stop the load.
struct progress_watch {
    llama_progress_callback callback;
    void                  * user_data;
    bool                    stopped = false;

    static bool on_progress(float progress, void * self) {
        auto * watch = (progress_watch *) self;
        const bool go_on = watch->callback(progress, watch->user_data);
        watch->stopped |= !go_on;
        return go_on;
    }
};

// What llama_tokenize and llama_token_to_piece assert, looked at once here instead.
static void check_vocabulary(const char * path, const llama_vocab * vocab) {
    const enum llama_vocab_type type = llama_vocab_type(vocab);
    if (type == LLAMA_VOCAB_TYPE_NONE) {
        return;
    }
    const int32_t n_vocab = llama_vocab_n_tokens(vocab);
    if (n_vocab < 1) {
        fail(CHQ_STATUS_LOAD, "%s: the vocabulary is empty", path);
    }
    const struct { const char * name; int32_t token; } special[] = {
        { "bos", llama_vocab_bos(vocab) }, { "eos", llama_vocab_eos(vocab) }, { "eot", llama_vocab_eot(vocab) },
        { "sep", llama_vocab_sep(vocab) }, { "nl",  llama_vocab_nl (vocab) }, { "pad", llama_vocab_pad(vocab) },
    };
    for (const auto & s : special) {
        if (s.token < -1 || s.token >= n_vocab) {
            fail(CHQ_STATUS_LOAD, "%s: the %s token %d is not in the vocabulary of %d", path, s.name, s.token, n_vocab);
        }
    }
    if (llama_vocab_get_add_bos(vocab) && llama_vocab_bos(vocab) < 0) {
        fail(CHQ_STATUS_LOAD, "%s: the vocabulary begins texts with a token that it does not have", path);
    }
    if (llama_vocab_get_add_eos(vocab) && llama_vocab_eos(vocab) < 0) {
        fail(CHQ_STATUS_LOAD, "%s: the vocabulary ends texts with a token that it does not have", path);
    }
    if (llama_vocab_get_add_sep(vocab) && llama_vocab_sep(vocab) < 0) {
        fail(CHQ_STATUS_LOAD, "%s: the vocabulary separates texts with a token that it does not have", path);
    }
}

// ggml asserts on worker threads, where nothing can be caught, that dimensions are rotated in pairs, and never ends if
// there are none to rotate. Whether a model rotates at all is known only now.
static void check_rope(const char * path, const llama_model * model) {
    if (llama_model_rope_type(model) == LLAMA_ROPE_TYPE_NONE || llama_model_n_head(model) < 1) {
        return;
    }
    const std::string arch   = meta_text(model, "general.architecture");
    const double n_head_size = meta_number(model, arch + ".attention.key_length", llama_model_n_embd(model) / llama_model_n_head(model));
    const double n_rot       = meta_number(model, arch + ".rope.dimension_count", n_head_size);
    if (n_rot < 2 || std::fmod(n_rot, 2) != 0) {
        fail(CHQ_STATUS_LOAD, "%s: %g rotated dimensions, but they come in pairs", path, n_rot);
    }
}

static uint64_t fnv1a(uint64_t hash, const void * data, size_t n) {
    for (size_t i = 0; i < n; ++i) {
        hash = (hash ^ ((const uint8_t *) data)[i]) * 0x100000001b3ull;
    }
    return hash;
}

static uint64_t fingerprint_of(const chq_model & model) {
    uint64_t hash = 0xcbf29ce484222325ull;
    char desc[256];
    llama_model_desc(model.llama, desc, sizeof(desc));
    hash = fnv1a(hash, desc, strlen(desc));
    for (const char * key : { "general.name", "general.file_type", "tokenizer.ggml.pre" }) {
        const std::string value = meta_text(model.llama, key);
        hash = fnv1a(hash, value.data(), value.size());
    }
    const uint64_t numbers[] = {
        llama_model_n_params(model.llama), llama_model_size(model.llama), (uint64_t) model.n_vocab,
        (uint64_t) llama_model_n_layer(model.llama), (uint64_t) llama_model_n_embd(model.llama),
        // llama.cpp keeps these per layer and aborts where there is none
        model.vocab_only ? 0 : (uint64_t) llama_model_n_head(model.llama),
        model.vocab_only ? 0 : (uint64_t) llama_model_n_head_kv(model.llama),
    };
    hash = fnv1a(hash, numbers, sizeof(numbers));
    // a thousand tokens spread over the vocabulary
    const int32_t step = model.vocab ? model.n_vocab / 1000 + 1 : 1;
    for (int32_t token = 0; model.vocab && token < model.n_vocab; token += step) {
        const char * text = llama_vocab_get_text(model.vocab, token);
        hash = fnv1a(hash, text, strlen(text) + 1);
    }
    return hash;
}

// Adds 256 short samples from all over the file: fine-tunes of one model differ in nothing but their weights.
static uint64_t sample_file(const char * path, uint64_t hash) {
    FILE * file = fopen(path, "rb");
    if (!file) {
        return hash;
    }
    fseek(file, 0, SEEK_END);
    const long size = ftell(file);
    unsigned char sample[64];
    for (long i = 0; i < 256; i++) {
        fseek(file, size / 256 * i, SEEK_SET);
        hash = fnv1a(hash, sample, fread(sample, 1, sizeof(sample), file));
    }
    fclose(file);
    return hash;
}

static void read_constants(chq_model & model, const llama_model_params & params) {
    const llama_vocab * vocab = llama_model_get_vocab(model.llama);
    const bool has_vocab = llama_vocab_type(vocab) != LLAMA_VOCAB_TYPE_NONE;
    const int rope = params.vocab_only ? LLAMA_ROPE_TYPE_NONE : llama_model_rope_type(model.llama);

    model.vocab          = has_vocab ? vocab : nullptr;
    model.n_vocab        = llama_vocab_n_tokens(vocab);
    model.n_pos_per_embd = rope == LLAMA_ROPE_TYPE_MROPE || rope == LLAMA_ROPE_TYPE_IMROPE ? 4 : 1;
    model.vocab_only     = params.vocab_only;
    model.no_alloc       = params.no_alloc;
    model.recurrent      = llama_model_is_recurrent(model.llama);
    model.hybrid         = llama_model_is_hybrid(model.llama);
    model.enc_dec        = llama_model_has_encoder(model.llama) && llama_model_has_decoder(model.llama);
    model.arch           = meta_text(model.llama, "general.architecture");
    model.offloads       = params.n_gpu_layers != 0 && (!model.remotes.empty()
        || ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_GPU) || ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_IGPU));

    // llama.h does not tell; these are the sources it is set from
    model.causal = meta_text(model.llama, (model.arch + ".attention.causal").c_str()) != "false"
        && !llama_model_is_diffusion(model.llama)
        && model.arch != "gemma-embedding" && model.arch != "rnd1";
    model.fingerprint   = fingerprint_of(model);
    model.deep_splitter = has_deep_splitter(model.llama, params);
}

} // namespace chq

using namespace chq;

// glibc keeps what a load has read meanwhile, and what a closed model leaves behind, in an arena for each thread that helped.
static void trim_heap() {
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

chq_status chq_model_load(const char * path, const struct llama_model_params * params, int32_t kernels, struct chq_model ** out) {
    return chq_model_load_cached(path, params, kernels, nullptr, 0, out);
}

chq_status chq_model_load_cached(
        const char                      * path,
        const struct llama_model_params * params_in,
        int32_t                           kernels,
        const char                      * cache_folder,
        uint64_t                          cache_bytes,
        struct chq_model               ** out) {
    return guarded([&] {
        check_runtime();
        check_pointer(out,  "out");
        check_pointer(path, "path");
        if (!path[0]) {
            fail(CHQ_STATUS_ARGUMENT, "path is empty");
        }
        llama_model_params params = params_in ? *params_in : llama_model_default_params();
        check_params(params);
        check_enum(kernels, CHQ_KERNELS_AUTO, CHQ_KERNELS_OFF, "kernels");

        try {
            const std::set<ggml_type> types = check_gguf(path, params);

            progress_watch watch { params.progress_callback, params.progress_callback_user_data };
            if (params.progress_callback) {
                params.progress_callback           = progress_watch::on_progress;
                params.progress_callback_user_data = &watch;
            }
            auto model = std::make_unique<chq_model>();
            model->remotes = remotes_of(params);
            model->kernels = kernels;
            forget_captured_errors();
            {
                const early_trials trials(kernels, params.vocab_only ? std::set<ggml_type>() : types);
                const packing packing(kernels, cache_folder, cache_bytes);
                placement_lines lines;
                const log_listener listener(placement_lines::on_text, &lines);
                model->llama = llama_model_load_from_file(path, params);
                model->placement = lines.placement();
                model->n_bytes_packed = packing.bytes();
            }
            std::unique_ptr<llama_model, void (*)(llama_model *)> owner(model->llama, llama_model_free);
            for (const auto & server : model->remotes) {
                await_server(*server); // or a server that cannot take the weights would be noticed by the first decode
            }
            fail_if_remote_lost();
            if (!model->llama) {
                if (watch.stopped) {
                    fail(CHQ_STATUS_CANCELLED, "%s: the load was stopped by its progress callback", path);
                }
                fail(CHQ_STATUS_LOAD, "%s: %s", path, captured_errors()[0] ? captured_errors() : "llama.cpp gave no reason");
            }
            check_vocabulary(path, llama_model_get_vocab(model->llama));
            if (!params.vocab_only) {
                check_rope(path, model->llama);
            }
            read_constants(*model, params);
            model->fingerprint = sample_file(path, model->fingerprint);
            owner.release();
            *out = model.release();
            trim_heap();
        } catch (const ggml_aborted &) {
            // nothing of the model exists yet, so this is only a file that cannot be used
            report_abort({});
            fail(CHQ_STATUS_LOAD, "%s: %s", path, last_error());
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_model_free(struct chq_model * model) {
    return guarded([&] {
        if (!model) {
            return CHQ_STATUS_OK;
        }
        if (model->kind != KIND_MODEL) {
            check_model(model);
        }
        const int32_t n_contexts = model->n_contexts.load();
        if (n_contexts > 0) {
            fail(CHQ_STATUS_STATE, "%d contexts of the model are still open", n_contexts);
        }
        if (const int32_t n_loras = model->n_loras.load()) {
            fail(CHQ_STATUS_STATE, "%d adapters of the model are still open", n_loras);
        }
        model->kind = KIND_FREED;
        if (!model->poisoned && !model->pinned.load()) {
            llama_model_free(model->llama);
        } else {
            new auto(std::move(model->remotes)); // what is given up may still point there
        }
        delete model;
        trim_heap();
        return CHQ_STATUS_OK;
    });
}

struct llama_model * chq_model_llama(const struct chq_model * model) {
    return model && model->kind == KIND_MODEL ? model->llama : nullptr;
}

chq_status chq_model_get_info(const struct chq_model * model, struct chq_model_info * out) {
    return guarded([&] {
        check_model(model);
        check_pointer(out, "out");
        const llama_model * m = model->llama;
        const llama_vocab * v = model->vocab;

        struct chq_model_info info;
        memset(&info, 0, sizeof(info));
        info.n_vocab        = model->n_vocab;
        info.n_ctx_train    = llama_model_n_ctx_train(m);
        info.n_embd         = llama_model_n_embd(m);
        info.n_embd_inp     = llama_model_n_embd_inp(m);
        info.n_layer        = llama_model_n_layer(m);
        // filled per layer, and not at all for vocab_only
        info.n_head         = info.n_layer > 0 ? llama_model_n_head(m)    : 0;
        info.n_head_kv      = info.n_layer > 0 ? llama_model_n_head_kv(m) : 0;
        info.n_swa          = llama_model_n_swa(m);
        info.vocab_type     = llama_vocab_type(llama_model_get_vocab(m));
        info.rope_type      = model->vocab_only ? LLAMA_ROPE_TYPE_NONE : llama_model_rope_type(m);
        info.n_pos_per_embd = model->n_pos_per_embd;
        info.n_params       = llama_model_n_params(m);
        info.n_bytes        = llama_model_size(m);
        info.n_bytes_packed = model->n_bytes_packed;

        info.token_bos           = v ? llama_vocab_bos    (v) : -1;
        info.token_eos           = v ? llama_vocab_eos    (v) : -1;
        info.token_eot           = v ? llama_vocab_eot    (v) : -1;
        info.token_sep           = v ? llama_vocab_sep    (v) : -1;
        info.token_nl            = v ? llama_vocab_nl     (v) : -1;
        info.token_pad           = v ? llama_vocab_pad    (v) : -1;
        info.token_mask          = v ? llama_vocab_mask   (v) : -1;
        info.token_fim_pre       = v ? llama_vocab_fim_pre(v) : -1;
        info.token_fim_suf       = v ? llama_vocab_fim_suf(v) : -1;
        info.token_fim_mid       = v ? llama_vocab_fim_mid(v) : -1;
        info.token_fim_pad       = v ? llama_vocab_fim_pad(v) : -1;
        info.token_fim_rep       = v ? llama_vocab_fim_rep(v) : -1;
        info.token_fim_sep       = v ? llama_vocab_fim_sep(v) : -1;
        info.token_decoder_start = llama_model_decoder_start_token(m);

        info.add_bos      = v && llama_vocab_get_add_bos(v);
        info.add_eos      = v && llama_vocab_get_add_eos(v);
        info.add_sep      = v && llama_vocab_get_add_sep(v);
        info.has_encoder  = llama_model_has_encoder(m);
        info.has_decoder  = llama_model_has_decoder(m);
        info.is_recurrent = model->recurrent;
        info.is_hybrid    = model->hybrid;
        info.is_diffusion = llama_model_is_diffusion(m);
        info.vocab_only   = model->vocab_only;
        *out = info;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_model_description(const struct chq_model * model, char * text, size_t capacity, size_t * length) {
    return guarded([&] {
        check_model(model);
        check_pointer(length, "length");
        char desc[512];
        llama_model_desc(model->llama, desc, sizeof(desc));
        return give_text(desc, strlen(desc), text, capacity, length);
    });
}

chq_status chq_model_meta(const struct chq_model * model, const char * key, char * text, size_t capacity, size_t * length) {
    return guarded([&] {
        check_model(model);
        check_pointer(key,    "key");
        check_pointer(length, "length");
        if (llama_model_meta_val_str(model->llama, key, nullptr, 0) < 0) {
            fail(CHQ_STATUS_STATE, "the model has no metadata key %s", key);
        }
        const std::string value = meta_text(model->llama, key);
        return give_text(value.data(), value.size(), text, capacity, length);
    });
}

chq_status chq_model_chat_template(const struct chq_model * model, const char * name, char * text, size_t capacity, size_t * length) {
    return guarded([&] {
        check_model(model);
        check_pointer(length, "length");
        const char * source = llama_model_chat_template(model->llama, name);
        if (!source) {
            fail(CHQ_STATUS_STATE, name ? "the model has no chat template named %s" : "the model has no chat template%s", name ? name : "");
        }
        return give_text(source, strlen(source), text, capacity, length);
    });
}
