// What libmtmd's own helper computes, for tests that compare with it.
#pragma once

#include "check.h"
#include "tiny_gguf.h"

#include "mtmd.h"
#include "mtmd-helper.h"

#include <string>
#include <vector>

constexpr int32_t N_VOCAB  = 300;
const     int32_t BEFORE[] = { 1, 60, 61, 62 };
const     int32_t AFTER[]  = { 70, 71, 72, 73, 74 };

inline std::vector<float> logits(chq_context * context) {
    const float * data = nullptr;
    int32_t n = 0;
    CHECK_OK(chq_logits(context, &data, &n));
    return std::vector<float>(data + (n - 1) * N_VOCAB, data + n * N_VOCAB);
}

// Of the last of AFTER, behind BEFORE and a picture or a sound: bitmap_of(mtmd_context *) makes it.
template <class F>
std::vector<float> logits_of_libmtmd(const std::string & path, const tiny_model & model, chq_context * context, F bitmap_of) {
    mtmd_context_params params = mtmd_context_params_default();
    params.n_threads     = 1;
    params.print_timings = false;
    mtmd::context_ptr mtmd(mtmd_init_from_file(path.c_str(), chq_model_llama(model.model), params));
    CHECK(mtmd != nullptr);
    const mtmd::bitmap bitmap(bitmap_of(mtmd.get()));
    CHECK(bitmap.ptr != nullptr);
    mtmd::input_chunks_ptr chunks(mtmd_input_chunks_init());
    const mtmd_input_part part = { nullptr, bitmap.ptr.get() };
    const mtmd_input_part * parts[] = { &part };
    CHECK_EQ(mtmd_tokenize_from_parts(mtmd.get(), chunks.get(), parts, 1, false), 0);
    llama_context * llama = chq_context_llama(context);
    CHECK_OK(chq_decode(context, 0, BEFORE, 4, CHQ_OUTPUT_NONE, nullptr));
    llama_pos n_past = 4;
    CHECK_EQ(mtmd_helper_eval_chunks(mtmd.get(), llama, chunks.get(), n_past, 0, 512, false, &n_past), 0);
    llama_batch batch = llama_batch_init(8, 0, 1);
    for (int32_t i = 0; i < 5; ++i) {
        batch.token[i] = AFTER[i];
        batch.pos[i] = n_past + i;
        batch.n_seq_id[i] = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i] = i == 4;
    }
    batch.n_tokens = 5;
    CHECK_EQ(llama_decode(llama, batch), 0);
    llama_batch_free(batch);
    const float * row = llama_get_logits_ith(llama, 4);
    return std::vector<float>(row, row + N_VOCAB);
}
