#include "attention.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <vector>

namespace chq::kernels {

float attention_parameter(const ggml_tensor * op, int i) {
    float value;
    memcpy(&value, (const float *) op->op_params + i, sizeof(value));
    return value;
}

bool is_attention(const ggml_tensor * op) {
    if (op->op != GGML_OP_FLASH_ATTN_EXT) {
        return false;
    }
    const ggml_tensor * q    = op->src[0];
    const ggml_tensor * k    = op->src[1];
    const ggml_tensor * v    = op->src[2];
    const ggml_tensor * mask = op->src[3];
    const float max_bias = attention_parameter(op, 1);
    const float soft_cap = attention_parameter(op, 2);
    const auto fits = [](int64_t width) { return width % 16 == 0 && width <= ATTENTION_WIDTH; };
    return q->type == GGML_TYPE_F32 && k->type == GGML_TYPE_F16 && v->type == GGML_TYPE_F16 && op->type == GGML_TYPE_F32
        && mask && mask->type == GGML_TYPE_F16 && !op->src[4] && max_bias == 0 && soft_cap == 0
        && fits(k->ne[0]) && fits(v->ne[0]) && q->ne[3] == 1 && k->ne[3] == 1 && v->ne[3] == 1
        && q->nb[0] == sizeof(float) && k->nb[0] == 2 && v->nb[0] == 2 && mask->nb[0] == 2 && op->nb[0] == sizeof(float)
        && q->ne[2] % k->ne[2] == 0 && k->ne[2] == v->ne[2];
}

namespace {

constexpr int64_t PARTS_EACH = 4; // of a thread, at least: it gets whole ones

struct job_maker {
    explicit job_maker(const ggml_tensor * op) :
        op(op), q(op->src[0]), k(op->src[1]), v(op->src[2]), mask(op->src[3]), heads(k->ne[2]), shared(q->ne[2] / heads), rows(q->ne[1] * shared) {}

    // A job of a head for some of its rows.
    attention_job of(int64_t head, int64_t row0, int64_t row1) const {
        alignas(64) static thread_local float scratch[ATTENTION_SCRATCH];
        attention_job job;
        job.rows         = (int) (row1 - row0);
        job.d            = (int) k->ne[0];
        job.dv           = (int) v->ne[0];
        job.n_keys       = k->ne[1];
        job.scale        = attention_parameter(op, 0);
        job.keys         = (const uint8_t *) k->data + head * k->nb[2];
        job.values       = (const uint8_t *) v->data + head * v->nb[2];
        job.key_stride   = k->nb[1];
        job.value_stride = v->nb[1];
        job.scratch      = scratch;
        for (int64_t row = row0; row < row1; row++) {
            const int64_t token = row / shared;
            const int64_t h     = head * shared + row % shared;
            const int     i     = (int) (row - row0);
            job.q[i]    = (const float *) ((const char *) q->data + token * q->nb[1] + h * q->nb[2]);
            job.mask[i] = mask_of(token, h);
            job.place[i] = places ? places + token : nullptr;
            job.outs[i] = (float *) ((char *) op->data + h * op->nb[1] + token * op->nb[2]);
        }
        return job;
    }

    const uint16_t * mask_of(int64_t token, int64_t h) const {
        return (const uint16_t *) ((const char *) mask->data + token * mask->nb[1] + h % mask->ne[2] * mask->nb[2]);
    }

    const attention_place * places = nullptr; // of the tokens, where all heads have one mask
    const ggml_tensor * op, * q, * k, * v, * mask;
    int64_t heads;  // of keys
    int64_t shared; // query heads of a key head
    int64_t rows;   // of a key head; those of a token side by side
};

// How many parts the keys of some tokens have, and which thread computes which.
struct part_plan {
    part_plan(const kernel_set & kernels, const job_maker & make) : n_tokens(make.q->ne[1]) {
        for (int64_t token = 0; token < n_tokens; token++) {
            places[token] = kernels.find_place(make.mask_of(token, 0), make.k->ne[1]);
            n_parts = std::max(n_parts, attention_parts(places[token].keys));
        }
    }

    // The first one of a thread: each gets as many keys. They are next to each other, as memory likes it.
    int64_t first(int index, int count) const {
        int64_t part = 0;
        while (part < n_parts && (keys(part) + keys(part + 1)) * count < 2 * keys(n_parts) * index) {
            part++;
        }
        return index == count ? n_parts : part;
    }

