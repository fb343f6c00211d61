// Steps of one token with full and with sparse attention, in turns, and how far their logits are apart.
//
//   bench_sparse MODEL TEXT [-t THREADS] [-d DEPTH,DEPTH,...] [-n STEPS] [-r ROUNDS] [-b SHARE] [-s SELECTOR] [-k KV_TYPE] [--refresh N] [--layers N]
//
// TEXT is a file whose tokens are the context and what follows it. Times are medians over all steps, in milliseconds.
#include "timing.h"

#include "chasqui.h"
#include "chasqui_kv.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

static void check(chq_status status) {
    if (status != CHQ_STATUS_OK) {
        fprintf(stderr, "%s\n", chq_last_error());
        exit(1);
    }
}

static double divergence(const float * p, const float * q, int n) {
    double top_p = -1e30;
    double top_q = -1e30;
    for (int i = 0; i < n; i++) {
        top_p = std::max(top_p, (double) p[i]);
        top_q = std::max(top_q, (double) q[i]);
    }
    double sum_p = 0;
    double sum_q = 0;
    for (int i = 0; i < n; i++) {
        sum_p += exp(p[i] - top_p);
        sum_q += exp(q[i] - top_q);
    }
    double kl = 0;
    for (int i = 0; i < n; i++) {
        kl += exp(p[i] - top_p) / sum_p * ((p[i] - top_p - log(sum_p)) - (q[i] - top_q - log(sum_q)));
    }
    return kl;
}

int main(int argc, char ** argv) {
    std::vector<std::string> names;
    std::vector<int> depths = { 8192 };
    int   threads = 2;
    int   steps   = 16;
    int   rounds  = 3;
    int   kv      = GGML_TYPE_F16;
    chq_sparse_params params = chq_sparse_default_params();
    params.always = true;
    for (int i = 1; i < argc; i++) {
        const std::string a = argv[i];
        const auto value = [&] { return i + 1 < argc ? argv[++i] : (char *) "0"; };
        if      (a == "-t")        { threads = atoi(value()); }
        else if (a == "-n")        { steps = atoi(value()); }
        else if (a == "-r")        { rounds = atoi(value()); }
        else if (a == "-k")        { kv = atoi(value()); }
        else if (a == "-b")        { params.share = params.max_share = (float) atof(value()); }
        else if (a == "-s")        { params.selector = (chq_sparse_selector) atoi(value()); }
        else if (a == "--refresh") { params.refresh = atoi(value()); }
        else if (a == "--layers")  { params.layers = atoi(value()); }
        else if (a == "-d")        {
            depths.clear();
            for (char * p = strtok(value(), ","); p; p = strtok(nullptr, ",")) {
                depths.push_back(atoi(p));
            }
        }
        else                       { names.push_back(a); }
    }
    if (names.size() != 2 || depths.empty() || steps < 1 || rounds < 1) {
        fprintf(stderr, "usage: bench_sparse MODEL TEXT [-t THREADS] [-d DEPTH,...] [-n STEPS] [-r ROUNDS] [-b SHARE] [-s SELECTOR] [-k KV_TYPE] [--refresh N] [--layers N]\n");
        return 2;
    }
    std::ifstream file(names[1], std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    check(chq_runtime_init(nullptr));
    chq_model * model = nullptr;
    check(chq_model_load(names[0].c_str(), nullptr, CHQ_KERNELS_ON, &model));
    const llama_vocab * vocab = llama_model_get_vocab(chq_model_llama(model));
    std::vector<int32_t> tokens(text.str().size() + 16);
    tokens.resize((size_t) std::max(0, llama_tokenize(vocab, text.str().data(), (int) text.str().size(), tokens.data(), (int) tokens.size(), true, false)));
    const int deepest = *std::max_element(depths.begin(), depths.end());
    if ((int) tokens.size() < deepest + steps) {
        fprintf(stderr, "the text has %zu tokens, %d are needed\n", tokens.size(), deepest + steps);
        return 1;
    }
    llama_context_params context_params = llama_context_default_params();
    context_params.n_ctx           = (uint32_t) (deepest + steps + 256);
    context_params.n_batch         = 512;
    context_params.n_threads       = threads;
    context_params.n_threads_batch = threads;
    context_params.type_k = context_params.type_v = (ggml_type) kv;
    context_params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    chq_context * context = nullptr;
    check(chq_context_create(model, &context_params, 50, &context));
    const int n_vocab = llama_vocab_n_tokens(vocab);
    int filled = 0;
    for (int depth : depths) {
        check(chq_context_set_sparse(context, nullptr));
        check(chq_decode(context, 0, tokens.data() + filled, depth - filled, CHQ_OUTPUT_NONE, nullptr));
        filled = depth;
        std::vector<double> times[2];
        std::vector<float>  dense((size_t) steps * (size_t) n_vocab);
        double kl = 0;
        chq_sparse_stats stats;
        for (int turn = 0; turn < 2 * rounds; turn++) {
            const bool sparse = turn % 2;
            check(chq_context_set_sparse(context, sparse ? &params : nullptr));
            for (int i = 0; i < steps; i++) {
                const double start = now();
                check(chq_decode(context, 0, tokens.data() + depth + i, 1, CHQ_OUTPUT_LAST, nullptr));
                const float * row = nullptr;
                int32_t n = 0;
                check(chq_logits(context, &row, &n));
                if (i > 0) {
                    times[sparse].push_back(1e3 * (now() - start));
                }
                if (turn == 0) {
                    memcpy(dense.data() + (size_t) i * (size_t) n_vocab, row, (size_t) n_vocab * sizeof(float));
                } else if (turn == 1) {
                    kl += divergence(dense.data() + (size_t) i * (size_t) n_vocab, row, n_vocab) / steps;
                }
            }
            if (sparse) {
                check(chq_context_sparse_stats(context, &stats));
            }
            check(chq_seq_remove(context, 0, depth, -1));
        }
        printf("depth %d: dense %.2f ms, sparse %.2f ms, %.2fx; cells %.4f, missing %.4f, KL %.5f, sketch %.1f MiB, sparse steps %lld of %lld\n", depth,
            median(times[0]), median(times[1]), median(times[0]) / median(times[1]), stats.cells, stats.missing, kl, (double) stats.sketch_bytes / (1 << 20),
            (long long) stats.sparse_steps, (long long) stats.steps);
        fflush(stdout);
    }
    check(chq_context_free(context));
    check(chq_model_free(model));
}
