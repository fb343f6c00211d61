// What loading a model costs with Chasqui's kernels, in seconds and in memory, against llama.cpp's own.
//
//   bench_load MODEL [-r ROUNDS] [-c FOLDER] [-t THREADS] [--auto] [--json]
//
// Each load is the first of a process of its own, as a command's is; the sides take turns, and the page cache has the file.
// Medians over the rounds, and the median of their ratio. The peak is of resident memory while the process lived, mapped files included.
//
// -c: a third side with a cache of packed weights in that folder, and what generation with its mapped pages costs against plain memory
// (32 tokens, in one process and in turns). --auto: formats that lose the trial stay with the stock kernels.
#include "timing.h"

#include "chasqui.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

static void check(chq_status status) {
    if (status != CHQ_STATUS_OK) {
        fprintf(stderr, "%s\n", chq_last_error());
        exit(1);
    }
}

// Of getrusage's peak a child inherits what its parent had.
static double peak_bytes() {
    FILE * status = fopen("/proc/self/status", "r");
    char line[256];
    double kib = 0;
    while (status && fgets(line, sizeof(line), status)) {
        sscanf(line, "VmHWM: %lf", &kib);
    }
    if (status) {
        fclose(status);
    }
    return kib * 1024;
}

struct cost {
    double seconds;
    double peak;
};

static std::string cache;
static int32_t     mode = CHQ_KERNELS_ON;

static chq_model * load(const std::string & path, int32_t kernels, bool cached) {
    chq_model * model = nullptr;
    check(chq_model_load_cached(path.c_str(), nullptr, kernels, cached ? cache.c_str() : "", (uint64_t) 1 << 40, &model));
    return model;
}

static int load_one(const std::string & path, const std::string & side) {
    check(chq_runtime_init(nullptr));
    const double start = now();
    load(path, side == "stock" ? CHQ_KERNELS_OFF : mode, side == "cached");
    printf("%.6f %.0f\n", now() - start, peak_bytes());
    return 0;
}

static cost load_in_process(const char * program, const char * path, const char * side) {
    int ends[2];
    if (pipe(ends) != 0) {
        exit(1);
    }
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        execl(program, program, path, "--one", side, "-c", cache.c_str(), mode == CHQ_KERNELS_AUTO ? "--auto" : (char *) nullptr, (char *) nullptr);
        _exit(127);
    }
    close(ends[1]);
    FILE * answer = fdopen(ends[0], "r");
    cost c {};
    const bool complete = fscanf(answer, "%lf %lf", &c.seconds, &c.peak) == 2;
    fclose(answer);
    waitpid(child, nullptr, 0);
    if (!complete) {
        fprintf(stderr, "%s cannot be loaded\n", path);
        exit(1);
    }
    return c;
}

// Generation with the pages of a cache against plain memory.
static void compare_pages(const std::string & path, const std::string & name, int threads, int rounds, bool json) {
    check(chq_runtime_init(nullptr));
    chq_context * contexts[2];
    int32_t n_vocab = 0;
    for (int cached = 0; cached < 2; cached++) {
        chq_model * model = load(path, mode, cached);
        llama_context_params params = llama_context_default_params();
        params.n_ctx           = 256;
        params.n_threads       = threads;
        params.n_threads_batch = threads;
        check(chq_context_create(model, &params, 50, &contexts[cached]));
        n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(chq_model_llama(model)));
    }
    std::vector<double> seconds[2];
    std::vector<double> ratio;
    for (int r = -1; r < rounds; r++) {
        double of[2] = {};
        for (int turn = 0; turn < 4; turn++) {
            const int cached = turn == 1 || turn == 2; // neither side always follows the other
            check(chq_context_clear(contexts[cached]));
            for (int i = 0; i < 33; i++) {
                const int32_t token = (int32_t) ((1000u + (unsigned) i * 7919u) % (unsigned) n_vocab);
                const double start = now();
                check(chq_decode(contexts[cached], 0, &token, 1, CHQ_OUTPUT_LAST, nullptr));
                of[cached] += i > 0 ? now() - start : 0; // the first finds the other side's weights in the caches
            }
        }
        if (r >= 0) {
            seconds[0].push_back(of[0] / 64);
            seconds[1].push_back(of[1] / 64);
            ratio.push_back(of[0] / of[1]);
        }
    }
    const auto [low, high] = std::minmax_element(ratio.begin(), ratio.end());
    if (json) {
        printf("{\"comparison\":\"mapped pages\",\"model\":\"%s\",\"threads\":%d,\"rounds\":%d,\"plain_ms\":%.3f,\"mapped_ms\":%.3f,"
               "\"median_ratio\":%.4f,\"min_ratio\":%.4f,\"max_ratio\":%.4f}\n", name.c_str(), threads, rounds, median(seconds[0]) * 1e3,
            median(seconds[1]) * 1e3, median(ratio), *low, *high);
    } else {
        printf("%s token   %7.2f ms plain, %7.2f ms mapped: %.3f x the speed (%.3f to %.3f)\n", name.c_str(), median(seconds[0]) * 1e3,
            median(seconds[1]) * 1e3, median(ratio), *low, *high);
    }
}

