// Queries and keys of one layer, read while a prompt is computed; what lies above that layer is not computed.
#include "chasqui_probe.h"

#include "context/context.h"
#include "selection/arithmetic.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <vector>

namespace {

constexpr uint32_t KIND_PROBE = 0x42525051; // "QPRB"

} // namespace

struct chq_attention_probe : chq::handle {
    chq_attention_probe() : handle(KIND_PROBE) {}

    chq_context      * context = nullptr;
    int32_t            layer   = 0;
    char               q_name[32];
    char               k_name[32];

    // of the part in progress
    bool               is_rows = false;
    bool               asks    = false;

    // of the prompt so far
    int64_t            d_head    = 0;
    int64_t            n_head    = 0;
    int64_t            n_head_kv = 0;
    std::vector<float> keys;                  // [n_keys, n_head_kv, d_head]
    std::vector<float> queries;               // [n_asking, n_head, d_head]
    std::vector<int64_t> asking;              // index of the key at each asking query
    std::vector<int64_t> rows;                // index of the key of each row
    int64_t            n_queries_seen = 0;
    bool               seen_query = false;    // in the graph in progress
    bool               seen_key   = false;
    bool               unfinished = false;    // a part failed: there are cells without keys, or keys without cells

    int64_t n_keys() const { return n_head_kv > 0 ? (int64_t) keys.size() / (n_head_kv * d_head) : 0; }
};

