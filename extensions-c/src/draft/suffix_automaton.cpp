#include "draft/suffix_automaton.h"

#include <algorithm>

namespace chq {

// Of the suffixes of a text so many, from the longest on, get the newest position as their end; those beyond keep an older one.
constexpr int LINKS = 64;

suffix_automaton::suffix_automaton(size_t limit) : limit(std::max<size_t>(2, limit)) { clear(); }

void suffix_automaton::clear() {
    text.clear();
    states.clear();
    edges.clear();
    slots.assign(64, -1);
    matched   = 0;
    match_end = -1;
    last      = new_state(0);
    states[last].link = -1;
}

int32_t suffix_automaton::new_state(int32_t length) {
    states.push_back({ length, 0, -1, -1 });
    return (int32_t) states.size() - 1;
}

size_t suffix_automaton::slot_of(int32_t from, int32_t token) const {
    const uint64_t key  = (uint64_t) (uint32_t) from << 32 | (uint32_t) token;
    const uint64_t hash = (key ^ key >> 29) * 0x9e3779b97f4a7c15u;
    const size_t   mask = slots.size() - 1;
    for (size_t i = (size_t) (hash >> 32) & mask;; i = (i + 1) & mask) {
        if (slots[i] < 0 || (edges[slots[i]].from == from && edges[slots[i]].token == token)) {
            return i;
        }
    }
}

suffix_automaton::edge * suffix_automaton::find(int32_t from, int32_t token) {
    const int32_t e = slots[slot_of(from, token)];
    return e < 0 ? nullptr : &edges[e];
}

void suffix_automaton::grow_slots() {
    slots.assign(2 * slots.size(), -1);
    for (size_t e = 0; e < edges.size(); e++) {
        slots[slot_of(edges[e].from, edges[e].token)] = (int32_t) e;
    }
}

void suffix_automaton::add_edge(int32_t from, int32_t token, int32_t to) {
    if (2 * (edges.size() + 1) > slots.size()) {
        grow_slots();
    }
    slots[slot_of(from, token)] = (int32_t) edges.size();
    edges.push_back({ from, token, to, states[from].first_edge });
    states[from].first_edge = (int32_t) edges.size() - 1;
}

void suffix_automaton::add(int32_t token) {
    if (text.size() == limit) {
        const std::vector<int32_t> kept(text.end() - (ptrdiff_t) (limit / 2), text.end());
        clear();
        for (int32_t t : kept) {
            extend(t);
        }
    }
    extend(token);
}

void suffix_automaton::extend(int32_t token) {
    const int32_t position = (int32_t) text.size();
    text.push_back(token);
    const int32_t whole = new_state(position + 1);
    states[whole].end = position;
    int32_t p = last;
    edge * e = nullptr;
    while (p >= 0 && !(e = find(p, token))) {
        add_edge(p, token, whole);
        p = states[p].link;
    }
    if (p >= 0) {
        const int32_t q = e->to;
        if (states[q].length == states[p].length + 1) {
            states[whole].link = q;
        } else {
            // q also stands for longer strings that do not end here: what does gets a state of its own
            const int32_t copy = new_state(states[p].length + 1);
            states[copy].link = states[q].link;
            states[copy].end  = states[q].end;
            for (int32_t i = states[q].first_edge; i >= 0; i = edges[i].next) {
                add_edge(copy, edges[i].token, edges[i].to);
            }
            states[q].link     = copy;
            states[whole].link = copy;
            for (; p >= 0 && (e = find(p, token)) && e->to == q; p = states[p].link) {
                e->to = copy;
            }
        }
    }
    last = whole;

    int32_t s = states[whole].link;
    matched   = states[s].length;
    match_end = states[s].end;
    for (int i = 0; i < LINKS && s > 0; i++, s = states[s].link) {
        states[s].end = position;
    }
}

int32_t suffix_automaton::continuation(int32_t * to, int32_t n) const {
    if (matched == 0) {
        return 0;
    }
    const int32_t length = (int32_t) text.size();
    for (int32_t i = 0; i < n; i++) {
        const int32_t at = match_end + 1 + i;
        to[i] = at < length ? text[at] : to[at - length];
    }
    return n;
}

size_t suffix_automaton::bytes() const {
    return text.capacity() * sizeof(int32_t) + states.capacity() * sizeof(state) + edges.capacity() * sizeof(edge) + slots.capacity() * sizeof(int32_t);
}

} // namespace chq
