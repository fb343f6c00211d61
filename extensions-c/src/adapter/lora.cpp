#include "adapter/lora.h"

#include "model/xxh64.h"
#include "rpc/servers.h"
#include "runtime/runtime.h"

#include "gguf.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

namespace chq {

namespace {

void check_lora(const chq_lora * lora) {
    check_handle(lora, KIND_LORA, "lora");
}

bool is_factor(ggml_type type) {
    switch (type) {
        case GGML_TYPE_F32: case GGML_TYPE_F16: case GGML_TYPE_BF16: return true;
        case GGML_TYPE_Q8_1: case GGML_TYPE_Q8_K:                    return false; // of intermediate results
        default:                                                     return ggml_is_quantized(type);
    }
}

bool contains(const std::string & text, const char * part) {
    return text.find(part) != std::string::npos;
}

// What llama.cpp does not look at: kinds of metadata, and the shapes of experts, which its threads would assert.
void check_adapter(const chq_model * model, const char * path) {
    const uint64_t n_file = check_gguf_file(path);
    ggml_context * tensors = nullptr;
    const gguf_init_params init = { /*.no_alloc =*/ true, /*.ctx =*/ &tensors };
    std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_from_file(path, init), gguf_free);
    if (!gguf) {
        fail(CHQ_STATUS_LOAD, "%s: not a usable GGUF file: %s", path, captured_errors());
    }
    std::unique_ptr<ggml_context, void (*)(ggml_context *)> owner(tensors, ggml_free);
    check_gguf_tensors(gguf.get(), path, n_file);
    for (const char * key : { "general.type", "general.architecture", "adapter.type" }) {
        const int64_t id = gguf_find_key(gguf.get(), key);
        if (id < 0 || gguf_get_kv_type(gguf.get(), id) != GGUF_TYPE_STRING) {
            fail(CHQ_STATUS_LOAD, "%s: not an adapter: it has no text %s", path, key);
        }
    }
    const int64_t alpha = gguf_find_key(gguf.get(), "adapter.lora.alpha");
    if (alpha >= 0 && gguf_get_kv_type(gguf.get(), alpha) != GGUF_TYPE_FLOAT32) {
        fail(CHQ_STATUS_LOAD, "%s: adapter.lora.alpha is not a FLOAT32", path);
    }
    if (gguf_find_key(gguf.get(), "adapter.alora.invocation_tokens") >= 0) {
        fail(CHQ_STATUS_UNSUPPORTED, "%s: an adapter that begins in the middle of a text, after its invocation tokens, is not supported", path);
    }
    const int64_t n_experts = (int64_t) meta_number(model->llama, model->arch + ".expert_count", 0);
    for (ggml_tensor * t = ggml_get_first_tensor(tensors); t; t = ggml_get_next_tensor(tensors, t)) {
        const std::string name = t->name;
        const int64_t n_matrices = contains(name, "_exps.") ? n_experts : 1;
        if (ggml_nelements(t) == 0) {
            fail(CHQ_STATUS_LOAD, "%s: %s has no numbers", path, t->name);
        }
        if (contains(name, "token_embd.weight.lora_a")) { // the only pair whose ranks llama.cpp does not compare
            const ggml_tensor * b = ggml_get_tensor(tensors, (name.substr(0, name.size() - 1) + "b").c_str());
            if (b && b->ne[0] != t->ne[0]) {
                fail(CHQ_STATUS_LOAD, "%s: %s has rank %lld, the other matrix %lld", path, t->name, (long long) t->ne[0], (long long) b->ne[0]);
            }
        }
        if (t->ne[2] != n_matrices || t->ne[3] != 1) {
            fail(CHQ_STATUS_LOAD, "%s: %s has %lld x %lld matrices, the model %lld", path, t->name, (long long) t->ne[2], (long long) t->ne[3], (long long) n_matrices);
        }
        if (!is_factor(t->type)) {
            fail(CHQ_STATUS_LOAD, "%s: %s is of type %s, with which nothing is multiplied", path, t->name, ggml_type_name(t->type));
        }
    }
}

uint64_t hash_file(const char * path) {
    std::unique_ptr<FILE, int (*)(FILE *)> file(fopen(path, "rb"), fclose);
    if (!file) {
        fail(CHQ_STATUS_LOAD, "%s: cannot be read", path);
    }
    std::vector<uint8_t> part(1 << 20);
    uint64_t hash = 1;
    for (size_t n; (n = fread(part.data(), 1, part.size(), file.get())) > 0;) {
        hash = xxh64(part.data(), n, hash);
    }
    return hash;
}

// Those that count.
std::vector<used_lora> checked_loras(const chq_context * context, chq_lora * const * loras, const float * scales, int32_t n_loras) {
    if (n_loras < 0 || (n_loras > 0 && (!loras || !scales))) {
        fail(CHQ_STATUS_ARGUMENT, "loras or scales is NULL, or their number negative");
    }
    std::vector<used_lora> wanted;
    for (int32_t i = 0; i < n_loras; ++i) {
        check_lora(loras[i]);
        check_finite(scales[i], "a scale");
        if (loras[i]->model != context->model) {
            fail(CHQ_STATUS_ARGUMENT, "adapter %d is for another model than the context", i);
        }
        for (const used_lora & used : wanted) {
            if (used.lora == loras[i]) {
                fail(CHQ_STATUS_ARGUMENT, "adapter %d is there twice", i);
            }
        }
        if (scales[i] != 0) {
            wanted.push_back({ loras[i], scales[i] });
        }
    }
    return wanted;
}

void use_loras(chq_context * context, std::vector<used_lora> wanted) {
    std::vector<llama_adapter_lora *> adapters;
    std::vector<float>                factors;
    for (const used_lora & used : wanted) {
        adapters.push_back(used.lora->llama);
        factors .push_back(used.scale);
    }
    llama_synchronize(context->llama);
    if (llama_set_adapters_lora(context->llama, adapters.data(), adapters.size(), factors.data()) != 0) {
        fail(CHQ_STATUS_COMPUTE, "the adapters cannot be set: %s", captured_errors());
    }
    for (const used_lora & used : wanted) {
        used.lora->n_contexts.fetch_add(1);
    }
    release_loras(context);
    context->loras = std::move(wanted);
    update_adapters(context);
}

} // namespace

