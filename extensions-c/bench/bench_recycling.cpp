// Tokens per pass that recycled tokens alone give, by how many successors the table keeps and how many tokens are guessed. Nothing about time.
//
//   bench_recycling MODEL --prompts FILE,FILE,... [-w WARM] [-r PROMPTS] [-n TOKENS] [-t THREADS] [--json]
//
// Each prompt is answered once, one token at a time, and what the model rated best at each token is kept. Then the answers are gone through again for each
// pair of numbers: a table learns from the first WARM answers of a category (default 52) and guesses in the next PROMPTS (default 14), from which it learns as
// well. Rows of wrong guesses, of which a table learns in earnest, are not there.
#include "prompts.h"

#include "log.h"
#include "rows/rows.h"
#include "speculation/planner.h"

#include "ggml-backend.h"
#include "ggml-cpu.h"

#include <cmath>
#include <cstdio>
#include <cstdlib>

using namespace chq;

struct row {
    int32_t tokens[recycling::K];
    float   logits[recycling::K];
};

struct answer {
    llama_tokens         prompt;
    std::vector<int32_t> tokens;
    std::vector<row>     rows; // that each token was picked from
};

static answer generate(llama_context * context, const llama_tokens & prompt, int n, llama_batch & batch) {
    const llama_vocab * vocab = llama_model_get_vocab(llama_get_model(context));
    const int n_vocab = llama_vocab_n_tokens(vocab);
    answer a;
    a.prompt = prompt;
    llama_memory_clear(llama_get_memory(context), true);
    common_batch_clear(batch);
    for (size_t i = 0; i < prompt.size(); i++) {
        common_batch_add(batch, prompt[i], (llama_pos) i, { 0 }, i + 1 == prompt.size());
    }
    while ((int) a.tokens.size() < n) {
        if (llama_decode(context, batch) != 0) {
            throw std::runtime_error("decode failed");
        }
        row r;
        row_top_k(llama_get_logits_ith(context, -1), n_vocab, recycling::K, r.tokens, r.logits);
        a.rows.push_back(r);
        a.tokens.push_back(r.tokens[0]);
        if (llama_vocab_is_eog(vocab, r.tokens[0])) {
            break;
        }
        common_batch_clear(batch);
        common_batch_add(batch, r.tokens[0], (llama_pos) (prompt.size() + a.tokens.size() - 1), { 0 }, true);
    }
    return a;
}

// Goes through an answer; gives the passes that it would have taken.
static int replay(draft_memory & memory, const answer & a, int k, int n_nodes) {
    planner p(memory);
    p.begin(a.prompt.data(), (int32_t) a.prompt.size());
    chq_tree tree;
    int passes = 0;
    for (size_t at = 0; at < a.tokens.size(); passes++) {
        p.plan(tree, { CHQ_DRAFT_RECYCLED, n_nodes, CHQ_DRAFT_MAX + 1, CHQ_DRAFT_MAX, 0 }, pass_cost(), true);
        size_t  n    = 0;
        int32_t node = 0;
        while (node >= 0 && at + n < a.tokens.size()) {
            row r = a.rows[at + n];
            std::fill(r.logits + k, r.logits + recycling::K, -INFINITY);
            p.learn(tree, node, r.tokens, r.logits);
            node = tree.child(node, a.tokens[at + n]);
            n++;
        }
        for (size_t i = 0; i < n; i++) {
            p.add(a.tokens[at + i]);
        }
        at += n;
    }
    return passes;
}

