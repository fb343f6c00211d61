#include "attention.h"

#include <algorithm>
#include <cstring>

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

void attend(const kernel_set & kernels, int index, int count, ggml_tensor * op) {
    const ggml_tensor * q    = op->src[0];
    const ggml_tensor * k    = op->src[1];
    const ggml_tensor * v    = op->src[2];
    const ggml_tensor * mask = op->src[3];
    const int64_t n       = q->ne[1];
    const int64_t heads   = k->ne[2];
    const int64_t shared  = q->ne[2] / heads;  // query heads of a key head
    const int64_t rows    = n * shared;        // of a key head; those of a token side by side
    // as many pieces as threads or more, none above what the kernels take
    const int64_t least   = (count + heads - 1) / heads;
    const int64_t pieces  = std::min(rows, std::max(least, (rows + ATTENTION_ROWS - 1) / ATTENTION_ROWS));

    alignas(64) static thread_local float scratch[ATTENTION_SCRATCH];
    for (int64_t item = index; item < heads * pieces; item += count) {
        const int64_t head  = item / pieces;
        const int64_t piece = item % pieces;
        const int64_t row0  = rows * piece / pieces;
        const int64_t row1  = rows * (piece + 1) / pieces;
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
            job.mask[i] = (const uint16_t *) ((const char *) mask->data + token * mask->nb[1] + h % mask->ne[2] * mask->nb[2]);
            job.outs[i] = (float *) ((char *) op->data + h * op->nb[1] + token * op->nb[2]);
        }
        kernels.attend(job);
    }
}

} // namespace chq::kernels
