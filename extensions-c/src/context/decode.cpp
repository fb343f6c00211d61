#include "context/context.h"

#include "rows/rows.h"
#include "sampler/sampler.h"

#include <algorithm>
#include <chrono>
#include <climits>
#include <cstring>
#include <stdexcept>

namespace chq {

// "a KV cache" stands for whatever memory the model has; a model that only encodes has none and starts at 0 each time.

int32_t next_position(const chq_context * context, int32_t seq_id) {
    if (!context->memory) {
        return 0;
    }
    const int32_t next = llama_memory_seq_pos_max(context->memory, seq_id) + 1;
    const std::vector<embedded_span> & spans = context->spans[seq_id];
    return spans.empty() ? next : std::max(next, spans.back().begin + spans.back().n_positions);
}

// Cells that a sequence takes. With a sliding window or after removals the range says too much, never too little, of the cells
// that are free.
static int32_t cells_of(const chq_context * context, int32_t seq_id) {
    if (llama_memory_seq_pos_max(context->memory, seq_id) < 0) {
        return 0;
    }
    const int32_t first = llama_memory_seq_pos_min(context->memory, seq_id);
    return std::max(0, next_position(context, seq_id) - first - context->n_holes[seq_id] + span_surplus(context, seq_id));
}

// Cells of a unified cache that sequences which share none with this one take at least: of a group of copies only the longest counts.
static int32_t cells_of_others(const chq_context * context, int32_t seq_id) {
    if (!context->kv_unified || context->n_seq_max == 1) {
        return 0;
    }
    int32_t total = 0;
    for (int32_t other = 0; other < (int32_t) context->n_seq_max; ++other) {
        if (context->cell_group[other] == context->cell_group[seq_id]) {
            continue;
        }
        const int32_t cells = cells_of(context, other);
        bool longest = cells > 0;
        for (int32_t twin = 0; longest && twin < (int32_t) context->n_seq_max; ++twin) {
            if (twin != other && context->cell_group[twin] == context->cell_group[other]) {
                const int32_t n = cells_of(context, twin);
                longest = n < cells || (n == cells && twin > other);
            }
        }
        total += longest ? cells : 0;
    }
    return total;
}

int32_t room_of(const chq_context * context, int32_t seq_id) {
    if (!context->memory) {
        return context->n_ubatch;
    }
    const int32_t last = llama_memory_seq_pos_max(context->memory, seq_id);
    if (context->model->recurrent) {
        return INT32_MAX - 1 - last; // a state of fixed size: only positions run out
    }
    const int32_t room = context->n_ctx_seq - cells_of(context, seq_id) - cells_of_others(context, seq_id);
    return std::min(std::max(0, room), INT32_MAX - 1 - last);
}

// llama.cpp plans its memory anew after some changes, as of adapters, and throws where there is none.
static int32_t decode(chq_context * context, const llama_batch & batch) {
    context->tier.begin();
    try {
        const int32_t code = llama_decode(context->llama, batch);
        if (context->tier.broken()) {
            clear_context(context);
        }
        return code;
    } catch (const std::runtime_error & e) {
        if (strstr(e.what(), "allocate")) {
            fail(CHQ_STATUS_MEMORY, "%s", e.what());
        }
        throw;
    }
}

// With the sparse attention of the context, wherever the layers' products are computed.
static int32_t decode_sparsely(chq_context * context, const llama_batch & batch) {
    const context_sparse::decoding sparse(context->sparse, context->pool.get(), context->pool_batch.get(), batch.n_tokens == 1 && batch.token);
    const context_prefill::decoding prefill(context->prefill, context->pool.get(), context->pool_batch.get());
    return decode(context, batch);
}

static int32_t decode_locally(chq_context * context, const llama_batch & batch) {
    constexpr int32_t FEW = 32; // rows whose threads mostly wait for each other; more share out their work
    const auto threads_for = [&](int32_t wanted) { return batch.n_tokens <= FEW ? std::min(wanted, context->crowd.threads()) : wanted; };
    llama_set_n_threads(context->llama, threads_for(context->n_threads), threads_for(context->n_threads_batch));
    if (batch.n_tokens != 1) {
        return decode_sparsely(context, batch);
    }
    const auto   start   = std::chrono::steady_clock::now();
    const double cpu     = process_cpu_seconds();
    const int32_t code   = decode_sparsely(context, batch);
    const double used    = process_cpu_seconds() - cpu;
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    if (code == 0) {
        context->crowd.record(seconds.count(), used);
    }
    return code;
}

int32_t decode_in_crowd(chq_context * context, const llama_batch & batch) {
    const auto lock = context->model->loras_gate.share();
    if (!context->model->offloads) {
        return decode_locally(context, batch);
    }
    const stop_watch watch([](const void * who) { return is_cancelled((const chq_context *) who); }, context);
    const int32_t code = decode_sparsely(context, batch); // most of the time is another device's
    fail_if_remote_lost();
    return code;
}

[[noreturn]] void fail_full(int32_t needed, int32_t available) {
    fail(CHQ_STATUS_CONTEXT_FULL, "the context is full: needed %d, available %d", needed, available);
}

void check_decodable(const chq_context * context) {
    check_context(context);
    check_settled(context);
    if (context->model->no_alloc) {
        fail(CHQ_STATUS_STATE, "the model was loaded with no_alloc");
    }
    if (is_cancelled(context)) {
        fail(CHQ_STATUS_CANCELLED, "the context is cancelled until chq_context_cancel_reset");
    }
}

[[noreturn]] void fail_decode(int32_t code) {
    const char * reason = captured_errors();
    switch (code) {
        case 2:
            fail(CHQ_STATUS_CANCELLED, "the decode was cancelled");
        case -1:
            fail(CHQ_STATUS_ARGUMENT, "llama.cpp refused the batch: %s", reason);
        case -2:
            fail(CHQ_STATUS_MEMORY, "the decode ran out of memory: %s", reason);
        default:
            fail(CHQ_STATUS_COMPUTE, "the decode failed with code %d: %s", code, reason);
    }
}

chq_status decode_tokens(chq_context * context, int32_t seq_id, const int32_t * tokens, int32_t n_tokens, int32_t output, int32_t * n_done) {
    if (n_done) {
        *n_done = 0;
    }
    check_decodable(context);
    check_sequence(context, seq_id);
    if (n_tokens < 1) {
        fail(CHQ_STATUS_ARGUMENT, "n_tokens = %d", n_tokens);
    }
    check_pointer(tokens, "tokens");
    check_tokens(context->model, tokens, n_tokens);
    if (output < CHQ_OUTPUT_NONE || output > CHQ_OUTPUT_ALL) {
        fail(CHQ_STATUS_ARGUMENT, "output = %d is unknown", output);
    }
    if (output == CHQ_OUTPUT_ALL && n_tokens > context->n_outputs_max) {
        fail(CHQ_STATUS_ARGUMENT, "%d rows of output are too many for one call, at most %d are possible", n_tokens, context->n_outputs_max);
    }
    const bool single = !context->causal || !context->memory;
    if (single && n_tokens > context->n_ubatch) {
        fail(CHQ_STATUS_ARGUMENT, "%d tokens attend to each other and must fit into n_ubatch = %d", n_tokens, context->n_ubatch);
    }
    const int32_t room = room_of(context, seq_id);
    if (n_tokens > room) {
        fail_full(n_tokens, room);
    }

    forget_rows(context);
    // With embeddings llama.cpp outputs every token, and warns where the batch does not say so.
    const bool all = output == CHQ_OUTPUT_ALL || context->embeddings;
    const int32_t begin = next_position(context, seq_id);
    context->batch_seq_id = seq_id;
    context->sparse.in_prompt = n_tokens > 1;

    // No more at a time than what goes through the layers at once, so that n_done can be watched. A GPU wants the next part before it is done with the last.
    const int32_t n_part = all || context->model->offloads ? context->n_batch : std::min(context->n_batch, context->n_ubatch);
    int32_t done = 0;
    context_prefill::prompt prompt(context->prefill);
    while (done < n_tokens) {
        const int32_t n    = std::min(n_tokens - done, n_part);
        const bool    last = done + n == n_tokens;
        if (!all && n_tokens > 1) {
            prompt.next(n, n_tokens - done - n);
        }
        for (int32_t i = 0; i < n; ++i) {
            context->batch_pos[i] = begin + done + i;
        }
        memset(context->batch_output.data(), all, n);
        if (last && output == CHQ_OUTPUT_LAST) {
            context->batch_output[n - 1] = 1;
        }
        const llama_batch batch = {
            /*.n_tokens =*/ n,
            /*.token    =*/ const_cast<int32_t *>(tokens + done), // read only
            /*.embd     =*/ nullptr,
            /*.pos      =*/ context->batch_pos.data(),
            /*.n_seq_id =*/ context->batch_n_seq.data(),
            /*.seq_id   =*/ context->batch_seq.data(),
            /*.logits   =*/ context->batch_output.data(),
        };
        const int32_t code = decode_batch(context, batch, all ? n : last && output == CHQ_OUTPUT_LAST ? 1 : 0);
        context->needs_update &= code == -1; // any other batch got past the update
        if (code == 0) {
            context->retired_pools.clear(); // it has computed with the new ones
            done += n;
            if (n_done) {
                *n_done = done;
            }
            continue;
        }
        if (code == 1) {
            // other sequences hold the cells: take back the steps of this call
            const bool undone = done == 0 || llama_memory_seq_rm(context->memory, seq_id, begin, -1);
            if (!undone || next_position(context, seq_id) != begin) {
                if (n_done) {
                    *n_done = std::max(0, next_position(context, seq_id) - begin);
                }
                fail(CHQ_STATUS_COMPUTE, "the context is full: needed %d, available %d, and the part already decoded cannot be taken back", n_tokens, done);
            }
            if (n_done) {
                *n_done = 0;
            }
            fail_full(n_tokens, done);
        }
        if (n_done) {
            *n_done = context->memory ? std::max(0, next_position(context, seq_id) - begin) : 0;
        }
        fail_decode(code);
    }
    const int32_t n_last = (n_tokens - 1) % context->n_batch + 1;
    context->n_rows = all ? n_last : output == CHQ_OUTPUT_LAST ? 1 : 0;
    return CHQ_STATUS_OK;
}

static void check_batch(const chq_context * context, const llama_batch & batch) {
    const int32_t n = batch.n_tokens;
    if (n < 1 || n > context->n_batch) {
        fail(CHQ_STATUS_ARGUMENT, "n_tokens = %d is not in 1..%d (n_batch)", n, context->n_batch);
    }
    if ((!context->causal || !context->memory) && n > context->n_ubatch) {
        fail(CHQ_STATUS_ARGUMENT, "%d tokens attend to each other and must fit into n_ubatch = %d", n, context->n_ubatch);
    }
    if (!batch.token == !batch.embd) {
        fail(CHQ_STATUS_ARGUMENT, "the batch must have either tokens or embeddings");
    }
    if (batch.token) {
        check_tokens(context->model, batch.token, n);
    }
    if (batch.pos) {
        // embeddings bring a position per dimension of the rotation
        const int64_t n_pos = batch.embd ? (int64_t) n * context->model->n_pos_per_embd : n;
        for (int64_t i = 0; i < n_pos; ++i) {
            if (batch.pos[i] < 0 || batch.pos[i] == INT32_MAX) {
                fail(CHQ_STATUS_ARGUMENT, "pos[%lld] = %d", (long long) i, batch.pos[i]);
            }
        }
    } else if (batch.embd && context->model->n_pos_per_embd > 1) {
        fail(CHQ_STATUS_ARGUMENT, "embeddings of this model need %d positions each", context->model->n_pos_per_embd);
    }
    if (!batch.n_seq_id != !batch.seq_id) {
        fail(CHQ_STATUS_ARGUMENT, "n_seq_id and seq_id must be given together");
    }
    for (int32_t i = 0; batch.seq_id && i < n; ++i) {
        const int32_t n_seq = batch.n_seq_id[i];
        if (n_seq < 1 || n_seq > context->n_seq_max) {
            fail(CHQ_STATUS_ARGUMENT, "n_seq_id[%d] = %d is not in 1..%d", i, n_seq, context->n_seq_max);
        }
        if (n_seq > 1 && !context->kv_unified) {
            fail(CHQ_STATUS_ARGUMENT, "token %d belongs to %d sequences, which needs a unified KV cache", i, n_seq);
        }
        check_pointer(batch.seq_id[i], "an element of seq_id");
        for (int32_t s = 0; s < n_seq; ++s) {
            if (batch.seq_id[i][s] < 0 || batch.seq_id[i][s] >= context->n_seq_max) {
                fail(CHQ_STATUS_ARGUMENT, "seq_id[%d][%d] = %d is not in 0..%d", i, s, batch.seq_id[i][s], context->n_seq_max - 1);
            }
        }
    }
}

static int32_t count_outputs(const chq_context * context, const llama_batch & batch) {
    if (context->embeddings) {
        return batch.n_tokens;
    }
    if (!batch.logits) {
        return 1;
    }
    int32_t n = 0;
    for (int32_t i = 0; i < batch.n_tokens; ++i) {
        n += batch.logits[i] != 0;
    }
    return n;
}

void pick_row(chq_context * context, chq_sampler * sampler, const float * row, bool special, chq_sampled * out, char * piece, int32_t capacity,
        std::vector<llama_token_data> & candidates) {
    chq_sampled sampled;
    memset(&sampled, 0, sizeof(sampled));
    sampled.token = pick_token(sampler, row, true, candidates);
    if (context->model->vocab) {
        sampled.is_end = llama_vocab_is_eog(context->model->vocab, sampled.token);
        token_piece(context->model, sampled.token, special, piece, capacity, &sampled.n_piece);
    }
    *out = sampled;
}

} // namespace chq

