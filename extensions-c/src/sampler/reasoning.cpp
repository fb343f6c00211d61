#include "sampler/reasoning.h"

#include "sampler/sampler.h"

#include <algorithm>
#include <memory>

namespace chq {

namespace {

constexpr int32_t MAX_CHARACTER = 3; // tokens that a character may still take when the budget is spent

struct reasoning_budget {
    const llama_vocab      * vocab;
    int32_t                  n_tokens;
    std::string              start;
    std::vector<std::string> ends;
    std::vector<int32_t>     next; // [bytes of ends[0]] the token that goes on after so many bytes of it
    std::string              opening;

    int32_t     n_thought = 0;
    bool        thinks    = false;
    std::string tail; // of the text since the last start or end, as long as one of them may begin in it

    void read(const std::string & text);
    void trim();
    void accept(llama_token token);
    bool cuts_character() const;
    size_t written() const;
};

std::string piece_of(const llama_vocab * vocab, int32_t token) {
    std::string piece(32, '\0');
    int32_t n = llama_token_to_piece(vocab, token, piece.data(), (int32_t) piece.size(), 0, true);
    if (n < 0) {
        piece.resize((size_t) -n);
        n = llama_token_to_piece(vocab, token, piece.data(), (int32_t) piece.size(), 0, true);
    }
    piece.resize((size_t) std::max(n, 0));
    return piece;
}

// Takes in a text, with all starts and ends in it.
void reasoning_budget::read(const std::string & text) {
    tail += text;
    for (;;) {
        size_t after = std::string::npos;
        if (thinks) {
            for (const std::string & end : ends) {
                const size_t at = tail.find(end);
                after = at == std::string::npos ? after : std::min(after, at + end.size());
            }
        } else {
            const size_t at = tail.find(start);
            after = at == std::string::npos ? at : at + start.size();
        }
        if (after == std::string::npos) {
            break;
        }
        thinks = !thinks;
        tail.erase(0, after);
    }
    trim();
}

void reasoning_budget::trim() {
    size_t most = std::max<size_t>(start.size(), 4); // a character has four bytes at most
    for (const std::string & end : ends) {
        most = std::max(most, end.size());
    }
    if (tail.size() > most) {
        tail.erase(0, tail.size() - most);
    }
}

void reasoning_budget::accept(llama_token token) {
    const bool before = thinks;
    read(piece_of(vocab, token));
    n_thought += before && thinks && n_thought < INT32_MAX;
}

// Whether the text ends inside a character.
bool reasoning_budget::cuts_character() const {
    for (size_t back = 1; back <= std::min<size_t>(3, tail.size()); ++back) {
        const unsigned char byte = (unsigned char) tail[tail.size() - back];
        if ((byte & 0xC0) != 0x80) {
            return byte >= (back == 1 ? 0xC0 : back == 2 ? 0xE0 : 0xF0);
        }
    }
    return false;
}

// Bytes of ends[0] that the text ends with.
size_t reasoning_budget::written() const {
    const std::string & end = ends[0];
    size_t n = std::min(end.size() - 1, tail.size());
    while (n > 0 && tail.compare(tail.size() - n, n, end, 0, n) != 0) {
        --n;
    }
    return n;
}

// The tokens of a text where they make it up, and the longest token that goes on after any other part of it.
std::vector<int32_t> spell(const llama_vocab * vocab, const std::string & text) {
    const auto has = [&](int32_t token, int attribute) { return (llama_vocab_get_attr(vocab, token) & attribute) != 0; };
    std::vector<int32_t> next(text.size(), -1);
    std::vector<size_t>  longest(text.size(), 0);
    for (int32_t token = 0; token < llama_vocab_n_tokens(vocab); ++token) {
        const std::string piece = piece_of(vocab, token);
        if (piece.empty() || has(token, LLAMA_TOKEN_ATTR_UNKNOWN | LLAMA_TOKEN_ATTR_UNUSED)) {
            continue;
        }
        for (size_t at = text.find(piece); at != std::string::npos; at = text.find(piece, at + 1)) {
            if (piece.size() > longest[at] || (piece.size() == longest[at] && has(next[at], LLAMA_TOKEN_ATTR_BYTE))) {
                longest[at] = piece.size();
                next[at]    = token;
            }
        }
    }
    if (std::find(next.begin(), next.end(), -1) != next.end()) {
        fail(CHQ_STATUS_UNSUPPORTED, "the vocabulary cannot write \"%s\"", text.c_str());
    }
    std::vector<llama_token> tokens(text.size() + 8);
    tokens.resize((size_t) std::max(0, llama_tokenize(vocab, text.data(), (int32_t) text.size(), tokens.data(), (int32_t) tokens.size(), false, true)));
    std::string spelled;
    for (const llama_token token : tokens) {
        spelled += piece_of(vocab, token);
    }
    if (spelled == text) {
        size_t at = 0;
        for (const llama_token token : tokens) {
            if (at == next.size()) {
                break; // what is left says nothing
            }
            next[at] = token;
            at += piece_of(vocab, token).size();
        }
    }
    return next;
}

reasoning_budget * budget_of(const llama_sampler * stage) { return (reasoning_budget *) stage->ctx; }

void apply(llama_sampler * stage, llama_token_data_array * candidates) {
    const reasoning_budget * budget = budget_of(stage);
    const int32_t over = budget->n_thought - budget->n_tokens;
    if (!budget->thinks || over < 0 || (over < MAX_CHARACTER && budget->cuts_character())) {
        return;
    }
    candidates->data[0]  = { budget->next[budget->written()], 0.0f, 0.0f };
    candidates->size     = 1;
    candidates->selected = -1;
}

void reset(llama_sampler * stage) {
    reasoning_budget * budget = budget_of(stage);
    budget->n_thought = 0;
    budget->thinks    = false;
    budget->tail.clear();
    budget->read(budget->opening);
}

llama_sampler * make(std::unique_ptr<reasoning_budget> budget);

llama_sampler_i methods() {
    llama_sampler_i all = {};
    all.name   = [](const llama_sampler *) { return "reasoning-budget"; };
    all.accept = [](llama_sampler * stage, llama_token token) { budget_of(stage)->accept(token); };
    all.apply  = apply;
    all.reset  = reset;
    all.clone  = [](const llama_sampler * stage) { return make(std::make_unique<reasoning_budget>(*budget_of(stage))); };
    all.free   = [](llama_sampler * stage) { delete budget_of(stage); };
    return all;
}

llama_sampler * make(std::unique_ptr<reasoning_budget> budget) {
    static llama_sampler_i all = methods();
    llama_sampler * stage = llama_sampler_init(&all, budget.get());
    budget.release();
    return stage;
}

} // namespace

llama_sampler * make_reasoning_budget(const llama_vocab * vocab, int32_t n_tokens, std::string start, std::vector<std::string> ends, const std::string & opening) {
    auto budget = std::make_unique<reasoning_budget>();
    budget->vocab    = vocab;
    budget->n_tokens = n_tokens;
    budget->start    = std::move(start);
    budget->ends     = std::move(ends);
    budget->next     = spell(vocab, budget->ends[0]);
    budget->opening  = opening;
    budget->read(opening);
    return make(std::move(budget));
}

} // namespace chq
