#include "adapter/lora.h"

#include "model/xxh64.h"

#include <cmath>

using namespace chq;

chq_status chq_context_set_control_vector(
        struct chq_context * context, const float * rows, int32_t n_rows, int32_t n_embd, int32_t first_layer, int32_t last_layer) {
    return guarded({ context }, [&] {
        check_context(context);
        const llama_model * model = context->model->llama;
        const int32_t n_layer = llama_model_n_layer(model);
        int64_t n = 0;
        if (rows) {
            if (n_rows != n_layer - 1 || n_embd != llama_model_n_embd(model)) {
                fail(CHQ_STATUS_ARGUMENT, "the control vector has %d rows of %d numbers, the model wants %d of %d",
                    n_rows, n_embd, n_layer - 1, llama_model_n_embd(model));
            }
            if (first_layer < 1 || last_layer < first_layer || last_layer > n_layer - 1) {
                fail(CHQ_STATUS_ARGUMENT, "the layers %d to %d are not in 1..%d", first_layer, last_layer, n_layer - 1);
            }
            n = (int64_t) n_rows * n_embd;
            for (int64_t i = 0; i < n; ++i) {
                check_finite(rows[i], "a number of the control vector");
            }
        }
        check_empty(context);
        llama_synchronize(context->llama);
        if (llama_set_adapter_cvec(context->llama, rows, (size_t) n, n_embd, first_layer, last_layer) != 0) {
            fail(CHQ_STATUS_COMPUTE, "the control vector cannot be set: %s", captured_errors());
        }
        context->control_vector = 0;
        if (rows) {
            const uint64_t layers = (uint64_t) (uint32_t) first_layer << 32 | (uint32_t) last_layer;
            context->control_vector = xxh64((const uint8_t *) rows, (size_t) n * sizeof(float), layers) | 1; // 0 = none
        }
        update_adapters(context);
        return CHQ_STATUS_OK;
    });
}
