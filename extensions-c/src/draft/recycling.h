// Which tokens a model rated best after the last tokens of a context, kept for when these come again.
//
// Luo et al., "Turning Trash into Treasure: Accelerating Inference of Large Language Models with Token Recycling", 2024, keep eight successors for
// each token of the vocabulary. Here contexts of up to four tokens have entries of their own, and the longest one that is known answers:
// for longer contexts the table does the work of an n-gram store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace chq {

class recycling {
public:
    static constexpr int K       = 8;
    static constexpr int LONGEST = 4; // tokens of a context

    struct successors {
        int32_t token[K]; // best first
        uint8_t share[K]; // of the probability of all K, in 255ths; 0 = no such entry
    };

    // slots: most entries for contexts of two and more tokens, a power of two; then the oldest in reach gives way to a new one
    explicit recycling(int32_t n_vocab, size_t slots = 1 << 18);

    // tokens, logits: the K best after the n last tokens of a context, best first
    void learn(const int32_t * context, int n, const int32_t * tokens, const float * logits);

    // What is known after the longest of the contexts that end so, NULL if nothing is. *order = its length in tokens.
    const successors * find(const int32_t * context, int n, int * order) const;

    void   clear();
    size_t entries() const { return n_single + n_longer; }
    size_t bytes() const;

    // Everything as bytes, and back; false for bytes that save() has not written for this vocabulary.
    std::vector<uint8_t> save() const;
    bool                 load(const uint8_t * data, size_t size);

private:
    static constexpr int WAYS = 4;

    struct slot {
        uint64_t   key;   // of the context, 0 = free
        uint32_t   stamp; // when it was written
        successors next;
    };

    static uint64_t key_of(const int32_t * context, int order);
    slot *       reach(uint64_t key)       { return slots.data() + (key >> 20) % (slots.size() / WAYS) * WAYS; }
    const slot * reach(uint64_t key) const { return slots.data() + (key >> 20) % (slots.size() / WAYS) * WAYS; }
    slot &       place(uint64_t key);
    void         make_room(size_t contexts);

    int32_t                 n_vocab;
    std::vector<successors> single; // by token; made when the first is learned
    std::vector<slot>       slots;
    size_t                  n_slots; // at most
    size_t                  n_single = 0; // that are known
    size_t                  n_longer = 0; // slots that are taken
    uint32_t                now  = 0;
};

} // namespace chq
