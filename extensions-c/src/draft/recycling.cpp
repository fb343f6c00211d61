#include "draft/recycling.h"

#include <algorithm>
#include <cmath>
#include <cstring>

namespace chq {

recycling::recycling(int32_t n_vocab, size_t slots) : n_vocab(n_vocab), n_slots(slots) {}

uint64_t recycling::key_of(const int32_t * context, int order) {
    uint64_t h = (uint64_t) order * 0xd6e8feb86659fd93u; // far from any token
    for (int i = 0; i < order; i++) {
        h = (h ^ (uint32_t) context[i]) * 0x9e3779b97f4a7c15u;
        h ^= h >> 29;
    }
    return h | 1;
}

recycling::slot & recycling::place(uint64_t key) {
    slot * const first = reach(key);
    slot * oldest = first;
    for (slot * s = first; s < first + WAYS; s++) {
        if (s->key == key || s->key == 0) {
            oldest = s;
            break;
        }
        if (now - s->stamp > now - oldest->stamp) { // also when the count has gone round
            oldest = s;
        }
    }
    n_longer += oldest->key == 0;
    oldest->key   = key;
    oldest->stamp = now;
    return *oldest;
}

// Eight times as many slots as contexts, so that few meet, for as long as that is within the limit.
void recycling::make_room(size_t contexts) {
    constexpr size_t FIRST = 1 << 12;
    size_t size = slots.empty() ? std::min(FIRST, n_slots) : slots.size();
    while (size < n_slots && 8 * contexts > size) {
        size *= 2;
    }
    if (size == slots.size()) {
        return;
    }
    std::vector<slot> old(size);
    old.swap(slots);
    n_longer = 0;
    const uint32_t at = now;
    for (const slot & s : old) {
        if (s.key != 0) {
            now = s.stamp; // the oldest give way here, too
            place(s.key).next = s.next;
        }
    }
    now = at;
}

void recycling::learn(const int32_t * context, int n, const int32_t * tokens, const float * logits) {
    if (single.empty()) {
        make_room(0);
        single.resize((size_t) n_vocab); // last: it tells that both are there
    }
    successors next = {};
    float weights[K];
    float sum = 0;
    for (int i = 0; i < K; i++) {
        weights[i] = std::exp(logits[i] - logits[0]);
        sum += weights[i] > 0 ? weights[i] : 0;
    }
    for (int i = 0; i < K; i++) {
        const float share = weights[i] > 0 ? weights[i] / sum : 0;
        next.token[i] = tokens[i];
        next.share[i] = share > 0 ? (uint8_t) std::clamp(std::lround(share * 255), 1l, 255l) : 0; // no number counts as none
    }
    make_room(n_longer + LONGEST);
    now++;
    const int longest = std::min(n, LONGEST);
    for (int order = 2; order <= longest; order++) {
        place(key_of(context + n - order, order)).next = next;
    }
    if (longest >= 1) {
        successors & of = single[(size_t) context[n - 1]];
        n_single += of.share[0] == 0;
        of = next;
    }
}

const recycling::successors * recycling::find(const int32_t * context, int n, int * order) const {
    if (single.empty()) {
        return nullptr;
    }
    for (int o = std::min(n, LONGEST); o >= 2; o--) {
        const uint64_t key = key_of(context + n - o, o);
        const slot * const first = reach(key);
        for (const slot * s = first; s < first + WAYS; s++) {
            if (s->key == key) {
                *order = o;
                return &s->next;
            }
        }
    }
    if (n >= 1 && single[(size_t) context[n - 1]].share[0] > 0) {
        *order = 1;
        return &single[(size_t) context[n - 1]];
    }
    return nullptr;
}

void recycling::clear() { *this = recycling(n_vocab, n_slots); }

size_t recycling::bytes() const { return single.capacity() * sizeof(successors) + slots.capacity() * sizeof(slot); }

// ---- saved: n_vocab, K, the number of single entries and of slots; then entries, each with the token or key and stamp before it

namespace {

constexpr uint32_t HEADER[] = { 0x52435152, 1 }; // "RQCR" and a version

void put(std::vector<uint8_t> & to, const void * data, size_t size) {
    const uint8_t * bytes = (const uint8_t *) data;
    to.insert(to.end(), bytes, bytes + size);
}

struct reader {
    const uint8_t * at;
    size_t          left;

    bool take(void * to, size_t size) {
        if (left < size) {
            return false;
        }
        memcpy(to, at, size);
        at   += size;
        left -= size;
        return true;
    }
};

} // namespace

std::vector<uint8_t> recycling::save() const {
    std::vector<uint8_t> out;
    put(out, HEADER, sizeof(HEADER));
    uint32_t counts[4] = { (uint32_t) n_vocab, K, 0, 0 };
    for (const successors & s : single) {
        counts[2] += s.share[0] > 0;
    }
    for (const slot & s : slots) {
        counts[3] += s.key != 0;
    }
    put(out, counts, sizeof(counts));
    for (size_t i = 0; i < single.size(); i++) {
        if (single[i].share[0] > 0) {
            const int32_t token = (int32_t) i;
            put(out, &token, sizeof(token));
            put(out, &single[i], sizeof(successors));
        }
    }
    for (const slot & s : slots) {
        if (s.key != 0) {
            const uint32_t age = now - s.stamp;
            put(out, &s.key, sizeof(s.key));
            put(out, &age, sizeof(age));
            put(out, &s.next, sizeof(s.next));
        }
    }
    return out;
}

bool recycling::load(const uint8_t * data, size_t size) {
    reader in { data, size };
    uint32_t header[2];
    uint32_t counts[4];
    if (!in.take(header, sizeof(header)) || memcmp(header, HEADER, sizeof(HEADER)) != 0 || !in.take(counts, sizeof(counts))
            || counts[0] != (uint32_t) n_vocab || counts[1] != K || counts[2] > (uint32_t) n_vocab
            || in.left != counts[2] * (sizeof(int32_t) + sizeof(successors)) + counts[3] * (sizeof(uint64_t) + sizeof(uint32_t) + sizeof(successors))) {
        return false;
    }
    const auto good = [&](const successors & s) {
        return std::all_of(s.token, s.token + K, [&](int32_t token) { return token >= 0 && token < n_vocab; });
    };
    recycling loaded(n_vocab, n_slots);
    loaded.make_room(counts[3]);
    loaded.single.resize((size_t) n_vocab);
    for (uint32_t i = 0; i < counts[2]; i++) {
        int32_t    token;
        successors next;
        if (!in.take(&token, sizeof(token)) || !in.take(&next, sizeof(next)) || token < 0 || token >= n_vocab || !good(next)) {
            return false;
        }
        loaded.n_single += loaded.single[(size_t) token].share[0] == 0 && next.share[0] > 0;
        loaded.single[(size_t) token] = next;
    }
    for (uint32_t i = 0; i < counts[3]; i++) {
        uint64_t   key;
        uint32_t   age;
        successors next;
        if (!in.take(&key, sizeof(key)) || !in.take(&age, sizeof(age)) || !in.take(&next, sizeof(next)) || key == 0 || !good(next)) {
            return false;
        }
        slot & to = loaded.place(key);
        to.next  = next;
        to.stamp = loaded.now - age;
    }
    *this = std::move(loaded);
    return true;
}

} // namespace chq
