// The parts of a step of a speculation that a pass over many sequences shares with one over a single one.
#pragma once

#include "chasqui_speculation.h"

#include "draft/draft_model.h"
#include "guard/guard.h"
#include "speculation/back_off.h"
#include "speculation/draft_memory.h"
#include "speculation/planner.h"
#include "tree/tree.h"

#include <chrono>
#include <memory>
#include <string>
#include <vector>

namespace chq {

class stopwatch {
public:
    double lap() {
        const auto now = std::chrono::steady_clock::now();
        const std::chrono::duration<double> seconds = now - last;
        last = now;
        return seconds.count();
    }

private:
    std::chrono::steady_clock::time_point last = std::chrono::steady_clock::now();
};

// Which of two ways gives more tokens a second; the other one is tried again now and then.
class contest {
public:
    int choose() {
        turn++;
        for (int way : { 0, 1 }) {
            if (tries[way] < TRIALS) {
                return way;
            }
        }
        const int better = tokens[1] * seconds[0] > tokens[0] * seconds[1];
        return turn % AGAIN == 0 ? !better : better;
    }
    void record(int way, int n_tokens, double s) {
        tries[way]++;
        tokens [way] = KEEP * tokens [way] + n_tokens;
        seconds[way] = KEEP * seconds[way] + s;
    }

private:
    static constexpr int    TRIALS = 8;
    static constexpr int    AGAIN  = 64;
    static constexpr double KEEP   = 0.95;

    int    turn       = 0;
    int    tries[2]   = {};
    double tokens[2]  = {};
    double seconds[2] = {};
};

} // namespace chq

struct chq_speculation : chq::handle {
    explicit chq_speculation(chq::draft_memory & memory) : handle(chq::KIND_SPECULATION), planner(memory) {}

    chq_context           * context = nullptr;
    chq_speculation_params  params  = {};
    std::string             reason; // why there is no guess, or no tree
    chq::planner            planner;
    chq::back_off           back_off;
    chq_tree                tree;   // of the step at hand: the text's last token and what is guessed to follow
    chq_speculation_stats   stats   = {};

    std::unique_ptr<chq::draft_model> draft; // NULL = none
    chq::contest            contest;         // between it and the other sources
    std::vector<int32_t>    text;
};

namespace chq {

inline void check_speculation(const chq_speculation * s) { check_handle(s, KIND_SPECULATION, "speculation"); }

// Fails unless the sequence holds the text but for its last token.
void check_follows(const chq_speculation * s, int32_t seq_id);

// Guesses without a draft model, as s->tree.
void guess(chq_speculation * s, chq_sampler * sampler, const planner::limits & limits, bool fixed);

// After a step: counts it and learns from it. rows: the logits of all nodes of s->tree, that of `node` is the last one that picked, NULL =
// nothing is learned from them; out: the n tokens that came of it
void end_step(chq_speculation * s, const float * rows, int32_t node, const chq_sampled * out, int32_t n, bool by_model);

} // namespace chq
