#include "product.h"

#include "best.h"
#include "by_pool.h"

#include <algorithm>
#include <cstring>

namespace chq::kernels {

format format_of(ggml_type type) {
    switch (type) {
        case GGML_TYPE_Q4_0:   return Q4_0;
        case GGML_TYPE_Q4_1:   return Q4_1;
        case GGML_TYPE_IQ4_NL: return IQ4_NL;
        case GGML_TYPE_Q5_0:   return Q5_0;
        case GGML_TYPE_Q8_0:   return Q8_0;
        case GGML_TYPE_Q4_K:   return Q4_K;
        case GGML_TYPE_Q5_K:   return Q5_K;
        case GGML_TYPE_Q6_K:   return Q6_K;
        default:               return FORMAT_COUNT;
    }
}

bool can_pack(const ggml_tensor * weight) {
    const format f = format_of(weight->type);
    return f != FORMAT_COUNT && weight->ne[0] > 0 && weight->ne[0] % columns_multiple(f) == 0
        && weight->ne[0] <= INT32_MAX / 2 && weight->ne[3] == 1 && !weight->view_src && ggml_is_contiguous(weight);
}

size_t packed_bytes(const ggml_tensor * weight) {
    return (size_t) weight->ne[2] * packed_bytes(format_of(weight->type), weight->ne[1], weight->ne[0]);
}

bool is_product(const ggml_tensor * op) {
    if (op->op != GGML_OP_MUL_MAT && op->op != GGML_OP_MUL_MAT_ID) {
        return false;
    }
    const ggml_tensor * w = op->src[0];
    const ggml_tensor * x = op->src[1];
    return can_pack(w) && (op->op == GGML_OP_MUL_MAT_ID || w->ne[2] == 1)
        && x->type == GGML_TYPE_F32 && x->nb[0] == sizeof(float)
        && op->type == GGML_TYPE_F32 && op->nb[0] == sizeof(float);
}

static size_t padded(size_t n) { return (n + VECTOR - 1) / VECTOR * VECTOR; }

// The product whose outputs are the logits.
static bool is_head(const ggml_tensor * op) { return op->op == GGML_OP_MUL_MAT && strcmp(op->name, "result_output") == 0; }

constexpr int64_t PIECE_STRIPS = 8;

constexpr int ROWS_TO_SHARE = 24; // for each thread: from here on slabs that two threads write into are few

// What lies in the scratch memory.
struct scratch {
    size_t           row;         // bytes of a row of activations
    uint8_t        * activations; // for each row of dst; MUL_MAT_ID: grouped by expert
    const float   ** inputs;      // MUL_MAT_ID: the rows of src1 that they are made of
    float         ** outputs;
    int32_t        * starts;      // MUL_MAT_ID: where each expert's rows start, one more at the end
    int32_t        * used;        // MUL_MAT_ID: experts that have rows
    int32_t        * n_used;
    float         ** piece_rows;  // reductions: for each thread and row where its piece starts
    float          * pieces;      // reductions: for each thread and row PIECE_STRIPS strips of outputs
    int32_t        * best_index;  // reductions: for each thread and row REDUCTION_MOST places
    float          * best_value;
    size_t           bytes;

