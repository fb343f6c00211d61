#include "draft/draft_model.h"

#include "context/context.h"
#include "rows/rows.h"

#include <algorithm>
#include <cmath>
#include <queue>

namespace chq {

constexpr int32_t SUPPORT = 256; // tokens of a draft's law, the best ones

draft_model::draft_model(const chq_context * target, chq_context * context, const chq_draft_model_params & params)
    : context(context), n_shared(std::min(target->n_vocab, context->n_vocab)), params(params) {
    check_enum(params.shape, CHQ_SHAPE_CHAIN, CHQ_SHAPE_DYNAMIC, "shape");
    if (context == target) {
        fail(CHQ_STATUS_ARGUMENT, "the draft context is the speculation's own");
    }
    if (!(params.temperature >= 0 && params.temperature <= 100)) {
        fail(CHQ_STATUS_ARGUMENT, "temperature = %g is not in 0..100", (double) params.temperature);
    }
    if (!(params.stop >= 0 && params.stop < 1)) {
        fail(CHQ_STATUS_ARGUMENT, "stop = %g is not in [0, 1)", (double) params.stop);
    }
    if (params.width < 1 || params.width > CHQ_DRAFT_MAX) {
        fail(CHQ_STATUS_ARGUMENT, "width = %d is not in 1..%d", params.width, CHQ_DRAFT_MAX);
    }
    if (!same_vocabulary(target->model, context->model)) {
        fail(CHQ_STATUS_ARGUMENT, "the draft model has another vocabulary than the model");
    }
    if (context->embeddings || !context->causal || context->top_k > 0) {
        fail(CHQ_STATUS_UNSUPPORTED, "the draft context leaves no logits");
    }
    if (params.shape != CHQ_SHAPE_CHAIN && context->branches.count() == 0) {
        fail(CHQ_STATUS_UNSUPPORTED, "the draft context cannot grow trees: %s", context->no_branches);
    }
    if (llama_memory_seq_pos_max(check_memory(context), 0) >= 0) {
        fail(CHQ_STATUS_STATE, "the draft context is not empty");
    }
    context->cancelled_with = &target->cancelled;
}

draft_model::~draft_model() { context->cancelled_with = nullptr; }

// The laws of nodes that have none yet.
void draft_model::compute(chq_tree & tree) {
    decode_tree(context, 0, tree);
    try {
        read_laws(tree);
    } catch (...) {
        commit_tree(context, -1);
        throw;
    }
    commit_tree(context, -1);
    forget_rows(context);
}

void draft_model::read_laws(const chq_tree & tree) {
    const float * rows = logits_of(context);
    laws.resize((size_t) tree.size());
    const int32_t n_vocab = context->n_vocab;
    const int32_t n = std::min(SUPPORT, n_shared);
    std::vector<int32_t> tokens((size_t) n);
    std::vector<float>   logits((size_t) n);
    for (int32_t i = 0; i < tree.size(); i++) {
        law & l = laws[(size_t) i];
        if (!l.entries.empty()) {
            continue;
        }
        row_top_k(rows + (int64_t) i * n_vocab, n_shared, n, tokens.data(), logits.data());
        const double t = draws() ? params.temperature : 1;
        for (int32_t j = 0; j < n; j++) {
            const double p = std::exp(((double) logits[j] - logits[0]) / t);
            if (p > 0) {
                l.entries.push_back({ tokens[j], p });
            }
        }
        std::sort(l.entries.begin(), l.entries.end(), [](const law::entry & a, const law::entry & b) { return a.token < b.token; });
        l.normalise();
    }
}

// n tokens without replacement in the order drawn, or the best ones.
std::vector<int32_t> draft_model::pick(const law & from, int32_t n) {
    std::vector<int32_t> picked;
    law rest = from;
    while ((int32_t) picked.size() < n && !rest.entries.empty()) {
        int32_t token;
        if (draws()) {
            position_random random(~params.seed, drawn++); // not the numbers that verification has
            token = random.draw(rest);
        } else {
            token = std::max_element(rest.entries.begin(), rest.entries.end(), [](const law::entry & a, const law::entry & b) { return a.p < b.p; })->token;
        }
        picked.push_back(token);
        rest.remove(token);
    }
    return picked;
}

// One token after the other, for as long as the model is sure.
void draft_model::chain(chq_tree & tree, int32_t most, int32_t depth) {
    for (int32_t node = 0; node < std::min(most, depth); node++) {
        compute(tree);
        const law & l = laws[(size_t) node];
        double best = 0;
        for (const law::entry & e : l.entries) {
            best = std::max(best, e.p);
        }
        if (best < params.stop) {
            return; // decided before the token is drawn
        }
        const std::vector<int32_t> next = pick(l, 1);
        if (next.empty()) {
            return;
        }
        tree.add(node, next[0], (float) l.of(next[0]));
    }
}

// RSD-S: a beam by Gumbel-top-k over whole paths, which is a sample without replacement (Kool et al., "Stochastic Beams and Where to Find Them", 2019).
// Without a temperature the most probable paths instead.
void draft_model::beam(chq_tree & tree, int32_t most, int32_t depth) {
    struct item {
        int32_t node;
        double  phi; // log probability of the path
        double  g;   // the same, perturbed
    };
    struct candidate {
        int32_t parent;
        int32_t token;
        double  phi;
        double  g;
    };
    std::vector<item> beam = { { 0, 0, 0 } };
    for (int32_t level = 0; level < depth && tree.size() <= most && !beam.empty(); level++) {
        compute(tree);
        std::vector<candidate> candidates;
        for (const item & it : beam) {
            std::vector<candidate> own;
            double highest = -INFINITY;
            for (const law::entry & e : laws[(size_t) it.node].entries) {
                const double phi = it.phi + std::log(e.p);
                double g = phi;
                if (draws()) {
                    position_random random(~params.seed, drawn++);
                    g -= std::log(-std::log(std::max(random.uniform(), 0x1p-60)));
                }
                highest = std::max(highest, g);
                own.push_back({ it.node, e.token, phi, g });
            }
            for (candidate & c : own) {
                if (draws()) {
                    // given that the largest of them is the parent's value
                    const double a = it.g - c.g + std::log1p(-std::exp(c.g - highest));
                    c.g = it.g - std::max(0.0, a) - std::log1p(std::exp(-std::fabs(a)));
                }
                candidates.push_back(c);
            }
        }
        const size_t width = std::min({ candidates.size(), (size_t) params.width, (size_t) (most + 1 - tree.size()) });
        std::partial_sort(candidates.begin(), candidates.begin() + (ptrdiff_t) width, candidates.end(),
            [](const candidate & a, const candidate & b) { return a.g > b.g; });
        beam.clear();
        for (size_t i = 0; i < width; i++) {
            const candidate & c = candidates[i];
            beam.push_back({ tree.add(c.parent, c.token, (float) laws[(size_t) c.parent].of(c.token)), c.phi, c.g });
        }
    }
}

// RSD-C: the first level has `width` children, each node of a later one half as many as before it, at least one.
void draft_model::branch(chq_tree & tree, int32_t most, int32_t depth) {
    int32_t width = params.width;
    int32_t first = 0;
    for (int32_t level = 0; level < depth && tree.size() <= most; level++) {
        compute(tree);
        const int32_t end = tree.size();
        for (int32_t node = first; node < end; node++) {
            for (int32_t token : pick(laws[(size_t) node], std::min(width, most + 1 - tree.size()))) {
                tree.add(node, token, (float) laws[(size_t) node].of(token));
            }
        }
        first = end;
        width = std::max(1, width / 2);
    }
}

// DySpec: the next node goes where a pass of the model is most probably needed. What a place is worth is known before its token is drawn.
void draft_model::dynamic(chq_tree & tree, int32_t most, int32_t depth) {
    struct place {
        double  value; // probability that verification comes here
        int32_t node;  // whose next child is meant
        law     rest;  // of its children; empty = not computed yet
        bool operator<(const place & other) const { return value < other.value; }
    };
    std::priority_queue<place> places;
    places.push({ 1, 0, {} });
    while (tree.size() <= most && !places.empty()) {
        place p = places.top();
        places.pop();
        if (tree.nodes[(size_t) p.node].depth == depth || p.value < params.stop) {
            continue;
        }
        if (p.rest.entries.empty()) {
            if ((size_t) p.node >= laws.size() || laws[(size_t) p.node].entries.empty()) {
                compute(tree);
            }
            p.rest = laws[(size_t) p.node];
        }
        const std::vector<int32_t> next = pick(p.rest, 1);
        if (next.empty()) {
            continue;
        }
        const double r = p.rest.of(next[0]);
        const int32_t child = tree.add(p.node, next[0], (float) laws[(size_t) p.node].of(next[0]));
        p.rest.remove(next[0]);
        if (!p.rest.entries.empty()) {
            places.push({ p.value * (1 - r), p.node, p.rest });
        }
        places.push({ p.value * r, child, {} });
    }
}

int32_t draft_model::grow(chq_tree & tree, const std::vector<int32_t> & text, int32_t most_nodes, int32_t most_leaves, int32_t most_depth) {
    laws.clear();
    const int32_t n = (int32_t) text.size() - 1; // all but the root
    tree.reset(text.back());
    const bool is_chain = params.shape == CHQ_SHAPE_CHAIN || most_leaves == 1;
    int32_t most = std::min({ most_nodes, params.n_nodes, context->n_outputs_max - 1, context->n_ubatch - 1 });
    if (!is_chain) {
        most = std::min({ most, most_leaves, 1 + context->branches.count() });
    }
    const int32_t depth = std::min(most_depth, params.depth);
    if (most < 1 || depth < 1) {
        return 0;
    }
    if (llama_memory_seq_pos_max(context->memory, 0) + 1 != (int32_t) held.size()) {
        prepare_change(context); // a pass failed half-way
        llama_memory_seq_rm(context->memory, 0, -1, -1);
        held.clear();
    }
    int32_t common = 0;
    while (common < n && common < (int32_t) held.size() && held[(size_t) common] == text[(size_t) common]) {
        common++;
    }
    if (std::any_of(text.begin() + common, text.end(), [&](int32_t token) { return token >= context->n_vocab; })) {
        return 0;
    }
    if (common < (int32_t) held.size()) {
        prepare_change(context);
        llama_memory_seq_rm(context->memory, 0, common, -1);
        held.resize((size_t) common);
    }
    if (room_of(context, 0) < n - common + 1 + most) {
        return 0;
    }
    if (common < n) {
        decode_tokens(context, 0, text.data() + common, n - common, CHQ_OUTPUT_NONE, nullptr);
        held.insert(held.end(), text.begin() + common, text.begin() + n);
    }
    switch (is_chain ? CHQ_SHAPE_CHAIN : params.shape) {
        case CHQ_SHAPE_BEAM:     beam   (tree, most, depth); break;
        case CHQ_SHAPE_BRANCHES: branch (tree, most, depth); break;
        case CHQ_SHAPE_DYNAMIC:  dynamic(tree, most, depth); break;
        default:                 chain  (tree, most, depth); break;
    }
    laws.resize((size_t) tree.size());
    return n - common;
}

} // namespace chq
