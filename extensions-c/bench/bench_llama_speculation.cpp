// llama.cpp's own speculation (its n-gram drafters and its draft models), greedy, against its plain decoding, in one process and in turns.
//
//   bench_llama_speculation MODEL --prompts FILE,FILE,... [--draft-model FILE] [-n TOKENS] [-t THREADS] [--limit PROMPTS] [--tune PROMPTS] [--setting S]... [--raw]
//
// Prompts are those of 'chasqui bench speculation': JSON lines with id, category, prompt. The best setting of each drafter in a category is what gave most
// tokens a second over its first prompts (--tune, default 3); the others are left out then. Prints a JSON object for each answer and for the best of each
// category, and a table on stderr. THREADS: default the physical cores. S is a drafter and its numbers, e.g. ngram-simple:n=3,m=15. --raw: prompts are texts to
// continue, not messages, and the token that ends an answer does not. With
// GGML_BACKEND_PATH=.../libggml-chasqui.so everything runs with Chasqui's kernels.
#include "prompts.h"
#include "timing.h"

#include "log.h"
#include "speculative.h"

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "llama.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>

static constexpr int MOST_ROWS = 80; // of a pass: llama.cpp's longest drafts have 64 tokens

static int threads   = common_cpu_get_num_physical_cores();
static int n_predict = 128;
static bool raw = false;

[[noreturn]] static void give_up(const std::string & reason) {
    fprintf(stderr, "bench_llama_speculation: %s\n", reason.c_str());
    exit(1);
}

struct drafter {
    std::string setting;
    std::string type; // up to the colon
    common_params_speculative params;
    common_speculative_ptr    spec;
    bool                      keeps = false; // its store from answer to answer
};

struct model {
    llama_model   * weights = nullptr;
    llama_context * context = nullptr;
};

static ggml_threadpool * pool = nullptr;

static model load(const std::string & path, int n_ctx) {
    model m;
    m.weights = llama_model_load_from_file(path.c_str(), llama_model_default_params());
    if (!m.weights) {
        give_up(path + " cannot be loaded");
    }
    llama_context_params params = llama_context_default_params();
    params.n_ctx           = n_ctx;
    params.n_batch         = 2048;
    params.n_ubatch        = 512;
    params.n_outputs_max   = MOST_ROWS;
    params.n_threads       = threads;
    params.n_threads_batch = threads;
    params.no_perf         = true;
    m.context = llama_init_from_model(m.weights, params);
    if (!m.context) {
        give_up("no context for " + path);
    }
    llama_attach_threadpool(m.context, pool, nullptr);
    return m;
}

static std::unique_ptr<drafter> parse_setting(const std::string & setting, const model & target, const model & draft) {
    auto d = std::make_unique<drafter>();
    d->setting = setting;
    d->type    = setting.substr(0, setting.find(':'));
    d->keeps   = d->type == "ngram-mod";
    d->params.types = common_speculative_types_from_names({ d->type });
    d->params.draft.ctx_tgt = target.context;
    d->params.draft.ctx_dft = draft.context;
    common_params_speculative_ngram_map & map =
        d->type == "ngram-simple" ? d->params.ngram_simple : d->type == "ngram-map-k" ? d->params.ngram_map_k : d->params.ngram_map_k4v;
    const bool by_model = d->type == "draft-simple";
    if (setting.find(':') != std::string::npos) {
        for (const std::string & pair : split(setting.substr(setting.find(':') + 1), ',')) {
            const std::string key   = pair.substr(0, pair.find('='));
            const float       value = (float) atof(pair.c_str() + std::min(pair.size(), key.size() + 1));
            if      (key == "n")     { map.size_n = (uint16_t) value; }
            else if (key == "m")     { map.size_m = (uint16_t) value; }
            else if (key == "hits")  { map.min_hits = (uint16_t) value; }
            else if (key == "match") { d->params.ngram_mod.n_match = (int) value; }
            else if (key == "min")   { (by_model ? d->params.draft.n_min : d->params.ngram_mod.n_min) = (int) value; }
            else if (key == "max")   { (by_model ? d->params.draft.n_max : d->params.ngram_mod.n_max) = (int) value; }
            else if (key == "p")     { d->params.draft.p_min = value; }
            else                     { give_up("unknown number " + key + " in " + setting); }
        }
    }
    return d;
}

static bool decode(const model & m, const llama_tokens & tokens, int from, int to, int position, bool all_rows, llama_batch & batch) {
    common_batch_clear(batch);
    for (int i = from; i < to; i++) {
        common_batch_add(batch, tokens[(size_t) i], position + i - from, { 0 }, all_rows);
    }
    return llama_decode(m.context, batch) == 0;
}

static void forget(const model & m, int from) { llama_memory_seq_rm(llama_get_memory(m.context), 0, from, -1); }

struct answer {
    llama_tokens tokens;
    int          steps   = 0;
    double       seconds = 0;

    double speed() const { return (double) tokens.size() / seconds; }
};