namespace chq {

namespace {

void check_probe(const chq_attention_probe * probe) {
    check_handle(probe, KIND_PROBE, "attention probe");
}

bool is_turned(const ggml_tensor * tensor, const char * name) {
    return tensor->op == GGML_OP_ROPE && strcmp(tensor->name, name) == 0 && tensor->type == GGML_TYPE_F32 && ggml_is_contiguous(tensor);
}

void take(std::vector<float> & to, const ggml_tensor * tensor) {
    const size_t before = to.size();
    to.resize(before + (size_t) ggml_nelements(tensor));
    ggml_backend_tensor_get(tensor, to.data() + before, 0, ggml_nbytes(tensor));
}

bool on_node(ggml_tensor * tensor, bool ask, void * user) {
    chq_attention_probe * probe = (chq_attention_probe *) user;
    const bool query = is_turned(tensor, probe->q_name);
    const bool key   = is_turned(tensor, probe->k_name);
    if (!query && !key) {
        return !ask;
    }
    if (ask) {
        return true;
    }
    // [d_head, n_head, n_tokens]
    probe->d_head = tensor->ne[0];
    const int64_t n = tensor->ne[2];
    if (query) {
        probe->n_head = tensor->ne[1];
        if (probe->asks) {
            take(probe->queries, tensor);
            for (int64_t i = 0; i < n; ++i) {
                probe->asking.push_back(probe->n_queries_seen + i);
            }
        }
        probe->n_queries_seen += n;
        probe->seen_query = true;
    } else {
        probe->n_head_kv = tensor->ne[1];
        if (probe->is_rows) {
            for (int64_t i = 0; i < n; ++i) {
                probe->rows.push_back(probe->n_keys() + i);
            }
        }
        take(probe->keys, tensor);
        probe->seen_key = true;
    }
    if (probe->seen_query && probe->seen_key) {
        probe->seen_query = false;
        probe->seen_key   = false;
        return false; // the rest of the graph is not needed
    }
    return true;
}

void clear(chq_attention_probe * probe) {
    probe->keys.clear();
    probe->queries.clear();
    probe->asking.clear();
    probe->rows.clear();
    probe->n_queries_seen = 0;
    probe->seen_query     = false;
    probe->seen_key       = false;
    probe->unfinished     = false;
}

void check_finished(const chq_attention_probe * probe) {
    if (probe->unfinished) {
        fail(CHQ_STATUS_STATE, "the prompt failed before, chq_attention_probe_reset starts a new one");
    }
}

void begin_part(chq_attention_probe * probe) {
    check_finished(probe);
    probe->unfinished = true;
    probe->seen_query = false;
    probe->seen_key   = false;
}

// After a part of n has been computed.
void check_seen(chq_attention_probe * probe, int64_t n_before, int32_t n) {
    if (probe->n_keys() != n_before + n || probe->n_queries_seen != probe->n_keys()) {
        fail(CHQ_STATUS_UNSUPPORTED, "layer %d of this model does not show its queries and keys", probe->layer);
    }
    probe->unfinished = false;
}

// The number of scores, and whether they can be given.
void check_room(const chq_attention_probe * probe, size_t n_scores, const float * scores, int32_t capacity, int32_t * n) {
    check_pointer(n, "the number of scores");
    *n = (int32_t) n_scores;
    check_finished(probe);
    if (probe->asking.empty()) {
        fail(CHQ_STATUS_STATE, "no token of the prompt asks");
    }
    if (capacity < *n) {
        fail(CHQ_STATUS_BUFFER, "%zu numbers are needed, the buffer has room for %d", n_scores, capacity);
    }
    check_pointer(scores, "scores");
}

void to_shares(std::vector<float> & row) {
    const float most = *std::max_element(row.begin(), row.end());
    double total = 0;
    for (float & x : row) {
        x = std::exp(x - most);
        total += x;
    }
    for (float & x : row) {
        x = (float) (x / total);
    }
}

// For each key, over heads and asking tokens; those behind an asking token score nothing with it.
std::vector<double> mean_scores(const chq_attention_probe * probe, chq_prompt_score score) {
    const int64_t d     = probe->d_head;
    const int64_t group = std::max<int64_t>(1, probe->n_head / std::max<int64_t>(1, probe->n_head_kv));
    const float   scale = 1.0f / std::sqrt((float) d);
    std::vector<double> means((size_t) probe->n_keys(), 0.0);
    std::vector<float>  row;
    std::vector<const float *> keys; // of a head
    for (size_t a = 0; a < probe->asking.size(); ++a) {
        row.resize((size_t) probe->asking[a] + 1); // itself and what is before it
        for (int64_t head = 0; head < probe->n_head; ++head) {
            const float * q = probe->queries.data() + ((int64_t) a * probe->n_head + head) * d;
            keys.resize(row.size());
            for (size_t j = 0; j < row.size(); ++j) {
                keys[j] = probe->keys.data() + ((int64_t) j * probe->n_head_kv + head / group) * d;
            }
            selection::fastest().dots(&q, 1, keys.data(), (int32_t) row.size(), (int32_t) d, row.data(), (int32_t) row.size());
            for (float & x : row) {
                x *= scale;
            }
            if (score == CHQ_PROMPT_SHARE) {
                to_shares(row);
            }
            for (size_t j = 0; j < row.size(); ++j) {
                means[j] += row[j];
            }
        }
    }
    for (double & x : means) {
        x /= (double) probe->asking.size() * probe->n_head;
    }
    return means;
}

// The whole of a call's failure is in the thread's message already.
void forward(chq_status status) {
    if (status != CHQ_STATUS_OK) {
        throw failure { status };
    }
}

} // namespace

} // namespace chq

using namespace chq;

