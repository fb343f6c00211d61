#include "chasqui_quantize.h"

#include "chasqui_runtime.h"
#include "model/model.h"
#include "runtime/runtime.h"

#include "gguf.h"
#include "llama.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace chq {

namespace {

constexpr int32_t MAX_THREADS  = 512;
constexpr int32_t MAX_PATTERNS = 1024;
constexpr size_t  MAX_BUFFER   = 256u << 20; // rows in memory at once

// Thrown through llama.cpp, which catches standard exceptions only.
struct stopped {};

// What ggml_quantize_chunk can write without an importance matrix. Anything else makes it abort, and on its own threads that ends the process.
bool is_target(int type) {
    switch (type) {
        case GGML_TYPE_F32:   case GGML_TYPE_F16:   case GGML_TYPE_BF16:
        case GGML_TYPE_Q1_0:  case GGML_TYPE_Q2_0:  case GGML_TYPE_Q4_0: case GGML_TYPE_Q4_1: case GGML_TYPE_Q5_0: case GGML_TYPE_Q5_1: case GGML_TYPE_Q8_0:
        case GGML_TYPE_Q2_K:  case GGML_TYPE_Q3_K:  case GGML_TYPE_Q4_K: case GGML_TYPE_Q5_K: case GGML_TYPE_Q6_K:
        case GGML_TYPE_TQ1_0: case GGML_TYPE_TQ2_0: case GGML_TYPE_IQ4_NL: case GGML_TYPE_IQ4_XS: case GGML_TYPE_IQ3_S:
        case GGML_TYPE_MXFP4: case GGML_TYPE_NVFP4: return true;
        default:              return false;
    }
}

enum class need { NONE, IMATRIX, UNKNOWN };

need need_of(int file_type) {
    switch (file_type) {
        case LLAMA_FTYPE_ALL_F32:
        case LLAMA_FTYPE_MOSTLY_F16:    case LLAMA_FTYPE_MOSTLY_BF16:
        case LLAMA_FTYPE_MOSTLY_Q1_0:   case LLAMA_FTYPE_MOSTLY_Q2_0:
        case LLAMA_FTYPE_MOSTLY_Q4_0:   case LLAMA_FTYPE_MOSTLY_Q4_1:   case LLAMA_FTYPE_MOSTLY_Q5_0: case LLAMA_FTYPE_MOSTLY_Q5_1: case LLAMA_FTYPE_MOSTLY_Q8_0:
        case LLAMA_FTYPE_MOSTLY_Q2_K:
        case LLAMA_FTYPE_MOSTLY_Q3_K_S: case LLAMA_FTYPE_MOSTLY_Q3_K_M: case LLAMA_FTYPE_MOSTLY_Q3_K_L:
        case LLAMA_FTYPE_MOSTLY_Q4_K_S: case LLAMA_FTYPE_MOSTLY_Q4_K_M: case LLAMA_FTYPE_MOSTLY_Q5_K_S: case LLAMA_FTYPE_MOSTLY_Q5_K_M:
        case LLAMA_FTYPE_MOSTLY_Q6_K:
        case LLAMA_FTYPE_MOSTLY_IQ3_S:  case LLAMA_FTYPE_MOSTLY_IQ3_M:  case LLAMA_FTYPE_MOSTLY_IQ4_NL: case LLAMA_FTYPE_MOSTLY_IQ4_XS:
        case LLAMA_FTYPE_MOSTLY_TQ1_0:  case LLAMA_FTYPE_MOSTLY_TQ2_0:  case LLAMA_FTYPE_MOSTLY_MXFP4_MOE: return need::NONE;
        case LLAMA_FTYPE_MOSTLY_Q2_K_S:
        case LLAMA_FTYPE_MOSTLY_IQ1_S:  case LLAMA_FTYPE_MOSTLY_IQ1_M:
        case LLAMA_FTYPE_MOSTLY_IQ2_XXS: case LLAMA_FTYPE_MOSTLY_IQ2_XS: case LLAMA_FTYPE_MOSTLY_IQ2_S: case LLAMA_FTYPE_MOSTLY_IQ2_M:
        case LLAMA_FTYPE_MOSTLY_IQ3_XXS: case LLAMA_FTYPE_MOSTLY_IQ3_XS: return need::IMATRIX;
        default: return need::UNKNOWN;
    }
}

// Its quantiser looks rows up in a grid and aborts on what it does not find there, which can be caught on this thread only.
bool may_abort(const chq_quantize_params & p) {
    bool grid = p.file_type == LLAMA_FTYPE_MOSTLY_IQ3_S || p.file_type == LLAMA_FTYPE_MOSTLY_IQ3_M
        || p.output_type == GGML_TYPE_IQ3_S || p.embedding_type == GGML_TYPE_IQ3_S;
    for (int32_t i = 0; i < p.n_patterns; ++i) {
        grid |= p.pattern_types[i] == GGML_TYPE_IQ3_S;
    }
    return grid;
}

void check_target(int type, const char * what) {
    if (type < 0 || type >= GGML_TYPE_COUNT || !ggml_type_name((ggml_type) type)) {
        fail(CHQ_STATUS_ARGUMENT, "%s: %d is no type", what, type);
    }
    if (!is_target(type)) {
        fail(CHQ_STATUS_UNSUPPORTED, "%s: nothing can be quantised to %s here", what, ggml_type_name((ggml_type) type));
    }
}

void check_params(const chq_quantize_params & p) {
    switch (need_of(p.file_type)) {
        case need::UNKNOWN: fail(CHQ_STATUS_ARGUMENT,    "file_type = %d is no type of files that can be written", p.file_type);
        case need::IMATRIX: fail(CHQ_STATUS_UNSUPPORTED, "file_type = %d needs an importance matrix", p.file_type);
        case need::NONE:    break;
    }
    if (p.n_threads > MAX_THREADS) {
        fail(CHQ_STATUS_ARGUMENT, "n_threads = %d, at most %d are possible", p.n_threads, MAX_THREADS);
    }
    if (p.output_type != -1) {
        check_target(p.output_type, "output_type");
    }
    if (p.embedding_type != -1) {
        check_target(p.embedding_type, "embedding_type");
    }
    if (p.n_patterns < 0 || p.n_patterns > MAX_PATTERNS || (p.n_patterns > 0 && (!p.patterns || !p.pattern_types))) {
        fail(CHQ_STATUS_ARGUMENT, "patterns or pattern_types is NULL, or there are none or more than %d", MAX_PATTERNS);
    }
    for (int32_t i = 0; i < p.n_patterns; ++i) {
        check_pointer(p.patterns[i], "an element of patterns");
        check_pattern(p.patterns[i]);
        check_target(p.pattern_types[i], p.patterns[i]);
    }
}

bool ends_with(const std::string & text, const char * end) {
    const size_t n = strlen(end);
    return text.size() >= n && text.compare(text.size() - n, n, end) == 0;
}

std::unique_ptr<gguf_context, void (*)(gguf_context *)> open_header(const char * path, ggml_context ** tensors) {
    const gguf_init_params init = { /*.no_alloc =*/ true, /*.ctx =*/ tensors };
    return { gguf_init_from_file(path, init), gguf_free };
}

// Files of a model, the first of which is known to be usable.
std::vector<std::string> parts_of(const char * path) {
    std::vector<std::string> parts { path };
    const auto gguf = open_header(path, nullptr);
    const int64_t id = gguf ? gguf_find_key(gguf.get(), "split.count") : -1;
    const int n_parts = id >= 0 && gguf_get_kv_type(gguf.get(), id) == GGUF_TYPE_UINT16 ? gguf_get_val_u16(gguf.get(), id) : 1;
    std::vector<char> text(strlen(path) + 64);
    if (n_parts > 1 && llama_split_prefix(text.data(), text.size(), path, 0, n_parts)) {
        const std::string prefix = text.data();
        for (int i = 1; i < n_parts; ++i) {
            llama_split_path(text.data(), text.size(), prefix.c_str(), i, n_parts);
            parts.emplace_back(text.data());
        }
    }
    return parts;
}

// What llama.cpp divides by, and types that are asked for by name, which are taken without a look at the rows.
void check_part(const char * path, const chq_quantize_params & p) {
    const uint64_t n_file = check_gguf_file(path);
    ggml_context * tensors = nullptr;
    const auto gguf = open_header(path, &tensors);
    if (!gguf) {
        fail(CHQ_STATUS_LOAD, "%s: not a usable GGUF file: %s", path, captured_errors());
    }
    std::unique_ptr<ggml_context, void (*)(ggml_context *)> owner(tensors, ggml_free);
    check_gguf_tensors(gguf.get(), path, n_file);
    for (ggml_tensor * t = ggml_get_first_tensor(tensors); t; t = ggml_get_next_tensor(tensors, t)) {
        const std::string name = t->name;
        if (ggml_nelements(t) == 0) {
            fail(CHQ_STATUS_LOAD, "%s: %s has no numbers", path, t->name);
        }
        const int type = ends_with(name, "output.weight") ? p.output_type : ends_with(name, "token_embd.weight") ? p.embedding_type : -1;
        if (type >= 0 && t->ne[0] % ggml_blck_size((ggml_type) type) != 0) {
            fail(CHQ_STATUS_UNSUPPORTED, "%s has rows of %lld numbers, and %s comes in blocks of %lld", t->name, (long long) t->ne[0],
                ggml_type_name((ggml_type) type), (long long) ggml_blck_size((ggml_type) type));
        }
    }
}

// Why nothing more can be written to a file; 0 if it can.
int write_error(const char * path) {
    std::unique_ptr<FILE, int (*)(FILE *)> file(fopen(path, "ab"), fclose);
    if (!file) {
        return errno;
    }
    const std::vector<char> more(1 << 20);
    errno = 0;
    const bool written = fwrite(more.data(), 1, more.size(), file.get()) == more.size() && fflush(file.get()) == 0;
    return written ? 0 : errno ? errno : EIO;
}

// llama.cpp does not notice every write that fails.
bool is_whole(const char * path) {
    namespace fs = std::filesystem;
    std::error_code error;
    const auto gguf = open_header(path, nullptr);
    if (!gguf) {
        return false;
    }
    const uint64_t n_file = fs::file_size(path, error);
    const uint64_t begin  = gguf_get_data_offset(gguf.get());
    for (int64_t i = 0; !error && i < gguf_get_n_tensors(gguf.get()); ++i) {
        if (begin + gguf_get_tensor_offset(gguf.get(), i) + gguf_get_tensor_size(gguf.get(), i) > n_file) {
            return false;
        }
    }
    return !error;
}

struct progress_lines {
    chq_quantize_progress progress;
    void                * user;