using namespace chq;

chq_status chq_decode(
        struct chq_context * context,
        int32_t              seq_id,
        const int32_t      * tokens,
        int32_t              n_tokens,
        int32_t              output,
        int32_t            * n_done) {
    return guarded({ context }, [&] {
        return decode_tokens(context, seq_id, tokens, n_tokens, output, n_done);
    });
}

chq_status chq_decode_batch(struct chq_context * context, const struct llama_batch * batch) {
    return guarded({ context }, [&] {
        check_decodable(context);
        check_pointer(batch, "batch");
        check_batch(context, *batch);
        const int32_t n_outputs = count_outputs(context, *batch);
        if (n_outputs > context->n_outputs_max) {
            fail(CHQ_STATUS_ARGUMENT, "%d rows of output are more than n_outputs_max = %d", n_outputs, context->n_outputs_max);
        }
        forget_rows(context);
        const int32_t code = decode_batch(context, *batch, n_outputs);
        context->needs_update &= code == -1;
        if (code == 1) {
            fail(CHQ_STATUS_CONTEXT_FULL, "the context is full: the KV cache has no room for a batch of %d tokens", batch->n_tokens);
        }
        if (code != 0) {
            fail_decode(code);
        }
        for (int32_t i = 0; batch->seq_id && i < batch->n_tokens; ++i) {
            for (int32_t s = 1; s < batch->n_seq_id[i]; ++s) {
                share_cells(context, batch->seq_id[i][0], batch->seq_id[i][s]);
            }
        }
        context->n_rows = n_outputs;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_logits(struct chq_context * context, const float ** data, int32_t * n_rows) {
    return guarded({ context }, [&] {
        check_context(context);
        check_pointer(data,   "data");
        check_pointer(n_rows, "n_rows");
        const float * rows = logits_of(context);
        if (!rows) {
            fail(CHQ_STATUS_STATE, "the last decode left no logits");
        }
        *data   = rows;
        *n_rows = context->n_rows;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_context_room(struct chq_context * context, int32_t seq_id, int32_t * n_cells) {
    return guarded({ context }, [&] {
        check_context(context);
        check_sequence(context, seq_id);
        check_pointer(n_cells, "n_cells");
        *n_cells = room_of(context, seq_id);
        return CHQ_STATUS_OK;
    });
}

static void sample_row(chq_context * context, chq_sampler * sampler, int32_t row, bool special, chq_sampled * out, char * piece, int32_t capacity) {
    const float * rows = logits_of(context);
    if (!rows) {
        fail(CHQ_STATUS_STATE, "the last decode left no logits");
    }
    if (row < -1 || row >= context->n_rows) {
        fail(CHQ_STATUS_STATE, "row %d of logits does not exist, the last decode left %d", row, context->n_rows);
    }
    const int64_t index = row == -1 ? context->n_rows - 1 : row;
    pick_row(context, sampler, rows + index * context->n_vocab, special, out, piece, capacity, sampler->candidates);
}

static void check_sampling(const chq_context * context, const chq_sampler * sampler, const chq_sampled * out, const char * piece, int32_t capacity) {
    check_context(context);
    check_sampler(sampler);
    check_pointer(out, "out");
    if (capacity < 0 || (capacity > 0 && !piece)) {
        fail(CHQ_STATUS_ARGUMENT, "piece is NULL or its capacity negative");
    }
    check_picks_for(sampler, context->n_vocab);
}

chq_status chq_sample(
        struct chq_context * context,
        struct chq_sampler * sampler,
        int32_t              row,
        bool                 special,
        struct chq_sampled * out,
        char               * piece,
        int32_t              capacity) {
    return guarded({ context, sampler }, [&] {
        check_sampling(context, sampler, out, piece, capacity);
        sample_row(context, sampler, row, special, out, piece, capacity);
        return CHQ_STATUS_OK;
    });
}

chq_status chq_step(
        struct chq_context * context,
        int32_t              seq_id,
        int32_t              token,
        struct chq_sampler * sampler,
        bool                 special,
        struct chq_sampled * out,
        char               * piece,
        int32_t              capacity) {
    return guarded({ context, sampler }, [&] {
        check_sampling(context, sampler, out, piece, capacity);
        decode_tokens(context, seq_id, &token, 1, CHQ_OUTPUT_LAST, nullptr);
        // with embeddings every token has a row, here too it is the last
        sample_row(context, sampler, -1, special, out, piece, capacity);
        return CHQ_STATUS_OK;
    });
}