chq_status chq_attention_probe_create(struct chq_model * model, int32_t layer, int32_t n_ctx, int32_t n_threads, struct chq_attention_probe ** out) {
    return guarded([&] {
        check_model(model);
        check_pointer(out, "out");
        const int32_t n_layer = llama_model_n_layer(model->llama);
        if (layer < 0 || layer >= n_layer) {
            fail(CHQ_STATUS_ARGUMENT, "layer %d is not in 0..%d", layer, n_layer - 1);
        }
        if (n_ctx < 1) {
            fail(CHQ_STATUS_ARGUMENT, "n_ctx = %d", n_ctx);
        }
        if (model->recurrent || model->hybrid || model->no_alloc) {
            fail(CHQ_STATUS_UNSUPPORTED, "the model has no attention in every layer");
        }
        auto probe = std::make_unique<chq_attention_probe>();
        probe->layer = layer;
        snprintf(probe->q_name, sizeof(probe->q_name), "Qcur-%d", layer);
        snprintf(probe->k_name, sizeof(probe->k_name), "Kcur-%d", layer);
        llama_context_params params = llama_context_default_params();
        params.n_ctx             = (uint32_t) n_ctx;
        params.n_seq_max         = 1;
        params.n_outputs_max     = 1;
        params.n_threads         = n_threads;
        params.n_threads_batch   = n_threads;
        params.offload_kqv       = false;
        params.swa_full          = true;
        params.cb_eval           = on_node;
        params.cb_eval_user_data = probe.get();
        probe->context = make_context(model, params, 0).release();
        *out = probe.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_attention_probe_free(struct chq_attention_probe * probe) {
    return guarded([&] {
        if (!probe) {
            return CHQ_STATUS_OK;
        }
        if (!probe->poisoned) {
            check_probe(probe);
        }
        forward(chq_context_free(probe->context));
        probe->kind = KIND_FREED;
        delete probe;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_attention_probe_reset(struct chq_attention_probe * probe) {
    return guarded({ probe }, [&] {
        check_probe(probe);
        clear(probe);
        forward(chq_context_clear(probe->context));
        return CHQ_STATUS_OK;
    });
}

chq_status chq_attention_probe_rewind(struct chq_attention_probe * probe, int32_t n_tokens) {
    return guarded({ probe }, [&] {
        check_probe(probe);
        const int64_t n = std::min<int64_t>(probe->n_keys(), next_position(probe->context, 0));
        if (n_tokens < 1 || n_tokens > n) {
            fail(CHQ_STATUS_ARGUMENT, "n_tokens = %d, the prompt has %lld", n_tokens, (long long) n);
        }
        if (!probe->rows.empty()) {
            fail(CHQ_STATUS_STATE, "the prompt has rows");
        }
        forward(chq_seq_remove(probe->context, 0, n_tokens, -1));
        probe->keys.resize((size_t) (n_tokens * probe->n_head_kv * probe->d_head));
        probe->queries.clear();
        probe->asking.clear();
        probe->n_queries_seen = n_tokens;
        probe->unfinished     = false;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_attention_probe_tokens(struct chq_attention_probe * probe, const int32_t * tokens, int32_t n_tokens, bool asks) {
    return guarded({ probe }, [&] {
        check_probe(probe);
        begin_part(probe);
        probe->is_rows = false;
        probe->asks    = asks;
        const int64_t n_before = probe->n_keys();
        decode_tokens(probe->context, 0, tokens, n_tokens, CHQ_OUTPUT_NONE, nullptr);
        check_seen(probe, n_before, n_tokens);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_attention_probe_rows(
        struct chq_attention_probe * probe,
        const float                * rows,
        const struct chq_position  * positions,
        int32_t                      n_rows,
        int32_t                      n_positions,
        bool                         causal) {
    return guarded({ probe }, [&] {
        check_probe(probe);
        begin_part(probe);
        probe->is_rows = true;
        probe->asks    = false;
        const int64_t n_before = probe->n_keys();
        forward(chq_decode_embeddings(probe->context, 0, rows, positions, n_rows, n_positions, causal, CHQ_OUTPUT_NONE));
        check_seen(probe, n_before, n_rows);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_attention_probe_scores(struct chq_attention_probe * probe, float * scores, int32_t capacity, int32_t * n_rows) {
    return guarded([&] {
        check_probe(probe);
        check_room(probe, probe->rows.size(), scores, capacity, n_rows);
        const std::vector<double> means = mean_scores(probe, CHQ_PROMPT_SHARE);
        for (size_t r = 0; r < probe->rows.size(); ++r) {
            scores[r] = (float) means[probe->rows[r]];
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_attention_probe_prompt_scores(
        struct chq_attention_probe * probe,
        enum chq_prompt_score        score,
        float                      * scores,
        int32_t                      capacity,
        int32_t                    * n) {
    return guarded([&] {
        check_probe(probe);
        check_enum(score, CHQ_PROMPT_PRODUCT, CHQ_PROMPT_SHARE, "score");
        check_room(probe, (size_t) probe->n_keys(), scores, capacity, n);
        const std::vector<double> means = mean_scores(probe, score);
        std::transform(means.begin(), means.end(), scores, [](double x) { return (float) x; });
        return CHQ_STATUS_OK;
    });
}

void chq_attention_probe_cancel(struct chq_attention_probe * probe) {
    if (probe) {
        chq_context_cancel(probe->context);
    }
}

void chq_attention_probe_cancel_reset(struct chq_attention_probe * probe) {
    if (probe) {
        chq_context_cancel_reset(probe->context);
    }
}