static int run(int argc, char ** argv) {
    std::string path;
    std::string files;
    int warm    = 52;
    int rated   = 14;
    int n       = 96;
    int threads = 1;
    bool json   = false;
    for (int i = 1; i < argc; i++) {
        const std::string a = argv[i];
        const auto value = [&]() -> std::string { return i + 1 < argc ? argv[++i] : ""; };
        if      (a == "--prompts") { files = value(); }
        else if (a == "-w")        { warm = atoi(value().c_str()); }
        else if (a == "-r")        { rated = atoi(value().c_str()); }
        else if (a == "-n")        { n = atoi(value().c_str()); }
        else if (a == "-t")        { threads = atoi(value().c_str()); }
        else if (a == "--json")    { json = true; }
        else                       { path = a; }
    }
    if (path.empty() || files.empty() || warm < 0 || rated < 1) {
        fprintf(stderr, "usage: bench_recycling MODEL --prompts FILE,FILE,... [-w WARM] [-r PROMPTS] [-n TOKENS] [-t THREADS] [--json]\n");
        return 2;
    }
    common_log_set_verbosity_thold(-1);
    llama_log_set([](ggml_log_level, const char *, void *) {}, nullptr);
    ggml_backend_load_all();
    llama_model * model = llama_model_load_from_file(path.c_str(), llama_model_default_params());
    if (!model) {
        throw std::runtime_error(path + " cannot be loaded");
    }
    llama_context_params params = llama_context_default_params();
    params.n_ctx           = 4096;
    params.n_batch         = 2048;
    params.n_threads       = threads;
    params.n_threads_batch = threads;
    llama_context * context = llama_init_from_model(model, params);
    if (!context) {
        throw std::runtime_error("no context");
    }
    ggml_threadpool_params pool_params = ggml_threadpool_params_default(threads);
    ggml_threadpool * pool = ggml_threadpool_new(&pool_params);
    llama_attach_threadpool(context, pool, nullptr);
    const llama_vocab * vocab = llama_model_get_vocab(model);
    const auto templates = common_chat_templates_init(model, "");
    llama_batch batch = llama_batch_init((int32_t) params.n_ctx, 0, 1);

    if (!json) {
        printf("| prompts | successors kept | 1 token guessed | 3 | 7 | 15 |\n|---|---|---|---|---|---|\n");
    }
    for (const prompt_category & category : read_prompts(files, (size_t) (warm + rated))) {
        std::vector<answer> answers;
        for (const prompt & p : category.prompts) {
            answers.push_back(generate(context, tokens_of(vocab, templates.get(), p.text), n, batch));
        }
        const size_t first = std::min((size_t) warm, answers.size() - 1);
        for (const int k : { 1, 2, 4, 8 }) {
            if (!json) {
                printf("| %s | %d |", category.name.c_str(), k);
            }
            for (const int n_nodes : { 1, 3, 7, 15 }) {
                draft_memory memory(llama_vocab_n_tokens(vocab));
                size_t tokens = 0;
                size_t passes = 0;
                for (size_t i = 0; i < answers.size(); i++) {
                    const int taken = replay(memory, answers[i], k, n_nodes);
                    if (i >= first) {
                        tokens += answers[i].tokens.size();
                        passes += (size_t) taken;
                    }
                }
                if (json) {
                    printf("{\"comparison\":\"recycling\",\"model\":\"%s\",\"category\":\"%s\",\"warm\":%zu,\"prompts\":%zu,\"tokens\":%zu,\"successors\":%d,"
                           "\"guessed\":%d,\"tokens_per_pass\":%.4f}\n",
                        path.substr(path.find_last_of('/') + 1).c_str(), category.name.c_str(), first, answers.size() - first, tokens, k, n_nodes,
                        (double) tokens / (double) passes);
                } else {
                    printf(" %.2f |", (double) tokens / (double) passes);
                }
                fflush(stdout);
            }
            printf(json ? "" : "\n");
        }
    }
    llama_batch_free(batch);
    llama_free(context);
    llama_model_free(model);
    ggml_threadpool_free(pool);
    return 0;
}

int main(int argc, char ** argv) {
    try {
        return run(argc, argv);
    } catch (const std::exception & e) {
        fprintf(stderr, "bench_recycling: %s\n", e.what());
        return 1;
    }
}
