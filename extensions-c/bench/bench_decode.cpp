// A model with and without Chasqui's kernels, in one process and in turns, so that a machine whose speed drifts treats both alike.
//
//   bench_decode MODEL [-t THREADS] [-r ROUNDS] [-d DEPTH] [-n N,N,...] [-p 0|1] [-f 0|1] [-o all|last] [-k KERNELS] [--auto] [--json]
//
// pp512: 512 tokens into an empty context, logits of the last. tg32: 32 tokens one by one into an empty context. n = 1, 2, ...: a batch of n
// rows behind DEPTH tokens (default 512), logits of all rows (or, with -o last, of the last). One figure is the time of the stock kernels and
// of ours, medians over the rounds, and the median of their ratio; for n rows also what they cost in units of one row.
// -p 0 leaves pp512 out. -f: flash attention off or on, default llama.cpp's choice.
//
// KERNELS: path of libggml-chasqui, default the one beside this program's folder. --auto: formats that lose the trial stay with the stock kernels.
#include "timing.h"

#include "ggml-backend.h"
#include "ggml-cpu.h"
#include "llama.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

struct side {
    llama_model   * model = nullptr;
    llama_context * ctx   = nullptr;
    bool            own   = false; // with Chasqui's kernels
    double          load_seconds = 0;
};

static int  threads   = 2;
static int  depth     = 512;
static bool all_rows  = true;
static llama_flash_attn_type flash_attention = LLAMA_FLASH_ATTN_TYPE_AUTO;

static ggml_threadpool * pool = nullptr;
static void (*set_attention)(const void * pool, int on) = nullptr;

static side load(const char * path, bool own) {
    side s;
    s.own = own;
    const double start = now();
    s.model = llama_model_load_from_file(path, llama_model_default_params());
    s.load_seconds = now() - start;
    if (!s.model) {
        fprintf(stderr, "%s cannot be loaded\n", path);
        exit(1);
    }
    llama_context_params params = llama_context_default_params();
    params.n_ctx           = std::max(depth, 512) + 256;
    params.n_batch         = 512;
    params.n_ubatch        = 512;
    params.n_outputs_max   = 64;
    params.n_threads       = threads;
    params.n_threads_batch = threads;
    params.flash_attn_type = flash_attention;
    params.no_perf         = true;
    s.ctx = llama_init_from_model(s.model, params);
    if (!s.ctx) {
        fprintf(stderr, "no context\n");
        exit(1);
    }
    llama_attach_threadpool(s.ctx, pool, nullptr);
    return s;
}

// Seconds of one decode of n tokens from position p0 on.
static double decode(side & s, llama_batch & batch, int p0, int n, bool all) {
    const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(s.model));
    batch.n_tokens = n;
    for (int i = 0; i < n; i++) {
        batch.token[i]     = (int) ((1000u + (unsigned) (p0 + i) * 7919u) % (unsigned) n_vocab);
        batch.pos[i]       = p0 + i;
        batch.n_seq_id[i]  = 1;
        batch.seq_id[i][0] = 0;
        batch.logits[i]    = all || i == n - 1;
    }
    set_attention(pool, s.own);
    const double start = now();
    if (llama_decode(s.ctx, batch) != 0) {
        fprintf(stderr, "decode failed\n");
        exit(1);
    }
    llama_synchronize(s.ctx);
    return now() - start;
}

static void forget(side & s, int from) { llama_memory_seq_rm(llama_get_memory(s.ctx), 0, from, -1); }

struct figure {
    std::string         name;
    int                 tokens = 0;
    std::vector<double> stock;
    std::vector<double> ours;
    std::vector<double> ratio;

    void add(double a, double b) {
        stock.push_back(a);
        ours.push_back(b);
        ratio.push_back(a / b);
    }
};

static void print(const figure & f, const figure * one, bool json, const char * model) {
    const auto [low, high] = std::minmax_element(f.ratio.begin(), f.ratio.end());
    const double cost = one ? median(f.ours) / median(one->ours) : 0;
    if (json) {
        printf("{\"comparison\":\"kernels\",\"model\":\"%s\",\"test\":\"%s\",\"threads\":%d,\"rounds\":%zu,\"stock_ms\":%.3f,\"ours_ms\":%.3f,"
               "\"median_ratio\":%.4f,\"min_ratio\":%.4f,\"max_ratio\":%.4f", model, f.name.c_str(), threads, f.ratio.size(),
            median(f.stock) * 1e3, median(f.ours) * 1e3, median(f.ratio), *low, *high);
        if (one) {
            printf(",\"rows_cost\":%.3f,\"stock_rows_cost\":%.3f", cost, median(f.stock) / median(one->stock));
        }
        printf("}\n");
    } else {
        printf("%-6s stock %8.2f ms (%7.1f t/s)  ours %8.2f ms (%7.1f t/s)  %5.2f x (%.2f to %.2f)", f.name.c_str(), median(f.stock) * 1e3,
            f.tokens / median(f.stock), median(f.ours) * 1e3, f.tokens / median(f.ours), median(f.ratio), *low, *high);
        if (one) {
            printf("  t(n)/t(1) = %.2f (stock %.2f)", cost, median(f.stock) / median(one->stock));
        }
        printf("\n");
    }
    fflush(stdout);
}

