#include "speculation/planner.h"

#include <algorithm>
#include <cstring>

namespace chq {

using namespace circumstance;

constexpr int32_t STRONG_LENGTH = 4;    // of a repeated suffix

int planner::successor::rank_of(int32_t token) const {
    for (int i = 0; next && i < recycling::K && next->share[i] > 0; i++) {
        if (next->token[i] == token) {
            return i;
        }
    }
    return -1;
}

planner::successor planner::known_after(const int32_t * context, int n) const {
    successor known;
    known.next = memory.successors.find(context, n, &known.order);
    return known;
}

agreement planner::agreement_with(const successor & known, int32_t token) const {
    if (!known.next) {
        return UNKNOWN;
    }
    const int rank = known.rank_of(token);
    return rank == 0 ? BEST : rank > 0 ? AMONG : ABSENT;
}

static rival rival_of(int32_t match) { return match == 0 ? NONE : match < STRONG_LENGTH ? WEAK : STRONG; }

void planner::begin(const int32_t * tokens, int32_t n) {
    text.clear();
    suggestion.clear();
    for (int32_t i = 0; i < n; i++) {
        text.add(tokens[i]);
    }
    n_text = n;
    for (int32_t i = 0; i < recycling::LONGEST; i++) {
        const int32_t at = n - recycling::LONGEST + i;
        recent[i] = at >= 0 ? tokens[at] : 0;
    }
}

// Everything that the sources say of this place, against the token that came.
void planner::judge(int32_t token) {
    const auto count = [&](int c, bool hit) {
        rates.record(c, hit, memory.rates);
        memory.rates.record(c, hit);
    };
    const int n = std::min(n_text, (int32_t) recycling::LONGEST);
    const successor known = known_after(recent + recycling::LONGEST - n, n);
    const int32_t   match = text.match_length();
    int32_t repeated = -1;
    if (match > 0) {
        text.continuation(&repeated, 1);
        count(of_repeated(match, agreement_with(known, repeated)), repeated == token);
    }
    for (int i = 0; known.next && i < recycling::K && known.next->share[i] > 0; i++) {
        if (known.next->token[i] != repeated) {
            count(of_recycled(known.order, known.next->share[i], rival_of(match)), known.next->token[i] == token);
        }
    }
    if (n_taken < suggestion.size()) {
        const bool hit = suggestion[n_taken] == token;
        count(of_suggested(streak), hit);
        streak  = hit ? streak + 1 : 0;
        n_taken = hit ? n_taken + 1 : suggestion.size();
    }
}

void planner::add(int32_t token) {
    {
        const std::lock_guard<std::mutex> lock(memory.mutex);
        judge(token);
    }
    text.add(token);
    n_text++;
    memmove(recent, recent + 1, sizeof(recent) - sizeof(recent[0]));
    recent[recycling::LONGEST - 1] = token;
}

void planner::suggest(const int32_t * tokens, int32_t n) {
    suggestion.assign(tokens, tokens + n);
    n_taken = 0;
}

void planner::context_of(const chq_tree & tree, int32_t node, int32_t (&context)[recycling::LONGEST], int & n) const {
    n = 0;
    int32_t i = node;
    while (i > 0 && n < recycling::LONGEST) {
        context[recycling::LONGEST - ++n] = tree.nodes[i].token;
        i = tree.nodes[i].parent;
    }
    // the root is the text's last token
    for (int at = 0; n < recycling::LONGEST && at < n_text; at++) {
        context[recycling::LONGEST - ++n] = recent[recycling::LONGEST - 1 - at];
    }
}

void planner::learn(const chq_tree & tree, int32_t node, const int32_t * tokens, const float * logits) {
    int32_t context[recycling::LONGEST];
    int n;
    context_of(tree, node, context, n);
    const std::lock_guard<std::mutex> lock(memory.mutex);
    memory.successors.learn(context + recycling::LONGEST - n, n, tokens, logits);
}

// A node that could be added.
struct planner::option {
    float            path; // probability
    float            probability;
    int32_t          parent;
    int32_t          token;
    int32_t          repeated;  // tokens of the repetition up to and with this one, -1 = not along it
    int32_t          suggested; // of the suggestion
    chq_draft_source source;