void check_empty(const chq_context * context) {
    check_settled(context);
    for (int32_t seq_id = 0; context->memory && seq_id < context->n_seq_max; ++seq_id) {
        if (llama_memory_seq_pos_max(context->memory, seq_id) >= 0) {
            fail(CHQ_STATUS_STATE, "sequence %d is not empty: what it holds was computed without the change", seq_id);
        }
    }
}

void update_adapters(chq_context * context) {
    std::vector<uint64_t> facts;
    for (const used_lora & used : context->loras) {
        uint32_t scale;
        memcpy(&scale, &used.scale, sizeof(scale));
        facts.push_back(xxh64((const uint8_t *) &scale, sizeof(scale), used.lora->fingerprint));
    }
    std::sort(facts.begin(), facts.end()); // their order changes nothing
    if (context->control_vector != 0) {
        facts.push_back(context->control_vector);
        facts.push_back(1);
    }
    context->adapters = facts.empty() ? 0 : xxh64((const uint8_t *) facts.data(), facts.size() * sizeof(facts[0]), 0);
    // held on the device, computed without the change
    for (chq_context::held_state & held : context->held) {
        held = {};
    }
    forget_rows(context);
}

void release_loras(chq_context * context) {
    for (const used_lora & used : context->loras) {
        used.lora->n_contexts.fetch_sub(1);
    }
    context->loras.clear();
}

} // namespace chq

using namespace chq;

chq_status chq_lora_load(struct chq_model * model, const char * path, struct chq_lora ** out) {
    return guarded([&] {
        check_model(model);
        check_pointer(path, "path");
        check_pointer(out,  "out");
        if (model->vocab_only || model->no_alloc) {
            fail(CHQ_STATUS_STATE, "the model was loaded without its weights");
        }
        check_adapter(model, path);
        auto lora = std::make_unique<chq_lora>();
        lora->model       = model;
        lora->fingerprint = hash_file(path);
        forget_captured_errors();
        try {
            const auto lock = model->loras_gate.own();
            lora->llama = llama_adapter_lora_init(model->llama, path);
        } catch (const ggml_aborted &) {
            report_abort({});
            fail(CHQ_STATUS_LOAD, "%s: %s", path, last_error());
        }
        fail_if_remote_lost();
        if (!lora->llama) {
            fail(CHQ_STATUS_LOAD, "%s: %s", path, captured_errors()[0] ? captured_errors() : "llama.cpp gave no reason");
        }
        model->n_loras.fetch_add(1);
        *out = lora.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_lora_free(struct chq_lora * lora) {
    return guarded([&] {
        if (!lora) {
            return CHQ_STATUS_OK;
        }
        check_lora(lora);
        if (lora->n_contexts.load() > 0) {
            fail(CHQ_STATUS_STATE, "%d contexts use the adapter", lora->n_contexts.load());
        }
        lora->kind = KIND_FREED;
        if (!lora->model->pinned.load()) {
            const auto lock = lora->model->loras_gate.own();
            llama_adapter_lora_free(lora->llama);
        }
        lora->model->n_loras.fetch_sub(1);
        delete lora;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_lora_fingerprint(const struct chq_lora * lora, uint64_t * fingerprint) {
    return guarded([&] {
        check_lora(lora);
        check_pointer(fingerprint, "fingerprint");
        *fingerprint = lora->fingerprint;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_context_set_loras(struct chq_context * context, struct chq_lora * const * loras, const float * scales, int32_t n_loras) {
    return guarded({ context }, [&] {
        check_context(context);
        std::vector<used_lora> wanted = checked_loras(context, loras, scales, n_loras);
        check_empty(context);
        use_loras(context, std::move(wanted));
        return CHQ_STATUS_OK;
    });
}

chq_status chq_context_switch_loras(struct chq_context * context, struct chq_lora * const * loras, const float * scales, int32_t n_loras) {
    return guarded({ context }, [&] {
        check_context(context);
        std::vector<used_lora> wanted = checked_loras(context, loras, scales, n_loras);
        check_settled(context);
        use_loras(context, std::move(wanted));
        return CHQ_STATUS_OK;
    });
}
