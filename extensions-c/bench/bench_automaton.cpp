// What the suffix automaton costs for each token of a text: to add it, and to ask how the text may go on.
//
//   bench_automaton [TOKENS]
#include "draft/suffix_automaton.h"
#include "timing.h"

#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

int main(int argc, char ** argv) {
    const int32_t n = argc > 1 ? atoi(argv[1]) : 100000;
    if (n < 1) {
        fprintf(stderr, "bench_automaton [TOKENS]\n");
        return 2;
    }
    std::mt19937 random(1);
    std::vector<int32_t> text;
    while ((int32_t) text.size() < n) { // half of it repeats an earlier passage, as text does
        const size_t length = 1 + random() % 30;
        const size_t from   = text.size() > 100 && random() % 2 ? random() % (text.size() - 50) : text.size();
        for (size_t i = 0; i < length; i++) {
            text.push_back(from + i < text.size() ? text[from + i] : (int32_t) (random() % 32000));
        }
    }
    text.resize((size_t) n);

    chq::suffix_automaton automaton;
    int64_t matched = 0;
    const double begin = now();
    for (int32_t token : text) {
        int32_t guess[8];
        automaton.add(token);
        matched += automaton.continuation(guess, 8) > 0;
    }
    const double seconds = now() - begin;
    printf("%d tokens, %.0f ns each, %.0f%% with a guess, %.1f MiB\n", n, seconds / n * 1e9, 100.0 * (double) matched / n, (double) automaton.bytes() / (1 << 20));
}
