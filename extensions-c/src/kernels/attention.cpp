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

struct shape {
    explicit shape(const ggml_tensor * op) :
        q(op->src[0]), k(op->src[1]), v(op->src[2]), mask(op->src[3]), heads(k->ne[2]), shared(q->ne[2] / heads), rows(q->ne[1] * shared) {}

    const ggml_tensor * q, * k, * v, * mask;
    int64_t heads;  // of keys
    int64_t shared; // query heads of a key head
    int64_t rows;   // of a key head; those of a token side by side
};

attention_job job_of(const shape & s, ggml_tensor * op, int64_t head, int64_t row0, int64_t row1) {
    alignas(64) static thread_local float scratch[ATTENTION_SCRATCH];
    attention_job job;
    job.rows         = (int) (row1 - row0);
    job.d            = (int) s.k->ne[0];
    job.dv           = (int) s.v->ne[0];
    job.n_keys       = s.k->ne[1];
    job.scale        = attention_parameter(op, 0);
    job.keys         = (const uint8_t *) s.k->data + head * s.k->nb[2];
    job.values       = (const uint8_t *) s.v->data + head * s.v->nb[2];
    job.key_stride   = s.k->nb[1];
    job.value_stride = s.v->nb[1];
    job.scratch      = scratch;
    for (int64_t row = row0; row < row1; row++) {
        const int64_t token = row / s.shared;
        const int64_t h     = head * s.shared + row % s.shared;
        const int     i     = (int) (row - row0);
        job.q[i]    = (const float *) ((const char *) s.q->data + token * s.q->nb[1] + h * s.q->nb[2]);
        job.mask[i] = (const uint16_t *) ((const char *) s.mask->data + token * s.mask->nb[1] + h % s.mask->ne[2] * s.mask->nb[2]);
        job.outs[i] = (float *) ((char *) op->data + h * op->nb[1] + token * op->nb[2]);
    }
    return job;
}

// Whether threads had better share the keys than the heads: a few queries over many keys, which then come as they lie in memory and are read once.
bool shares_keys(const kernel_set & kernels, const shape & s, int count) {
    const int64_t n_keys  = s.k->ne[1];
    const int64_t n_parts = (n_keys + ATTENTION_PART - 1) / ATTENTION_PART;
    if (n_parts < PARTS_EACH * count || s.rows > ATTENTION_ROWS || s.mask->ne[2] != 1) {
        return false;
    }
    for (int64_t token = 0; token < s.q->ne[1]; token++) {
        const uint16_t * const mask = (const uint16_t *) ((const char *) s.mask->data + token * s.mask->nb[1]);
        if (kernels.joint_end(mask, n_keys) < (n_parts - 1) * ATTENTION_PART) {
            return false; // its keys lie apart in more than one part
        }
    }
    return true;
}

void attend_by_parts(const kernel_set & kernels, int index, int count, ggml_tensor * op, float * parts, const attention_team & team) {
    const shape   s(op);
    const int64_t n_parts = (s.k->ne[1] + ATTENTION_PART - 1) / ATTENTION_PART;
    const int64_t n_rows  = s.heads * s.rows;
    const size_t  floats  = attention_part_floats((int) s.v->ne[0]);
    const int64_t first   = n_parts * index / count;
    const int64_t end     = n_parts * (index + 1) / count;
    for (int64_t part = first; part < end; part++) {
        for (int64_t head = 0; head < s.heads; head++) {
            attention_job job = job_of(s, op, head, 0, s.rows);
            job.part0       = part;
            job.part1       = part + 1;
            job.part_stride = floats * (size_t) n_rows;
            job.ahead       = head == 0 ? std::min(job.key_stride, job.value_stride) : 1; // the others find theirs in the cache
            for (int i = 0; i < job.rows; i++) {
                job.outs[i] = parts + floats * (size_t) (head * s.rows + i);
            }
            kernels.attend(job);
        }
    }
    team.barrier(team.pool);
    for (int64_t head = 0; head < s.heads; head++) {
        const attention_job job = job_of(s, op, head, 0, s.rows);
        for (int64_t i = 0; i < s.rows; i++) {
            const int64_t row = head * s.rows + i;
            if (row % count == index) {
                kernels.attend_parts(parts + floats * (size_t) row, floats * (size_t) n_rows, n_parts, job.dv, job.outs[i]);
            }
        }
    }
}

void attend_by_heads(const kernel_set & kernels, int index, int count, ggml_tensor * op) {
    const shape s(op);
    // as many pieces as threads or more, none above what the kernels take
    const int64_t least  = (count + s.heads - 1) / s.heads;
    const int64_t pieces = std::min(s.rows, std::max(least, (s.rows + ATTENTION_ROWS - 1) / ATTENTION_ROWS));
    for (int64_t item = index; item < s.heads * pieces; item += count) {
        const int64_t piece = item % pieces;
        kernels.attend(job_of(s, op, item / pieces, s.rows * piece / pieces, s.rows * (piece + 1) / pieces));
    }
}

} // namespace

void attend(const kernel_set & kernels, int index, int count, ggml_tensor * op, const attention_team * team) {
    const int64_t n_parts = (op->src[1]->ne[1] + ATTENTION_PART - 1) / ATTENTION_PART;
    if (!team || n_parts < PARTS_EACH * count) {
        attend_by_heads(kernels, index, count, op);
        return;
    }
    static thread_local std::vector<float> own;
    float * parts = nullptr;
    if (index == 0) {
        const shape s(op);
        if (shares_keys(kernels, s, count)) {
            try {
                own.resize(std::max(own.size(), attention_part_floats((int) s.v->ne[0]) * (size_t) (s.heads * s.rows * n_parts)));
                parts = own.data();
            } catch (const std::bad_alloc &) {
                // the other way needs none
            }
        }
        memcpy(team->shared, &parts, sizeof(parts));
    }
    team->barrier(team->pool);
    memcpy(&parts, team->shared, sizeof(parts));
    if (parts) {
        attend_by_parts(kernels, index, count, op, parts, *team);
    } else {
        attend_by_heads(kernels, index, count, op);
    }
}

} // namespace chq::kernels