// Of a prompt that the target holds but for its last token. d: NULL = one token at a time.
static answer generate(const model & target, drafter * d, const llama_tokens & prompt, llama_batch & batch) {
    const llama_vocab * vocab   = llama_model_get_vocab(target.weights);
    const int           n_vocab = llama_vocab_n_tokens(vocab);
    llama_tokens text(prompt.begin(), prompt.end() - 1);
    llama_token  last = prompt.back();
    forget(target, (int) text.size());
    if (d) {
        if (!d->spec || !d->keeps) {
            d->spec.reset(common_speculative_init(d->params, 1));
            if (!d->spec) {
                give_up(d->setting + " cannot be used");
            }
        }
        if (llama_context * draft = d->params.draft.ctx_dft) {
            llama_memory_clear(llama_get_memory(draft), true);
        }
        common_batch_clear(batch);
        for (size_t i = 0; i < text.size(); i++) {
            common_batch_add(batch, text[i], (llama_pos) i, { 0 }, false);
        }
        if (!common_speculative_process(d->spec.get(), batch)) {
            give_up("the prompt cannot be processed");
        }
        common_speculative_begin(d->spec.get(), 0, text);
    }
    answer a;
    llama_tokens rows;
    const double start = now();
    for (bool is_end = false; !is_end && (int) a.tokens.size() < n_predict;) {
        llama_tokens guess;
        const int room = std::min(n_predict - (int) a.tokens.size() - 1, MOST_ROWS - 1);
        if (d && room > 0) {
            common_speculative_get_draft_params(d->spec.get(), 0) = { true, room, (llama_pos) text.size(), last, &text, &guess };
            common_speculative_draft(d->spec.get());
            if (llama_context * draft = d->params.draft.ctx_dft) {
                llama_memory_seq_rm(llama_get_memory(draft), 0, (llama_pos) text.size(), -1);
            }
        }
        rows.assign(1, last);
        rows.insert(rows.end(), guess.begin(), guess.end());
        if (!decode(target, rows, 0, (int) rows.size(), (int) text.size(), true, batch)) {
            give_up("decode failed");
        }
        if (d && !common_speculative_process(d->spec.get(), batch)) {
            give_up("a batch cannot be processed");
        }
        a.steps++;
        int n = 0; // tokens that came of it
        for (;;) {
            const float * row = llama_get_logits_ith(target.context, n);
            const llama_token token = (llama_token) (std::max_element(row, row + n_vocab) - row);
            text.push_back(last);
            last = token;
            a.tokens.push_back(token);
            is_end = !raw && llama_vocab_is_eog(vocab, token);
            if (n == (int) guess.size() || guess[(size_t) n] != token || is_end) {
                break;
            }
            n++;
        }
        if (d) {
            common_speculative_accept(d->spec.get(), 0, (uint16_t) n);
            if (llama_context * draft = d->params.draft.ctx_dft) {
                llama_memory_seq_rm(llama_get_memory(draft), 0, (llama_pos) text.size(), -1);
            }
        }
        forget(target, (int) text.size());
    }
    a.seconds = now() - start;
    return a;
}

struct result {
    std::string         id;
    std::vector<double> speedups;
    double              seconds = 0;
    double              tokens  = 0;

    void add(double speedup, const answer & a) {
        speedups.push_back(speedup);
        seconds += a.seconds;
        tokens  += (double) a.tokens.size();
    }
    double speed() const { return seconds > 0 ? tokens / seconds : 0; }
};