    // llama.cpp says which tensor is next in its log, and only there.
    static void on_line(const char * text, void * self) {
        const auto * lines = (const progress_lines *) self;
        int  index = 0;
        int  count = 0;
        char name[GGML_MAX_NAME + 1];
        if (lines->progress && sscanf(text, "[%d/%d] %64s", &index, &count, name) == 3 && !lines->progress(index - 1, count, name, lines->user)) {
            throw stopped();
        }
    }
};

[[noreturn]] void fail_quantize(const char * input, const char * output) {
    const std::string reason = captured_errors();
    if (const int error = write_error(output)) {
        fail(CHQ_STATUS_WRITE, "%s: %s", output, strerror(error));
    }
    const auto says = [&](const char * text) { return reason.find(text) != std::string::npos; };
    if (says("bad_alloc")) {
        fail(CHQ_STATUS_MEMORY, "out of memory");
    }
    const bool types = says("requantizing") || says("imatrix") || says("fallback") || says("regex");
    fail(types ? CHQ_STATUS_UNSUPPORTED : CHQ_STATUS_LOAD, "%s: %s", input, reason.empty() ? "llama.cpp gave no reason" : reason.c_str());
}

} // namespace

} // namespace chq

using namespace chq;

chq_status chq_quantize(
        const char                       * input,
        const char                       * output,
        const struct chq_quantize_params * params,
        chq_quantize_progress              progress,
        void                             * user) {
    return guarded([&] {
        check_runtime();
        check_pointer(input,  "input");
        check_pointer(output, "output");
        check_pointer(params, "params");
        check_params(*params);
        std::error_code none;
        if (std::filesystem::equivalent(input, output, none)) {
            fail(CHQ_STATUS_ARGUMENT, "input and output are the same file: %s", input);
        }
        llama_model_params load = llama_model_default_params();
        try {
            check_gguf(input, load);
            for (const std::string & part : parts_of(input)) {
                check_part(part.c_str(), *params);
            }

            std::vector<llama_model_tensor_override> overrides;
            for (int32_t i = 0; i < params->n_patterns; ++i) {
                overrides.push_back({ params->patterns[i], (ggml_type) params->pattern_types[i] });
            }
            overrides.push_back({ nullptr, GGML_TYPE_COUNT });

            llama_model_quantize_params p = llama_model_quantize_default_params();
            p.nthread                = may_abort(*params) ? 1 : params->n_threads > 0 ? params->n_threads : std::min(chq_physical_cores(), MAX_THREADS);
            p.ftype                  = (llama_ftype) params->file_type;
            p.output_tensor_type     = params->output_type    >= 0 ? (ggml_type) params->output_type    : GGML_TYPE_COUNT;
            p.token_embedding_type   = params->embedding_type >= 0 ? (ggml_type) params->embedding_type : GGML_TYPE_COUNT;
            p.allow_requantize       = params->requantize;
            p.quantize_output_tensor = params->quantize_output;
            p.pure                   = params->pure;
            p.tt_overrides           = params->n_patterns > 0 ? overrides.data() : nullptr;
            p.max_buf_size           = MAX_BUFFER;

            forget_captured_errors();
            progress_lines lines { progress, user };
            uint32_t failed;
            {
                const log_listener listener(progress_lines::on_line, &lines);
                failed = llama_model_quantize(input, output, &p);
            }
            if (failed || !is_whole(output)) {
                fail_quantize(input, output);
            }
        } catch (const stopped &) {
            fail(CHQ_STATUS_CANCELLED, "%s: stopped by its progress callback", output);
        } catch (const ggml_aborted &) {
            report_abort({});
            fail(CHQ_STATUS_LOAD, "%s: %s", input, last_error());
        }
        return CHQ_STATUS_OK;
    });
}
