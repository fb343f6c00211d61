// Damaged model files. Whatever is wrong with a file, loading it must end in a status, or in a model that works.
// Each case runs in a process of its own, so that a crash is found and named instead of ending the test.
//
//   fuzz_gguf [--all] [--seed N] [--case N]
//
// Without --all every eighth case runs, on one thread. --case runs one and says what became of it.
#include "check.h"
#include "tiny_gguf.h"

#include "gguf.h"

#include <cmath>
#include <fstream>
#include <iterator>
#include <memory>
#include <random>

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace {

using bytes = std::vector<char>;

struct fuzz_case {
    std::string name;
    std::function<bytes()> make;
};

std::vector<fuzz_case> cases;

bytes read_file(const std::string & path) {
    std::ifstream in(path, std::ios::binary);
    return bytes(std::istreambuf_iterator<char>(in), {});
}

void write_file(const std::string & path, const bytes & data) {
    std::ofstream out(path, std::ios::binary);
    out.write(data.data(), (std::streamsize) data.size());
}

// The file with one change made through the GGUF writer, so that the rest stays consistent.
bytes rewritten(const std::string & base, const std::function<void(gguf_context *)> & change) {
    ggml_context * tensors = nullptr;
    gguf_init_params params = { false, &tensors };
    gguf_context * original = gguf_init_from_file(base.c_str(), params);
    gguf_context * gguf     = gguf_init_empty();
    gguf_set_kv(gguf, original);
    change(gguf);
    for (ggml_tensor * t = ggml_get_first_tensor(tensors); t; t = ggml_get_next_tensor(tensors, t)) {
        if (strcmp(t->name, "GGUF tensor data binary blob") != 0) {
            gguf_add_tensor(gguf, t);
        }
    }
    const std::string path = base + "." + std::to_string(getpid()) + ".rewritten";
    gguf_write_to_file(gguf, path.c_str(), false);
    gguf_free(gguf);
    gguf_free(original);
    ggml_free(tensors);
    const bytes data = read_file(path);
    remove(path.c_str());
    return data;
}

// What the child does with a file. Returns the number of the stage that said no, 0 if everything worked.
int use(const std::string & path, int32_t n_threads) {
    chq_model * model = nullptr;
    if (chq_model_load(path.c_str(), nullptr, CHQ_KERNELS_AUTO, &model) != CHQ_STATUS_OK) {
        return strlen(chq_last_error()) > 0 ? 1 : 100;
    }
    char text[256];
    size_t length;
    chq_model_description(model, text, sizeof(text), &length);
    int32_t tokens[64];
    int32_t n_tokens = 0;
    const char prompt[] = "the thing is \xE2\x82\xAC 12\n\xFF";
    int32_t n_prompt[8] = { 4, 5, 6, 7, 8, 9, 10, 11 };
    if (chq_tokenize(model, prompt, sizeof(prompt) - 1, true, true, tokens, 64, &n_tokens) == CHQ_STATUS_OK) {
        chq_detokenize(model, tokens, n_tokens, false, true, text, sizeof(text), &length);
    }
    struct chq_model_info info;
    chq_model_get_info(model, &info);
    for (int32_t t = 0; t < info.n_vocab; ++t) {
        struct chq_token_info token;
        chq_token_piece(model, t, true, text, sizeof(text), &length);
        chq_token_get_info(model, t, &token);
    }
    llama_context_params params = llama_context_default_params();
    params.n_ctx     = 256;
    params.n_batch   = 64;
    params.n_threads = params.n_threads_batch = n_threads;
    chq_context * context = nullptr;
    int stage = 0;
    if (chq_context_create(model, &params, 0, &context) != CHQ_STATUS_OK) {
        stage = 2;
    } else {
        chq_sampler * sampler = nullptr;
        chq_sampler_create(model, &sampler);
        chq_sampler_add_top_k(sampler, 10);
        chq_sampler_add_dist(sampler, 1);
        chq_sampled sampled;
        char piece[64];
        if (chq_decode(context, 0, n_prompt, 8, CHQ_OUTPUT_LAST, nullptr) != CHQ_STATUS_OK) {
            stage = 3;
        } else if (chq_sample(context, sampler, -1, true, &sampled, piece, sizeof(piece)) != CHQ_STATUS_OK) {
            stage = 4;
        } else if (chq_step(context, 0, sampled.token, sampler, true, &sampled, piece, sizeof(piece)) != CHQ_STATUS_OK) {
            stage = 5;
        }
        chq_sampler_free(sampler);
        if (chq_context_free(context) != CHQ_STATUS_OK) {
            stage = 6;
        }
    }
    if (chq_model_free(model) != CHQ_STATUS_OK) {
        stage = 7;
    }
    return stage;
}

void add_cases(const std::string & base, const std::string & label, uint32_t seed) {
    const auto shared = std::make_shared<const bytes>(read_file(base));
    const bytes & original = *shared;
    gguf_init_params params = { true, nullptr };
    gguf_context * gguf = gguf_init_from_file(base.c_str(), params);
    const size_t n_meta = gguf_get_data_offset(gguf);
    const auto add = [&](const std::string & name, std::function<bytes()> make) {
        cases.push_back({ label + ": " + name, std::move(make) });
    };
    add("as written", [=] { return *shared; });

    std::mt19937 random(seed);
    const auto flip = [&](size_t at, int bit) {
        add("bit " + std::to_string(bit) + " of byte " + std::to_string(at), [=] {
            bytes data = *shared;
            data[at] ^= (char) (1 << bit);
            return data;
        });
    };
    for (int i = 0; i < 500; ++i) {
        flip(random() % original.size(), (int) (random() % 8));
    }
    // the vocabulary fills most of the metadata: the parts around it get their own share
    size_t vocabulary_end = 0;
    const std::string text(original.begin(), original.begin() + (long) n_meta);
    const size_t vocabulary = text.find("tokenizer.ggml.tokens");
    vocabulary_end = text.find("tokenizer.ggml.bos_token_id");
    for (int i = 0; i < 400; ++i) {
        flip(random() % (vocabulary + 64), (int) (random() % 8));
    }
    for (int i = 0; i < 600; ++i) {
        flip(vocabulary_end + random() % (n_meta - vocabulary_end), (int) (random() % 8));
    }
    for (int i = 0; i < 100; ++i) {
        const size_t at = random() % n_meta;
        const char   to = (char) random();
        add("byte " + std::to_string(at) + " set", [=] {
            bytes data = *shared;
            data[at] = to;
            return data;
        });
    }
    for (int i = 0; i < 60; ++i) {
        const size_t n = i < 24 ? (size_t) i : i < 48 ? random() % n_meta : n_meta + random() % (original.size() - n_meta);
        add("cut to " + std::to_string(n) + " bytes", [=] { return bytes(shared->begin(), shared->begin() + (long) n); });
    }

    for (int64_t k = 0; k < gguf_get_n_kv(gguf); ++k) {
        const std::string key  = gguf_get_key(gguf, k);
        const gguf_type   type = gguf_get_kv_type(gguf, k);
        const auto change = [&](const std::string & what, std::function<void(gguf_context *)> f) {
            add(key + " " + what, [=] { return rewritten(base, f); });
        };
        change("removed", [=](gguf_context * g) { gguf_remove_key(g, key.c_str()); });
        change("as text", [=](gguf_context * g) { gguf_set_val_str(g, key.c_str(), "x"); });
        change("as empty text", [=](gguf_context * g) { gguf_set_val_str(g, key.c_str(), ""); });
        change("as a float", [=](gguf_context * g) { gguf_set_val_f32(g, key.c_str(), 1.5f); });
        change("as a bool", [=](gguf_context * g) { gguf_set_val_bool(g, key.c_str(), true); });
        change("as a negative number", [=](gguf_context * g) { gguf_set_val_i32(g, key.c_str(), -1); });
        change("as an empty array", [=](gguf_context * g) { gguf_set_arr_data(g, key.c_str(), GGUF_TYPE_INT32, nullptr, 0); });
        change("as an array of zeros", [=](gguf_context * g) {
            const int32_t zeros[4] = { 0 };
            gguf_set_arr_data(g, key.c_str(), GGUF_TYPE_INT32, zeros, 4);
        });
        change("as an array of texts", [=](gguf_context * g) {
            const char * texts[3] = { "a", "", "b" };
            gguf_set_arr_str(g, key.c_str(), texts, 3);
        });
        if (type == GGUF_TYPE_UINT32) {
            for (uint32_t value : { 0u, 1u, 2u, 3u, 7u, 31u, 63u, 65u, 128u, 1000u, 65536u, 1u << 20, 0x7FFFFFFFu, 0x80000000u, 0xFFFFFFFFu }) {
                change("= " + std::to_string(value), [=](gguf_context * g) { gguf_set_val_u32(g, key.c_str(), value); });
            }
        }
        if (type == GGUF_TYPE_FLOAT32) {
            for (float value : { 0.0f, -1.0f, 1e-45f, 3e38f, NAN, INFINITY, -INFINITY }) {
                change("= " + std::to_string(value), [=](gguf_context * g) { gguf_set_val_f32(g, key.c_str(), value); });
            }
        }
    }
    // keys that are not there but would be read
    for (const char * name : { "attention.key_length", "attention.value_length", "expert_count", "expert_used_count", "vocab_size",
            "rope.scaling.factor", "rope.scaling.original_context_length", "attention.sliding_window", "rope.freq_base", "attention.clamp_kqv",
            "attention.max_alibi_bias", "pooling_type", "embedding_length_out", "nextn_predict_layers", "expert_group_count",
            "attention.key_length_swa", "logit_scale", "attention.causal", "expert_feed_forward_length" }) {
        for (int64_t value : { (int64_t) 0, (int64_t) 1, (int64_t) 5, (int64_t) 12, (int64_t) 1024, (int64_t) 0xFFFFFFFF }) {
            add(std::string(name) + " added = " + std::to_string(value), [=] {
                return rewritten(base, [=](gguf_context * g) {
                    const std::string key = std::string(gguf_get_val_str(g, gguf_find_key(g, "general.architecture"))) + "." + name;
                    gguf_set_val_u32(g, key.c_str(), (uint32_t) value);
                });
            });
        }
    }
    for (const char * name : { "split.count", "split.no", "split.tensors.count", "general.quantization_version", "general.file_type",
            "tokenizer.ggml.token_type_count", "tokenizer.ggml.padding_token_id", "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.eot_token_id" }) {
        for (uint32_t value : { 0u, 1u, 3u, 64u, 65535u, 0xFFFFFFFFu }) {
            add(std::string(name) + " added = " + std::to_string(value), [=] {
                return rewritten(base, [=](gguf_context * g) { gguf_set_val_u32(g, name, value); });
            });
        }
    }
    for (const char * text : { "llama", "gpt2", "bert", "t5", "rwkv", "plamo2", "test", "none", "whitespace", "hybriddna", "gemma4" }) {
        add(std::string("tokenizer.ggml.model = ") + text, [=] {
            return rewritten(base, [=](gguf_context * g) { gguf_set_val_str(g, "tokenizer.ggml.model", text); });
        });
    }
    for (const char * text : { "llama4", "gemma2", "gemma3", "qwen2", "qwen2vl", "bert", "t5", "mamba", "rwkv6", "clip", "deepseek2", "falcon", "bloom", "starcoder", "gpt2" }) {
        add(std::string("general.architecture = ") + text, [=] {
            return rewritten(base, [=](gguf_context * g) {
                const std::string old = gguf_get_val_str(g, gguf_find_key(g, "general.architecture"));
                for (int64_t k = 0; k < gguf_get_n_kv(g); ++k) {
                    const std::string key = gguf_get_key(g, k);
                    if (key.rfind(old + ".", 0) == 0) {
                        const std::string moved = text + key.substr(old.size());
                        if (gguf_get_kv_type(g, k) == GGUF_TYPE_UINT32) {
                            gguf_set_val_u32(g, moved.c_str(), gguf_get_val_u32(g, k));
                        } else if (gguf_get_kv_type(g, k) == GGUF_TYPE_FLOAT32) {
                            gguf_set_val_f32(g, moved.c_str(), gguf_get_val_f32(g, k));
                        }
                    }
                }
                gguf_set_val_str(g, "general.architecture", text);
            });
        });
    }
    // the same token twice
    add("a token twice", [=] {
        return rewritten(base, [=](gguf_context * g) {
            const int64_t id = gguf_find_key(g, "tokenizer.ggml.tokens");
            std::vector<std::string>  tokens;
            std::vector<const char *> texts;
            for (size_t i = 0; i < gguf_get_arr_n(g, id); ++i) {
                tokens.push_back(gguf_get_arr_str(g, id, i));
            }
            tokens[20] = tokens[21];
            for (const std::string & t : tokens) {
                texts.push_back(t.c_str());
            }
            gguf_set_arr_str(g, "tokenizer.ggml.tokens", texts.data(), texts.size());
        });
    });
    gguf_free(gguf);
}

} // namespace

