// Parts of a sequence that come as embeddings. llama.cpp places them by the positions that the batch names and knows no more of them; how many cells and
// positions each takes is kept here, since what comes after must continue behind all of its positions, and the cells that are left cannot be told from positions.
#include "context/context.h"

#include <algorithm>
#include <climits>
#include <vector>

namespace chq {

int32_t span_surplus(const chq_context * context, int32_t seq_id) {
    int32_t n = 0;
    for (const embedded_span & span : context->spans[seq_id]) {
        n += span.n_cells - span.n_positions;
    }
    return n;
}

void check_span_cut(const chq_context * context, int32_t seq_id, int32_t p0, int32_t p1) {
    for (const embedded_span & span : context->spans[seq_id]) {
        const int32_t end    = span.begin + span.n_positions;
        const bool    within = p0 <= span.begin && (p1 < 0 || p1 >= end);
        const bool    beside = p0 >= end || (p1 >= 0 && p1 <= span.begin);
        if (!within && !beside) {
            fail(CHQ_STATUS_UNSUPPORTED, "positions [%d, %d) of sequence %d came as one part and can only be changed as a whole", span.begin, end, seq_id);
        }
    }
}

void drop_spans(chq_context * context, int32_t seq_id, int32_t p0, int32_t p1) {
    std::vector<embedded_span> & spans = context->spans[seq_id];
    const auto dropped = [&](const embedded_span & span) {
        return span.begin >= p0 && (p1 < 0 || span.begin < p1);
    };
    spans.erase(std::remove_if(spans.begin(), spans.end(), dropped), spans.end());
}

namespace {

void check_positions(const chq_context * context, const chq_position * positions, int32_t n_rows, int32_t n_positions) {
    if (!positions) {
        if (n_positions != n_rows) {
            fail(CHQ_STATUS_ARGUMENT, "%d rows without positions take as many positions, not %d", n_rows, n_positions);
        }
        return;
    }
    if (context->model->n_pos_per_embd == 1) {
        fail(CHQ_STATUS_UNSUPPORTED, "the model's positions have one dimension: rows can only follow each other");
    }
    if (n_positions < 1) {
        fail(CHQ_STATUS_ARGUMENT, "n_positions = %d", n_positions);
    }
    for (int32_t i = 0; i < n_rows; ++i) {
        const chq_position & p = positions[i];
        if (std::min({ p.t, p.y, p.x }) < 0 || std::max({ p.t, p.y, p.x }) >= n_positions) {
            fail(CHQ_STATUS_ARGUMENT, "position %d of row %d, %d, %d, is not in 0..%d", i, p.t, p.y, p.x, n_positions - 1);
        }
        if (i > 0 && p.t < positions[i - 1].t) {
            fail(CHQ_STATUS_ARGUMENT, "row %d comes before the one in front of it", i);
        }
    }
}

// Attention without the causal mask while it lives.
class attend_to_all {
public:
    attend_to_all(llama_context * llama, bool on) : llama(on ? llama : nullptr) {
        if (on) {
            llama_set_causal_attn(llama, false);
        }
    }
    ~attend_to_all() {
        if (llama) {
            llama_set_causal_attn(llama, true);
        }
    }

private:
    llama_context * llama;
};

void take_back(chq_context * context, int32_t seq_id, int32_t begin) {
    if (!llama_memory_seq_rm(context->memory, seq_id, begin, -1)) {
        llama_memory_seq_rm(context->memory, seq_id, -1, -1);
        drop_spans(context, seq_id, 0, -1);
        context->n_holes[seq_id] = 0;
        unshare_cells(context, seq_id);
    }
}

// The positions of rows [from, from + n) as llama.cpp wants them: plane after plane.
void write_positions(std::vector<llama_pos> & out, const chq_position * positions, int32_t begin, int32_t from, int32_t n, int32_t n_planes) {
    out.assign((size_t) n * n_planes, 0); // the fourth plane is zero
    for (int32_t i = 0; i < n; ++i) {
        const int32_t at = from + i;
        const chq_position p = positions ? positions[at] : chq_position { at, at, at };
        out[i] = begin + p.t;
        if (n_planes > 1) {
            out[(size_t) n     + i] = begin + p.y;
            out[(size_t) n * 2 + i] = begin + p.x;
        }
    }
}

} // namespace

} // namespace chq

using namespace chq;

chq_status chq_decode_embeddings(
        struct chq_context        * context,
        int32_t                     seq_id,
        const float               * rows,
        const struct chq_position * positions,
        int32_t                     n_rows,
        int32_t                     n_positions,
        bool                        causal,
        int32_t                     output) {
    return guarded({ context }, [&] {
        check_decodable(context);
        check_sequence(context, seq_id);
        check_memory(context);
        check_pointer(rows, "rows");
        if (n_rows < 1) {
            fail(CHQ_STATUS_ARGUMENT, "n_rows = %d", n_rows);
        }
        check_positions(context, positions, n_rows, n_positions);
        if (output != CHQ_OUTPUT_NONE && output != CHQ_OUTPUT_LAST) {
            fail(CHQ_STATUS_ARGUMENT, "output = %d is none that embeddings have", output);
        }
        if (context->embeddings || !context->causal) {
            fail(CHQ_STATUS_UNSUPPORTED, "the context gives embeddings");
        }
        if (!causal && n_rows > context->n_ubatch) {
            fail(CHQ_STATUS_ARGUMENT, "%d rows attend to each other and must fit into n_ubatch = %d", n_rows, context->n_ubatch);
        }
        const int32_t begin = next_position(context, seq_id);
        if (n_positions > INT32_MAX - 1 - begin) {
            fail(CHQ_STATUS_ARGUMENT, "%d positions after %d leave the range of positions", n_positions, begin);
        }
        const int32_t room = room_of(context, seq_id);
        if (n_rows > room) {
            fail_full(n_rows, room);
        }

        forget_rows(context);
        context->batch_seq_id = seq_id;
        const int64_t width    = llama_model_n_embd_inp(context->model->llama);
        const int32_t n_planes = context->model->n_pos_per_embd;
        const int32_t n_most   = causal ? context->n_batch : context->n_ubatch;
        std::vector<llama_pos> planes;
        const attend_to_all mask(context->llama, !causal);
        for (int32_t done = 0; done < n_rows; ) {
            const int32_t n    = std::min(n_rows - done, n_most);
            const bool    last = done + n == n_rows && output == CHQ_OUTPUT_LAST;
            write_positions(planes, positions, begin, done, n, n_planes);
            std::fill_n(context->batch_output.begin(), n, 0);
            context->batch_output[n - 1] = last;
            const llama_batch batch = {
                /*.n_tokens =*/ n,
                /*.token    =*/ nullptr,
                /*.embd     =*/ const_cast<float *>(rows + done * width), // read only
                /*.pos      =*/ planes.data(),
                /*.n_seq_id =*/ context->batch_n_seq.data(),
                /*.seq_id   =*/ context->batch_seq.data(),
                /*.logits   =*/ context->batch_output.data(),
            };
            const int32_t code = decode_batch(context, batch, last);
            context->needs_update &= code == -1;
            if (code != 0) {
                take_back(context, seq_id, begin);
                if (code == 1) {
                    fail_full(n_rows, done);
                }
                fail_decode(code);
            }
            context->retired_pools.clear();
            done += n;
        }
        context->spans[seq_id].push_back({ begin, n_positions, n_rows });
        context->n_rows = output == CHQ_OUTPUT_LAST ? 1 : 0;
        return CHQ_STATUS_OK;
    });
}