    // Of all tokens, in so many parts.
    int64_t keys(int64_t parts) const {
        int64_t sum = 0;
        for (int64_t token = 0; token < n_tokens; token++) {
            sum += std::min(parts * ATTENTION_PART, places[token].keys);
        }
        return sum;
    }

    int64_t         n_tokens;
    int64_t         n_parts = 1;
    attention_place places[ATTENTION_ROWS];
};

// Keys come as they lie in memory then, and are read once.
void attend_by_parts(const kernel_set & kernels, int index, int count, const job_maker & make, const part_plan & plan, float * parts, const attention_team & team) {
    const size_t floats = attention_part_floats((int) make.v->ne[0]);
    const size_t stride = floats * (size_t) (make.heads * make.rows);
    const int64_t end    = plan.first(index + 1, count);
    for (int64_t part = plan.first(index, count); part < end; part++) {
        for (int64_t head = 0; head < make.heads; head++) {
            attention_job job = make.of(head, 0, make.rows);
            job.part0       = part;
            job.part1       = part + 1;
            job.part_stride = stride;
            job.ahead       = head == 0 ? std::min(job.key_stride, job.value_stride) : 1; // the others find theirs in the cache
            for (int i = 0; i < job.rows; i++) {
                job.outs[i] = parts + floats * (size_t) (head * make.rows + i);
            }
            kernels.attend(job);
        }
    }
    team.barrier(team.pool);
    for (int64_t head = 0; head < make.heads; head++) {
        const attention_job job = make.of(head, 0, make.rows);
        for (int64_t i = 0; i < make.rows; i++) {
            const int64_t row = head * make.rows + i;
            if (row % count == index) {
                kernels.attend_parts(parts + floats * (size_t) row, stride, plan.n_parts, job.dv, job.outs[i]);
            }
        }
    }
}

void attend_by_heads(const kernel_set & kernels, int index, int count, const job_maker & make) {
    // as many pieces as threads or more, none above what the kernels take
    const int64_t least  = (count + make.heads - 1) / make.heads;
    const int64_t pieces = std::min(make.rows, std::max(least, (make.rows + ATTENTION_ROWS - 1) / ATTENTION_ROWS));
    for (int64_t item = index; item < make.heads * pieces; item += count) {
        const int64_t piece = item % pieces;
        kernels.attend(make.of(item / pieces, make.rows * piece / pieces, make.rows * (piece + 1) / pieces));
    }
}

} // namespace

attention_job job_of(const ggml_tensor * op, int64_t head, const int32_t * tokens, int n) {
    const job_maker make(op);
    attention_job job = make.of(head / make.shared, 0, 0);
    job.rows = n;
    for (int i = 0; i < n; i++) {
        const int64_t token = tokens[i];
        job.q[i]    = (const float *) ((const char *) make.q->data + token * make.q->nb[1] + head * make.q->nb[2]);
        job.mask[i] = make.mask_of(token, head);
        job.outs[i] = (float *) ((char *) op->data + head * op->nb[1] + token * op->nb[2]);
    }
    return job;
}

void attend(const kernel_set & kernels, int index, int count, ggml_tensor * op, const attention_team * team) {
    job_maker make(op);
    if (!team || make.rows > ATTENTION_ROWS || make.mask->ne[2] != 1 || attention_parts(make.k->ne[1]) < PARTS_EACH * count) {
        attend_by_heads(kernels, index, count, make);
        return;
    }
    const part_plan plan(kernels, make);
    static thread_local std::vector<float> own;
    float * parts = nullptr;
    if (index == 0) {
        try {
            own.resize(std::max(own.size(), attention_part_floats((int) make.v->ne[0]) * (size_t) (make.rows * make.heads * plan.n_parts)));
            parts = own.data();
        } catch (const std::bad_alloc &) {
            // the other way needs none
        }
        memcpy(team->shared, &parts, sizeof(parts));
    }
    team->barrier(team->pool);
    memcpy(&parts, team->shared, sizeof(parts));
    make.places = plan.places;
    if (parts) {
        attend_by_parts(kernels, index, count, make, plan, parts, *team);
    } else {
        attend_by_heads(kernels, index, count, make);
    }
}

} // namespace chq::kernels