struct side {
    const char        * name;
    std::vector<double> seconds;
    std::vector<double> peak;
    std::vector<double> slower; // than stock, in the same round
    std::vector<double> larger;
};

int main(int argc, char ** argv) {
    std::string path;
    std::string one;
    int  rounds  = 9;
    int  threads = 2;
    bool json    = false;
    for (int i = 1; i < argc; i++) {
        const std::string a = argv[i];
        const auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
        if      (a == "-r")     { rounds = atoi(value()); }
        else if (a == "-c")     { cache = value(); }
        else if (a == "-t")     { threads = atoi(value()); }
        else if (a == "--one")  { one = value(); }
        else if (a == "--auto") { mode = CHQ_KERNELS_AUTO; }
        else if (a == "--json") { json = true; }
        else                    { path = a; }
    }
    if (path.empty() || rounds < 1) {
        fprintf(stderr, "usage: bench_load MODEL [-r ROUNDS] [-c FOLDER] [-t THREADS] [--auto] [--json]\n");
        return 2;
    }
    if (!one.empty()) {
        return load_one(path, one);
    }
    std::vector<side> sides { { "stock", {}, {}, {}, {} }, { "ours", {}, {}, {}, {} } };
    if (!cache.empty()) {
        sides.push_back({ "cached", {}, {}, {}, {} });
    }
    for (int r = -1; r < rounds; r++) { // the first round warms the page cache and fills the other
        cost stock {};
        for (side & s : sides) {
            const cost c = load_in_process(argv[0], path.c_str(), s.name);
            if (&s == &sides[0]) {
                stock = c;
            }
            if (r >= 0) {
                s.seconds.push_back(c.seconds);
                s.peak.push_back(c.peak);
                s.slower.push_back(c.seconds / stock.seconds);
                s.larger.push_back(c.peak / stock.peak);
            }
        }
    }
    const std::string name = path.substr(path.find_last_of('/') + 1);
    for (const side & s : sides) {
        if (json) {
            printf("{\"comparison\":\"load\",\"model\":\"%s\",\"side\":\"%s\",\"rounds\":%d,\"seconds\":%.4f,\"peak_bytes\":%.0f,"
                   "\"median_ratio\":%.4f,\"peak_ratio\":%.4f}\n", name.c_str(), s.name, rounds, median(s.seconds), median(s.peak),
                median(s.slower), median(s.larger));
        } else {
            const auto [low, high] = std::minmax_element(s.slower.begin(), s.slower.end());
            printf("%s %-7s %7.3f s, %.2f x stock (%.2f to %.2f); peak %7.1f MB, %.3f x\n", name.c_str(), s.name, median(s.seconds),
                median(s.slower), *low, *high, median(s.peak) / 1e6, median(s.larger));
        }
    }
    if (!cache.empty()) {
        fflush(stdout);
        compare_pages(path, name, threads, rounds, json);
    }
}