int main(int argc, char ** argv) {
    std::string path;
    std::string program = argv[0];
    std::string kernels = program.substr(0, program.find_last_of('/') + 1) + "../libggml-chasqui.so";
    std::vector<int> counts = { 1, 2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 64 };
    int  rounds = 7;
    int  mode   = 1; // on
    bool json   = false;
    bool prompts = true;
    for (int i = 1; i < argc; i++) {
        const std::string a = argv[i];
        const auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
        if      (a == "-t")     { threads = atoi(value()); }
        else if (a == "-r")     { rounds = atoi(value()); }
        else if (a == "-d")     { depth = atoi(value()); }
        else if (a == "-k")     { kernels = value(); }
        else if (a == "-o")     { all_rows = strcmp(value(), "last") != 0; }
        else if (a == "-p")     { prompts = atoi(value()) > 0; }
        else if (a == "-f")     { flash_attention = atoi(value()) ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED; }
        else if (a == "--auto") { mode = 0; }
        else if (a == "--json") { json = true; }
        else if (a == "-n")     {
            counts.clear();
            for (char * p = strtok((char *) value(), ","); p; p = strtok(nullptr, ",")) {
                counts.push_back(atoi(p));
            }
        }
        else                    { path = a; }
    }
    if (path.empty() || threads < 1 || rounds < 1) {
        fprintf(stderr, "usage: bench_decode MODEL [-t THREADS] [-r ROUNDS] [-d DEPTH] [-n N,N,...] [-p 0|1] [-f 0|1] [-o all|last] [-k KERNELS] [--auto] [--json]\n");
        return 2;
    }
    llama_log_set([](ggml_log_level level, const char * text, void *) {
        if (level == GGML_LOG_LEVEL_ERROR || strstr(text, "chasqui-kernels")) {
            fputs(text, stderr);
        }
    }, nullptr);
    llama_backend_init();
    ggml_backend_load_all();
    ggml_backend_reg_t reg = ggml_backend_load(kernels.c_str());
    auto set_mode = reg ? (void (*)(int)) ggml_backend_reg_get_proc_address(reg, "chasqui_kernels_set_mode") : nullptr;
    set_attention = reg ? (void (*)(const void *, int)) ggml_backend_reg_get_proc_address(reg, "chasqui_kernels_set_attention") : nullptr;
    if (!set_mode || !set_attention) {
        fprintf(stderr, "%s cannot be loaded\n", kernels.c_str());
        return 1;
    }
    ggml_backend_reg_t cpu = ggml_backend_dev_backend_reg(ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU));
    auto new_pool  = (decltype(ggml_threadpool_new) *)  ggml_backend_reg_get_proc_address(cpu, "ggml_threadpool_new");
    auto free_pool = (decltype(ggml_threadpool_free) *) ggml_backend_reg_get_proc_address(cpu, "ggml_threadpool_free");
    ggml_threadpool_params pool_params = ggml_threadpool_params_default(threads);
    pool = new_pool(&pool_params);

    // both from the page cache, in turns as well
    set_mode(2);
    side stock = load(path.c_str(), false);
    set_mode(mode);
    side ours = load(path.c_str(), true);
    const std::string name = path.substr(path.find_last_of('/') + 1);
    if (!json) {
        printf("%s, %d threads, depth %d, logits of %s rows, %d rounds; load %.2f s stock, %.2f s ours\n", name.c_str(), threads, depth,
            all_rows ? "all" : "the last", rounds, stock.load_seconds, ours.load_seconds);
    }
    llama_batch batch = llama_batch_init(512, 0, 1);

    figure pp { "pp512", 512, {}, {}, {} };
    const auto prompt = [&](side & s) {
        forget(s, 0);
        return decode(s, batch, 0, 512, false);
    };
    figure tg { "tg32", 32, {}, {}, {} };
    const auto generate = [&](side & s) {
        forget(s, 0);
        double seconds = 0;
        for (int i = 0; i < 32; i++) {
            seconds += decode(s, batch, i, 1, false);
        }
        return seconds;
    };
    if (prompts) {
        prompt(stock);
        prompt(ours);
        for (int r = 0; r < rounds; r++) {
            const double a = prompt(stock);
            double b = prompt(ours);
            b += prompt(ours);
            pp.add((a + prompt(stock)) / 2, b / 2);
        }
        print(pp, nullptr, json, name.c_str());
    }
    generate(stock);
    generate(ours);
    for (int r = 0; r < 2 * rounds; r++) {
        const double a = generate(stock);
        double b = generate(ours);
        b += generate(ours);
        tg.add((a + generate(stock)) / 2, b / 2);
    }
    print(tg, nullptr, json, name.c_str());

    for (side * s : { &stock, &ours }) {
        forget(*s, 0);
        for (int p = 0; p < depth; p += 512) {
            decode(*s, batch, p, std::min(512, depth - p), false);
        }
    }
    const auto rows = [&](side & s, int n) {
        const double seconds = decode(s, batch, depth, n, all_rows);
        forget(s, depth);
        return seconds;
    };
    std::vector<figure> figures;
    for (int n : counts) {
        figures.push_back({ std::to_string(n), n, {}, {}, {} });
    }
    for (int r = -1; r < rounds; r++) {
        for (figure & f : figures) {
            const int n = f.tokens;
            rows(stock, n); // each side runs twice, so that neither pays for the other's caches
            const double a = rows(stock, n);
            rows(ours, n);
            const double b = rows(ours, n);
            if (r >= 0) {
                f.add(a, b);
            }
        }
    }
    for (const figure & f : figures) {
        print(f, counts[0] == 1 ? &figures[0] : nullptr, json, name.c_str());
    }
    llama_batch_free(batch);
    for (side * s : { &stock, &ours }) {
        llama_free(s->ctx);
        llama_model_free(s->model);
    }
    free_pool(pool);
}
