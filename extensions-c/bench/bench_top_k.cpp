// What a batch of n rows costs when every row's logits are wanted, and when only the best tokens of each row are.
//
//   bench_top_k MODEL [-t THREADS] [-r ROUNDS] [-d DEPTH] [-k K] [-n N,N,...] [-f 0|1] [--json]
//
// One context, in turns: logits, best tokens, logits, ... each turn computes DEPTH tokens and then all n. Medians over the rounds.
#include "timing.h"

#include "chasqui.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

static void check(chq_status status) {
    if (status != CHQ_STATUS_OK) {
        fprintf(stderr, "%s\n", chq_last_error());
        exit(1);
    }
}

int main(int argc, char ** argv) {
    std::string path;
    std::vector<int> counts = { 1, 2, 4, 8, 16, 32 };
    int  threads = 2;
    int  rounds  = 7;
    int  depth   = 512;
    int  k       = 8;
    int  flash   = -1;
    bool json    = false;
    for (int i = 1; i < argc; i++) {
        const std::string a = argv[i];
        const auto value = [&] { return i + 1 < argc ? argv[++i] : (char *) ""; };
        if      (a == "-t")     { threads = atoi(value()); }
        else if (a == "-r")     { rounds = atoi(value()); }
        else if (a == "-d")     { depth = atoi(value()); }
        else if (a == "-k")     { k = atoi(value()); }
        else if (a == "-f")     { flash = atoi(value()); }
        else if (a == "--json") { json = true; }
        else if (a == "-n")     {
            counts.clear();
            for (char * p = strtok(value(), ","); p; p = strtok(nullptr, ",")) {
                counts.push_back(atoi(p));
            }
        }
        else                    { path = a; }
    }
    if (path.empty() || threads < 1 || rounds < 1 || depth < 1 || counts.empty()) {
        fprintf(stderr, "usage: bench_top_k MODEL [-t THREADS] [-r ROUNDS] [-d DEPTH] [-k K] [-n N,N,...] [-f 0|1] [--json]\n");
        return 2;
    }
    check(chq_runtime_init(nullptr));
    chq_model * model = nullptr;
    check(chq_model_load(path.c_str(), nullptr, CHQ_KERNELS_ON, &model));
    llama_context_params params = llama_context_default_params();
    params.n_ctx           = depth + 256;
    params.n_batch         = 512;
    params.n_outputs_max   = 64;
    params.n_threads       = threads;
    params.n_threads_batch = threads;
    if (flash >= 0) {
        params.flash_attn_type = flash ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
    }
    chq_context * context = nullptr;
    check(chq_context_create(model, &params, 50, &context));
    const int n_vocab = llama_vocab_n_tokens(llama_model_get_vocab(chq_model_llama(model)));
    std::vector<int32_t> tokens;
    for (int i = 0; i < depth + 64; i++) {
        tokens.push_back((int) ((1000u + (unsigned) i * 7919u) % (unsigned) n_vocab));
    }

    std::vector<std::vector<double>> times[2];
    for (auto & t : times) {
        t.resize(counts.size());
    }
    for (int round = 0; round < 2 * rounds; round++) {
        const int mode = round % 2;
        check(chq_context_clear(context));
        check(chq_context_set_top_k(context, mode ? k : 0));
        check(chq_decode(context, 0, tokens.data(), depth, CHQ_OUTPUT_LAST, nullptr));
        for (int repetition = 0; repetition < 4; repetition++) {
            for (size_t i = 0; i < counts.size(); i++) {
                const double start = now();
                check(chq_decode(context, 0, tokens.data() + depth, counts[i], CHQ_OUTPUT_ALL, nullptr));
                int32_t n_rows = 0;
                if (mode) {
                    const int32_t * best;
                    const float   * logits;
                    int32_t n_best;
                    check(chq_top_k(context, &best, &logits, &n_rows, &n_best));
                } else {
                    // what whoever asked for the logits does with them at least
                    const float * logits;
                    check(chq_logits(context, &logits, &n_rows));
                    std::vector<int32_t> best((size_t) n_rows * k);
                    check(chq_rows_top_k(logits, n_rows, n_vocab, n_vocab, k, best.data(), nullptr));
                }
                const double seconds = now() - start;
                check(chq_seq_remove(context, 0, depth, -1));
                if (repetition > 0) {
                    times[mode][i].push_back(seconds);
                }
            }
        }
    }
    const std::string name = path.substr(path.find_last_of('/') + 1);
    if (!json) {
        printf("%s, %d threads, depth %d, best %d, %d rounds\n", name.c_str(), threads, depth, k, rounds);
    }
    for (size_t i = 0; i < counts.size(); i++) {
        const double all  = median(times[0][i]);
        const double best = median(times[1][i]);
        const double all1  = median(times[0][0]);
        const double best1 = median(times[1][0]);
        if (json) {
            printf("{\"comparison\":\"top-k\",\"model\":\"%s\",\"threads\":%d,\"depth\":%d,\"rows\":%d,\"logits_ms\":%.3f,\"top_k_ms\":%.3f,"
                   "\"logits_rows_cost\":%.3f,\"top_k_rows_cost\":%.3f}\n", name.c_str(), threads, depth, counts[i], all * 1e3, best * 1e3, all / all1, best / best1);
        } else {
            printf("%3d rows: logits %8.2f ms, t(n)/t(%d) = %.2f   best %8.2f ms, t(n)/t(%d) = %.2f\n", counts[i], all * 1e3, counts[0], all / all1,
                best * 1e3, counts[0], best / best1);
        }
    }
    chq_context_free(context);
    chq_model_free(model);
}
