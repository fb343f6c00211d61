// What loading a model costs with Chasqui's kernels, in seconds and in memory, against llama.cpp's own.
//
//   bench_load MODEL [-r ROUNDS] [--json]
//
// Each load is the first of a process of its own, as a command's is; the sides take turns, and the page cache has the file.
// Medians over the rounds, and the median of their ratio. The peak is of resident memory while the process lived, mapped files included.
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

static int load_one(const char * path, int32_t kernels) {
    check(chq_runtime_init(nullptr));
    const double start = now();
    chq_model * model = nullptr;
    check(chq_model_load(path, nullptr, kernels, &model));
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
        execl(program, program, path, "--one", side, (char *) nullptr);
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

struct side {
    const char        * name;
    std::vector<double> seconds;
    std::vector<double> peak;
    std::vector<double> slower; // than stock, in the same round
    std::vector<double> larger;
};

int main(int argc, char ** argv) {
    std::string path;
    const char * one = nullptr;
    int  rounds = 9;
    bool json   = false;
    for (int i = 1; i < argc; i++) {
        const std::string a = argv[i];
        const auto value = [&] { return i + 1 < argc ? argv[++i] : ""; };
        if      (a == "-r")     { rounds = atoi(value()); }
        else if (a == "--one")  { one = value(); }
        else if (a == "--json") { json = true; }
        else                    { path = a; }
    }
    if (path.empty() || rounds < 1) {
        fprintf(stderr, "usage: bench_load MODEL [-r ROUNDS] [--json]\n");
        return 2;
    }
    if (one) {
        return load_one(path.c_str(), strcmp(one, "stock") == 0 ? CHQ_KERNELS_OFF : CHQ_KERNELS_AUTO);
    }
    std::vector<side> sides { { "stock", {}, {}, {}, {} }, { "ours", {}, {}, {}, {} } };
    for (int r = -1; r < rounds; r++) { // the first round warms the page cache
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
}