int main(int argc, char ** argv) {
    std::string path;
    std::string draft_path;
    std::string files;
    int limit = 1000000;
    int tune  = 3;
    std::vector<std::string> settings;
    for (int i = 1; i < argc; i++) {
        const std::string a = argv[i];
        const auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
        if      (a == "--prompts")     { files = value(); }
        else if (a == "--draft-model") { draft_path = value(); }
        else if (a == "-n")            { n_predict = atoi(value().c_str()); }
        else if (a == "-t")            { threads = atoi(value().c_str()); }
        else if (a == "--limit")       { limit = atoi(value().c_str()); }
        else if (a == "--tune")        { tune = std::max(1, atoi(value().c_str())); }
        else if (a == "--setting")     { settings.push_back(value()); }
        else if (a == "--raw")         { raw = true; }
        else                           { path = a; }
    }
    if (path.empty() || files.empty()) {
        give_up("a model and --prompts are needed");
    }
    if (settings.empty()) {
        settings = {
            "ngram-simple", "ngram-simple:n=3,m=7", "ngram-simple:n=3,m=15", "ngram-simple:n=5,m=15",
            "ngram-map-k", "ngram-map-k:n=3,m=7", "ngram-map-k:n=5,m=15",
            "ngram-map-k4v", "ngram-map-k4v:n=3,m=7", "ngram-map-k4v:n=5,m=15",
            "ngram-mod", "ngram-mod:match=4,min=1,max=7", "ngram-mod:match=16,min=4,max=15",
            "ngram-cache",
        };
        if (!draft_path.empty()) {
            settings.insert(settings.end(), { "draft-simple", "draft-simple:max=7,p=0.6", "draft-simple:max=15,p=0.8" });
        }
    }
    common_log_set_verbosity_thold(-1);
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    ggml_backend_load_all();
    ggml_threadpool_params pool_params = ggml_threadpool_params_default(threads);
    pool = ggml_threadpool_new(&pool_params);
    const auto categories = read_prompts(files, (size_t) limit);

    const int   n_ctx  = 4096;
    const model target = load(path, n_ctx);
    const model draft  = draft_path.empty() ? model() : load(draft_path, n_ctx);
    const char * kernels = getenv("GGML_BACKEND_PATH") ? "chasqui" : "stock";
    const std::string name = path.substr(path.find_last_of('/') + 1);
    const auto templates = common_chat_templates_init(target.weights, "");
    llama_batch batch = llama_batch_init(n_ctx, 0, 1);

    std::vector<std::unique_ptr<drafter>> drafters;
    for (const std::string & setting : settings) {
        drafters.push_back(parse_setting(setting, target, setting.rfind("draft", 0) == 0 ? draft : model()));
    }
    fprintf(stderr, "| prompts | n | best of llama.cpp's (%s kernels) | over plain decoding with them |\n|---|---|---|---|\n", kernels);
    for (const auto & [category, prompts] : categories) {
        std::map<std::string, result> results; // by setting
        std::map<std::string, std::string> best; // by type: its setting
        for (size_t at = 0; at < prompts.size(); at++) {
            if ((int) at == tune) {
                for (const auto & d : drafters) {
                    std::string & b = best[d->type];
                    b = b.empty() || results[d->setting].speed() > results[b].speed() ? d->setting : b;
                }
            }
            const llama_vocab * vocab = llama_model_get_vocab(target.weights);
            const llama_tokens tokens = raw ? common_tokenize(vocab, prompts[at].text, true, false) : tokens_of(vocab, templates.get(), prompts[at].text);
            if ((int) tokens.size() + n_predict + MOST_ROWS > n_ctx) {
                give_up(prompts[at].id + " is too long");
            }
            llama_memory_clear(llama_get_memory(target.context), true);
            const double start = now();
            if (tokens.size() > 1 && !decode(target, tokens, 0, (int) tokens.size() - 1, 0, false, batch)) {
                give_up("decode failed");
            }
            llama_synchronize(target.context);
            const double prompt_speed = (double) (tokens.size() - 1) / (now() - start);
            answer plain = generate(target, nullptr, tokens, batch);
            std::vector<std::pair<drafter *, answer>> answers;
            for (const auto & d : drafters) {
                if (best.empty() || best[d->type] == d->setting) {
                    answers.push_back({ d.get(), generate(target, d.get(), tokens, batch) });
                }
            }
            plain.seconds = (plain.seconds + generate(target, nullptr, tokens, batch).seconds) / 2;
            for (const auto & [d, a] : answers) {
                results[d->setting].add(a.speed() / plain.speed(), a);
                printf("{\"comparison\":\"llama.cpp's speculation\",\"kernels\":\"%s\",\"model\":\"%s\",\"threads\":%d,\"id\":\"%s\",\"category\":\"%s\","
                       "\"drafter\":\"%s\",\"tokens\":%zu,\"prompt_tps\":%.3f,\"plain_tps\":%.3f,\"spec_tps\":%.3f,\"over_plain\":%.4f,\"mean_accepted\":%.3f,\"identical\":%s}\n",
                    kernels, name.c_str(), threads, prompts[at].id.c_str(), category.c_str(), d->setting.c_str(), a.tokens.size(), prompt_speed, plain.speed(), a.speed(),
                    a.speed() / plain.speed(), (double) a.tokens.size() / a.steps, a.tokens == plain.tokens ? "true" : "false");
                fflush(stdout);
            }
        }
        const std::pair<const std::string, result> * most = nullptr;
        for (const auto & r : results) {
            if (r.second.speedups.size() == prompts.size() && (!most || median(r.second.speedups) > median(most->second.speedups))) {
                most = &r;
            }
        }
        if (most) {
            printf("{\"comparison\":\"llama.cpp's speculation\",\"kernels\":\"%s\",\"model\":\"%s\",\"threads\":%d,\"summary\":\"%s\",\"prompts\":%zu,"
                   "\"drafter\":\"%s\",\"spec_tps\":%.3f,\"median_over_plain\":%.4f}\n",
                kernels, name.c_str(), threads, category.c_str(), prompts.size(), most->first.c_str(), most->second.speed(), median(most->second.speedups));
            fflush(stdout);
            fprintf(stderr, "| %s | %zu | %s | %.2f |\n", category.c_str(), prompts.size(), most->first.c_str(), median(most->second.speedups));
        }
    }
    drafters.clear();
    llama_batch_free(batch);
    for (const model & m : { target, draft }) {
        llama_free(m.context);
        llama_model_free(m.weights);
    }
    ggml_threadpool_free(pool);
    return 0;
}