    scratch(const kernel_set & kernels, const ggml_tensor * op, void * memory, int threads) {
        const size_t n       = (size_t) ggml_nrows(op);
        const size_t experts = (size_t) op->src[0]->ne[2];
        row = activation_row_bytes(format_of(op->src[0]->type), kernels.wide, op->src[0]->ne[0]);
        uint8_t * const start = (uint8_t *) padded((size_t) memory);
        uint8_t * at = start;
        const auto take = [&](size_t size) {
            uint8_t * here = at;
            at += padded(size);
            return here;
        };
        activations = take(n * row);
        inputs      = (const float **) take(n * sizeof(void *));
        outputs     = (float **) take(n * sizeof(void *));
        starts      = (int32_t *) take((experts + 1) * sizeof(int32_t));
        used        = (int32_t *) take(experts * sizeof(int32_t));
        n_used      = (int32_t *) take(sizeof(int32_t));
        const size_t lists = is_head(op) ? n * (size_t) threads : 0;
        piece_rows  = (float **) take(lists * sizeof(void *));
        pieces      = (float *) take(lists * PIECE_STRIPS * STRIP * sizeof(float));
        best_index  = (int32_t *) take(lists * REDUCTION_MOST * sizeof(int32_t));
        best_value  = (float *) take(lists * REDUCTION_MOST * sizeof(float));
        bytes       = (size_t) (at - start) + VECTOR;
    }
};

size_t scratch_bytes(const kernel_set & kernels, const ggml_tensor * op, int threads) {
    return scratch(kernels, op, nullptr, threads).bytes;
}

// Address of row r of a tensor, counted over all its dimensions but the first.
static char * row_of(const ggml_tensor * t, int64_t r) {
    const int64_t i1 = r % t->ne[1];
    const int64_t i2 = r / t->ne[1] % t->ne[2];
    const int64_t i3 = r / t->ne[1] / t->ne[2];
    return (char *) t->data + i1 * t->nb[1] + i2 * t->nb[2] + i3 * t->nb[3];
}

// Lists the rows of each expert.
static void group_by_expert(const ggml_tensor * op, scratch & s) {
    const ggml_tensor * x   = op->src[1];
    const ggml_tensor * ids = op->src[2];
    const int64_t experts   = op->src[0]->ne[2];
    const auto expert_of = [&](int64_t slot, int64_t token) {
        const int32_t expert = *(const int32_t *) ((const char *) ids->data + slot * ids->nb[0] + token * ids->nb[1]);
        GGML_ASSERT(expert >= 0 && expert < experts);
        return expert;
    };
    for (int64_t e = 0; e <= experts; e++) {
        s.starts[e] = 0;
    }
    for (int64_t token = 0; token < ids->ne[1]; token++) {
        for (int64_t slot = 0; slot < ids->ne[0]; slot++) {
            s.starts[expert_of(slot, token) + 1]++;
        }
    }
    *s.n_used = 0;
    for (int32_t e = 0; e < experts; e++) {
        if (s.starts[e + 1] > 0) {
            s.used[(*s.n_used)++] = e;
        }
        s.starts[e + 1] += s.starts[e];
    }
    for (int64_t token = 0; token < ids->ne[1]; token++) {
        for (int64_t slot = 0; slot < ids->ne[0]; slot++) {
            const int32_t at = s.starts[expert_of(slot, token)]++;
            s.inputs[at]  = (const float *) row_of(x, token * x->ne[1] + slot % x->ne[1]);
            s.outputs[at] = (float *) ((char *) op->data + slot * op->nb[1] + token * op->nb[2]);
        }
    }
    for (int64_t e = experts; e > 0; e--) {
        s.starts[e] = s.starts[e - 1];
    }
    s.starts[0] = 0;
}

// ---- reductions

static by_pool<reduction *> reductions;

void reduce_on(const void * pool, reduction * r) {
    reductions.set(pool, r ? std::optional<reduction *>(r) : std::nullopt);
}

// The request that this product is to serve, NULL if there is none or no room for its rows.
static reduction * reduction_for(const team & team, const ggml_tensor * op) {
    if (!is_head(op)) {
        return nullptr;
    }
    reduction * const r = reductions.of(team.pool).value_or(nullptr);
    return r && ggml_nrows(op) <= r->capacity - r->rows && r->k <= op->ne[0] ? r : nullptr;
}

// What follows the quantization of the activations: each thread takes pieces of the vocabulary and keeps its best of every row.
static void reduce(const kernel_set & kernels, const team & team, const ggml_tensor * op, const scratch & s, reduction & r) {
    const ggml_tensor * w = op->src[0];
    const format  f       = format_of(w->type);
    const int64_t columns = w->ne[0];
    const int64_t n_rows  = w->ne[1];
    const int     n       = (int) ggml_nrows(op);
    const int     k       = r.k;
    const auto list = [&](int thread, int row) {
        const size_t at = ((size_t) thread * (size_t) n + (size_t) row) * REDUCTION_MOST;
        return best { k, s.best_index + at, s.best_value + at };
    };
    for (int row = 0; row < n; row++) {
        list(team.index, row).clear();
    }
    constexpr int64_t PIECE = PIECE_STRIPS * STRIP;
    float * const pieces = s.pieces + (size_t) team.index * (size_t) n * PIECE;
    float ** const outs = s.piece_rows + (size_t) team.index * (size_t) n;
    for (int row = 0; row < n; row++) {
        outs[row] = pieces + (size_t) row * PIECE;
    }
    const int64_t items = (n_rows + PIECE - 1) / PIECE;
    for (int64_t item = team.index; item < items; item = team.take_next(team.pool, 1)) {
        const int64_t first = item * PIECE;
        const int64_t count = std::min(PIECE, n_rows - first);
        kernels.multiply[f]((const uint8_t *) w->data + (size_t) (item * PIECE_STRIPS) * strip_bytes(f, columns), count, columns,
            0, strips_of(count), s.activations, outs, n);
        for (int row = 0; row < n; row++) {
            list(team.index, row).offer_all(outs[row], (int) count, (int32_t) first);
        }
    }
    team.barrier(team.pool);

    for (int row = team.index; row < n; row += team.count) {
        const size_t at = (size_t) (r.rows + row) * (size_t) k;
        best all { k, r.index + at, r.value + at };
        all.clear();
        for (int thread = 0; thread < team.count; thread++) {
            const best some = list(thread, row);
            for (int i = 0; i < k && some.index[i] != INT32_MAX; i++) {
                all.offer(some.index[i], some.value[i]);
            }
        }
    }
    team.barrier(team.pool);
    if (team.index == 0) {
        r.rows += n;
    }
}

// ---- products

void product(const kernel_set & kernels, const team & team, ggml_tensor * op) {
    const ggml_tensor * w = op->src[0];
    const ggml_tensor * x = op->src[1];
    const format  f       = format_of(w->type);
    const int64_t columns = w->ne[0];
    const int64_t n_rows  = w->ne[1];
    const bool    by_id   = op->op == GGML_OP_MUL_MAT_ID;
    scratch s(kernels, op, team.scratch, team.count);
    reduction * const reduced = reduction_for(team, op);

    if (by_id) {
        if (team.index == 0) {
            group_by_expert(op, s);
        }
        team.barrier(team.pool);
    }
    const int64_t n       = ggml_nrows(op);
    const int     batches = by_id ? *s.n_used : 1; // each with weights of its own
    const auto expert_of = [&](int batch) { return by_id ? s.used[batch] : 0; };
    const auto first_of  = [&](int batch) { return by_id ? s.starts[s.used[batch]] : 0; };
    const auto count_of  = [&](int batch) { return by_id ? s.starts[s.used[batch] + 1] - s.starts[s.used[batch]] : (int) n; };
    // Rows are neighbours in a slab, blocks lie apart: threads share the blocks, of large batches the rows.
    const int64_t blocks = blocks_of(columns);
    for (int batch = 0; batch < batches; batch++) {
        const int  first   = first_of(batch);
        const int  count   = count_of(batch);
        const bool by_rows = count >= ROWS_TO_SHARE * team.count;
        const auto share   = [&](int64_t of, int i) { return of * i / team.count; };
        const int64_t row0   = by_rows ? share(count, team.index)      : 0;
        const int64_t row1   = by_rows ? share(count, team.index + 1)  : count;
        const int64_t block0 = by_rows ? 0      : share(blocks, team.index);
        const int64_t block1 = by_rows ? blocks : share(blocks, team.index + 1);
        for (int64_t r = row0; r < row1; r++) {
            const float * from = by_id ? s.inputs[first + r] : (const float *) row_of(x, r);
            kernels.quantize(f, from, columns, block0, block1, count, (int) r, s.activations + (size_t) first * s.row);
            if (!by_id && block0 == 0 && block1 > 0) {
                s.outputs[r] = (float *) row_of(op, r);
            }
        }
    }
    if (team.index == 0) {
        team.set_next(team.pool, team.count);
    }
    team.barrier(team.pool);

    if (reduced) {
        reduce(kernels, team, op, s, *reduced);
        return;
    }

    // Some pieces more than threads, so that one that is held up leaves its share to the others.
    const int64_t strips = strips_of(n_rows);
    const int64_t pieces = team.count == 1 ? 1 : strips < 4 * team.count ? strips : 4 * team.count;
    const int     items  = (int) pieces * batches;
    for (int item = team.index; item < items; item = team.take_next(team.pool, 1)) {
        const int64_t piece = item % pieces;
        const int     batch = (int) (item / pieces);
        const int     first = first_of(batch);
        kernels.multiply[f]((const uint8_t *) w->data + (size_t) expert_of(batch) * packed_bytes(f, n_rows, columns), n_rows, columns,
            strips * piece / pieces, strips * (piece + 1) / pieces, s.activations + (size_t) first * s.row, s.outputs + first, count_of(batch));
    }
}

} // namespace chq::kernels