int main(int argc, char ** argv) {
    if (chq_runtime_init(nullptr) != CHQ_STATUS_OK) {
        fprintf(stderr, "%s\n", chq_last_error());
        return 1;
    }
    bool     all  = false;
    uint32_t seed = 1;
    long     only = -1;
    for (int i = 1; i < argc; ++i) {
        const std::string arg = argv[i];
        if (arg == "--all") {
            all = true;
        } else if (arg == "--seed" && i + 1 < argc) {
            seed = (uint32_t) strtoul(argv[++i], nullptr, 10);
        } else if (arg == "--case" && i + 1 < argc) {
            only = strtol(argv[++i], nullptr, 10);
        } else {
            fprintf(stderr, "fuzz_gguf: unknown argument %s\n", argv[i]);
            return 2;
        }
    }
    for (const char * kind : { "llama", "bpe", "gemma2", "mamba" }) {
        tiny_options options;
        options.bpe  = strcmp(kind, "bpe") == 0;
        options.arch = options.bpe ? "llama" : kind;
        const std::string base = temporary_path(std::string(kind) + ".gguf");
        write_tiny_gguf(base, options);
        add_cases(base, kind, seed++);
    }
    const size_t first = only >= 0 ? (size_t) only : 0;
    const size_t last  = only >= 0 ? (size_t) only : cases.size() - 1;
    const size_t step  = all || only >= 0 ? 1 : 8;
    const int32_t n_threads = step == 1 ? 2 : 1; // an assertion on a worker thread ends the process, but two are slow on a busy machine
    int n_crashed = 0;
    int n_stage[8] = { 0 };
    const std::string path = temporary_path("case.gguf");
    int n_files = 0;
    for (size_t i = first; i <= last && i < cases.size(); i += step) {
        ++n_files;
        write_file(path, cases[i].make());
        fflush(nullptr);
        const pid_t child = fork();
        if (child == 0) {
            alarm(120);
#if !defined(__SANITIZE_ADDRESS__)
            rlimit limit = { (rlim_t) 8 << 30, (rlim_t) 8 << 30 };
            setrlimit(RLIMIT_AS, &limit);
#endif
            const int stage = use(path, n_threads);
            if (only >= 0) {
                fprintf(stderr, "stage %d: %s\n", stage, chq_last_error());
            } else if (stage == 3 || stage >= 6) {
                // not wrong, but worth a look: the file got past the loader
                fprintf(stderr, "case %zu (%s): stage %d: %s\n", i, cases[i].name.c_str(), stage, chq_last_error());
            }
            _exit(stage);
        }
        int status = 0;
        waitpid(child, &status, 0);
        if (WIFEXITED(status) && WEXITSTATUS(status) < 8) {
            n_stage[WEXITSTATUS(status)]++;
        } else {
            ++n_crashed;
            fprintf(stderr, "CRASH case %zu (%s): %s %d\n", i, cases[i].name.c_str(),
                WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
        }
    }
    fprintf(stderr, "%d files: %d work, %d refused by load, %d by the context, %d by decode, %d by sampling; %d crashed\n",
        n_files, n_stage[0], n_stage[1], n_stage[2], n_stage[3], n_stage[4] + n_stage[5], n_crashed + n_stage[6] + n_stage[7]);
    return n_crashed + n_stage[6] + n_stage[7] > 0;
}