    bool operator<(const option & other) const { return path < other.path; }
};

void planner::offer(std::vector<option> & options, const chq_tree & tree, int32_t node, int32_t repeated, int32_t suggested, const limits & limits) const {
    int32_t context[recycling::LONGEST];
    int n;
    context_of(tree, node, context, n);
    const successor known = limits.sources & CHQ_DRAFT_RECYCLED ? known_after(context + recycling::LONGEST - n, n) : successor {};
    const size_t first = options.size();
    const auto add = [&](int32_t token, double probability, int32_t rep, int32_t sug, chq_draft_source source) {
        const float path = tree.nodes[node].probability * (float) probability;
        for (size_t i = first; i < options.size(); i++) {
            option & o = options[i];
            if (o.token == token) {
                if (path > o.path) {
                    o.path        = path;
                    o.probability = (float) probability;
                    o.source      = source;
                }
                o.repeated  = std::max(o.repeated, rep);
                o.suggested = std::max(o.suggested, sug);
                return;
            }
        }
        options.push_back({ path, (float) probability, node, token, rep, sug, source });
    };
    int32_t match = 0;
    int32_t next  = -1;
    if (repeated >= 0 && repeated < (int32_t) continuation.size()) {
        match = text.match_length() + repeated;
        next  = continuation[(size_t) repeated];
        add(next, rates.probability(of_repeated(match, agreement_with(known, next)), memory.rates), repeated + 1, -1, CHQ_DRAFT_REPEATED);
    }
    if (limits.sources & CHQ_DRAFT_SUGGESTED && suggested >= 0 && n_taken + (size_t) suggested < suggestion.size()) {
        add(suggestion[n_taken + (size_t) suggested], rates.probability(of_suggested(streak + suggested), memory.rates), -1, suggested + 1, CHQ_DRAFT_SUGGESTED);
    }
    for (int i = 0; known.next && i < recycling::K && known.next->share[i] > 0; i++) {
        if (known.next->token[i] != next) {
            add(known.next->token[i], rates.probability(of_recycled(known.order, known.next->share[i], rival_of(match)), memory.rates), -1, -1, CHQ_DRAFT_RECYCLED);
        }
    }
}

void planner::plan(chq_tree & tree, const limits & limits, const pass_cost & cost, bool fixed, const filter & allowed) {
    tree.reset(last());
    sources.assign(1, 0);
    const double plain = cost.of(1);
    if (limits.nodes < 1 || limits.depth < 1 || (plain == 0 && !fixed)) {
        return;
    }
    continuation.resize(limits.sources & CHQ_DRAFT_REPEATED ? (size_t) limits.nodes : 0);
    continuation.resize((size_t) text.continuation(continuation.data(), (int32_t) continuation.size()));

    const std::lock_guard<std::mutex> lock(memory.mutex);
    std::vector<option> options; // a heap
    std::vector<bool>   inner(1);
    int32_t leaves = 1;
    double expected = 1;
    double best     = plain > 0 ? LEAST_GAIN * expected / plain : 0;
    int32_t keep    = 1;
    offer(options, tree, 0, 0, 0, limits);
    std::make_heap(options.begin(), options.end());
    while (tree.size() <= limits.nodes && !options.empty()) {
        std::pop_heap(options.begin(), options.end());
        const option o = options.back();
        options.pop_back();
        if ((inner[(size_t) o.parent] && leaves == limits.leaves) || (allowed && !allowed(o.parent, o.token))) {
            continue;
        }
        leaves += inner[(size_t) o.parent];
        inner[(size_t) o.parent] = true;
        const int32_t node = tree.add(o.parent, o.token, o.probability);
        inner.push_back(false);
        sources.push_back(o.source);
        expected += o.path;
        const double seconds = cost.of(tree.size());
        const double speed   = expected / seconds;
        if (fixed || (speed > best && seconds <= limits.cost)) {
            best = speed;
            keep = tree.size();
        }
        if (tree.nodes[(size_t) node].depth == limits.depth) {
            continue;
        }
        const size_t before = options.size();
        offer(options, tree, node, o.repeated, o.suggested, limits);
        for (size_t end = before + 1; end <= options.size(); end++) {
            std::push_heap(options.begin(), options.begin() + (ptrdiff_t) end);
        }
    }
    tree.truncate(keep);
    sources.resize((size_t) keep);
}

} // namespace chq
