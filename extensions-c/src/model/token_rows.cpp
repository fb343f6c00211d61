// Rows of a model's token embeddings, from its file: a loaded model does not give them out.
#include "chasqui_model.h"

#include "guard/guard.h"
#include "model/model.h"

#include "gguf.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <mutex>
#include <vector>

namespace {

constexpr uint32_t KIND_TOKEN_ROWS = 0x574f5251; // "QROW"

constexpr int64_t MEAN_OF = 4096; // rows that stand for the vocabulary

} // namespace

struct chq_token_rows : chq::handle {
    chq_token_rows() : handle(KIND_TOKEN_ROWS) {}

    std::unique_ptr<FILE, int (*)(FILE *)> file { nullptr, fclose };
    std::mutex mutex; // the file's position is shared
    ggml_type  type   = GGML_TYPE_F32;
    int64_t    n_embd = 0;
    int64_t    n_rows = 0;
    uint64_t   begin  = 0;
};

namespace chq {

namespace {

void check_token_rows(const chq_token_rows * rows) {
    check_handle(rows, KIND_TOKEN_ROWS, "token rows");
}

void read_row(chq_token_rows * rows, int64_t token, std::vector<uint8_t> & raw, float * out) {
    raw.resize(ggml_row_size(rows->type, rows->n_embd));
    {
        std::lock_guard<std::mutex> lock(rows->mutex);
        const uint64_t offset = rows->begin + (uint64_t) token * raw.size();
#ifdef _WIN32
        const bool there = _fseeki64(rows->file.get(), (int64_t) offset, SEEK_SET) == 0;
#else
        const bool there = fseeko(rows->file.get(), (off_t) offset, SEEK_SET) == 0;
#endif
        if (!there || fread(raw.data(), 1, raw.size(), rows->file.get()) != raw.size()) {
            fail(CHQ_STATUS_COMPUTE, "the embedding of token %lld cannot be read", (long long) token);
        }
    }
    if (rows->type == GGML_TYPE_F32) {
        std::copy_n((const float *) raw.data(), rows->n_embd, out);
    } else {
        ggml_get_type_traits(rows->type)->to_float(raw.data(), out, rows->n_embd);
    }
}

} // namespace

} // namespace chq

using namespace chq;

chq_status chq_token_rows_open(const char * path, struct chq_token_rows ** out) {
    return guarded([&] {
        check_pointer(path, "path");
        check_pointer(out, "out");
        const uint64_t n_file = check_gguf_file(path);
        ggml_context * tensors = nullptr;
        const gguf_init_params init = { /*.no_alloc =*/ true, /*.ctx =*/ &tensors };
        std::unique_ptr<gguf_context, void (*)(gguf_context *)> gguf(gguf_init_from_file(path, init), gguf_free);
        if (!gguf) {
            fail(CHQ_STATUS_LOAD, "%s: not a usable GGUF file: %s", path, captured_errors());
        }
        std::unique_ptr<ggml_context, void (*)(ggml_context *)> owner(tensors, ggml_free);
        check_gguf_tensors(gguf.get(), path, n_file);
        const int64_t id = gguf_find_tensor(gguf.get(), "token_embd.weight");
        const ggml_tensor * tensor = id < 0 ? nullptr : ggml_get_tensor(tensors, "token_embd.weight");
        if (!tensor) {
            fail(CHQ_STATUS_UNSUPPORTED, "%s: has no token embeddings", path);
        }
        if (tensor->type != GGML_TYPE_F32 && !ggml_get_type_traits(tensor->type)->to_float) {
            fail(CHQ_STATUS_UNSUPPORTED, "%s: token embeddings of type %s cannot be read", path, ggml_type_name(tensor->type));
        }
        auto rows = std::make_unique<chq_token_rows>();
        rows->type   = tensor->type;
        rows->n_embd = tensor->ne[0];
        rows->n_rows = tensor->ne[1];
        rows->begin  = gguf_get_data_offset(gguf.get()) + gguf_get_tensor_offset(gguf.get(), id);
        rows->file.reset(fopen(path, "rb"));
        if (!rows->file) {
            fail(CHQ_STATUS_LOAD, "%s: cannot be read", path);
        }
        *out = rows.release();
        return CHQ_STATUS_OK;
    });
}

chq_status chq_token_rows_free(struct chq_token_rows * rows) {
    return guarded([&] {
        if (!rows) {
            return CHQ_STATUS_OK;
        }
        check_token_rows(rows);
        rows->kind = KIND_FREED;
        delete rows;
        return CHQ_STATUS_OK;
    });
}

chq_status chq_token_rows_get(struct chq_token_rows * rows, const int32_t * tokens, int32_t n_tokens, float * out, int64_t capacity) {
    return guarded([&] {
        check_token_rows(rows);
        if (n_tokens < 0) {
            fail(CHQ_STATUS_ARGUMENT, "n_tokens = %d", n_tokens);
        }
        if (n_tokens == 0) {
            return CHQ_STATUS_OK;
        }
        check_pointer(tokens, "tokens");
        check_pointer(out, "out");
        if (capacity < n_tokens * rows->n_embd) {
            fail(CHQ_STATUS_BUFFER, "%lld numbers are needed, the buffer has room for %lld", (long long) (n_tokens * rows->n_embd), (long long) capacity);
        }
        std::vector<uint8_t> raw;
        for (int32_t i = 0; i < n_tokens; ++i) {
            if (tokens[i] < 0 || tokens[i] >= rows->n_rows) {
                fail(CHQ_STATUS_ARGUMENT, "token %d is not in 0..%lld", tokens[i], (long long) rows->n_rows - 1);
            }
            read_row(rows, tokens[i], raw, out + i * rows->n_embd);
        }
        return CHQ_STATUS_OK;
    });
}

chq_status chq_token_rows_mean(struct chq_token_rows * rows, float * out, int64_t capacity) {
    return guarded([&] {
        check_token_rows(rows);
        check_pointer(out, "out");
        if (capacity < rows->n_embd) {
            fail(CHQ_STATUS_BUFFER, "%lld numbers are needed, the buffer has room for %lld", (long long) rows->n_embd, (long long) capacity);
        }
        std::vector<double>  sums((size_t) rows->n_embd, 0.0);
        std::vector<float>   row ((size_t) rows->n_embd);
        std::vector<uint8_t> raw;
        const int64_t n = std::min(MEAN_OF, rows->n_rows);
        for (int64_t i = 0; i < n; ++i) {
            read_row(rows, i * rows->n_rows / n, raw, row.data());
            for (int64_t c = 0; c < rows->n_embd; ++c) {
                sums[c] += row[c];
            }
        }
        for (int64_t c = 0; c < rows->n_embd; ++c) {
            out[c] = (float) (sums[c] / (double) std::max<int64_t>(1, n));
        }
        return CHQ_STATUS_OK;
    });
}
