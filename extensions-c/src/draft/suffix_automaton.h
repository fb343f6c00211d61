// The longest suffix of a text that occurred in it before, found in constant time per token on average.
//
// A suffix automaton (Blumer et al., "The smallest automaton recognizing the subwords of a text", 1985) that grows with the text, as Hu et al.,
// "SAM Decoding: Speculative Decoding via Suffix Automaton", 2024, use it for drafts.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace chq {

class suffix_automaton {
public:
    // limit: tokens that are remembered, at least 2; of a longer text the older half is forgotten now and then.
    explicit suffix_automaton(size_t limit = 1 << 18);

    void add(int32_t token);
    void clear();

    // Length of the longest suffix of the text that also ends earlier in it, the two may overlap; 0 if there is none.
    int32_t match_length() const { return matched; }

    // Writes the n tokens that followed that earlier suffix, going round where it overlaps the end of the text. Gives how many: n or, without a
    // match, 0.
    int32_t continuation(int32_t * to, int32_t n) const;

    size_t size() const { return text.size(); }
    size_t bytes() const;

private:
    struct state {
        int32_t length;     // of the longest of the strings that end in this state
        int32_t link;       // the state of their longest suffix that has other ends, -1 for the start
        int32_t end;        // position of a last token of theirs, the latest but for the limit in add()
        int32_t first_edge; // -1 = none
    };
    struct edge {
        int32_t from;
        int32_t token;
        int32_t to;
        int32_t next;       // of the same state, -1 = none
    };

    int32_t   new_state(int32_t length);
    size_t    slot_of(int32_t from, int32_t token) const;
    edge    * find(int32_t from, int32_t token);
    void      add_edge(int32_t from, int32_t token, int32_t to);
    void      grow_slots();
    void      extend(int32_t token);

    size_t               limit;
    std::vector<int32_t> text;
    std::vector<state>   states;
    std::vector<edge>    edges;
    std::vector<int32_t> slots;   // hash table of edges by (from, token), -1 = free
    int32_t              last;    // the state of the whole text
    int32_t              matched;
    int32_t              match_end;
};

} // namespace chq
