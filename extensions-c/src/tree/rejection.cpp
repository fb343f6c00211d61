#include "tree/rejection.h"

#include <algorithm>

namespace chq {

static auto find(std::vector<law::entry> & entries, int32_t token) {
    return std::lower_bound(entries.begin(), entries.end(), token, [](const law::entry & e, int32_t t) { return e.token < t; });
}

void law::normalise() {
    double sum = 0;
    for (const entry & e : entries) {
        sum += e.p;
    }
    for (entry & e : entries) {
        e.p = sum > 0 ? e.p / sum : 0;
    }
}

double law::of(int32_t token) const {
    auto & all = const_cast<std::vector<entry> &>(entries); // read only
    const auto at = find(all, token);
    return at != all.end() && at->token == token ? at->p : 0;
}

void law::remove(int32_t token) {
    const auto at = find(entries, token);
    if (at != entries.end() && at->token == token) {
        entries.erase(at);
        normalise();
    }
}

double position_random::uniform() {
    // splitmix64
    state += 0x9e3779b97f4a7c15u;
    uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (double) (z >> 11) * 0x1p-53;
}

int32_t position_random::draw(const law & from) {
    double rest = uniform();
    for (const law::entry & e : from.entries) {
        rest -= e.p;
        if (rest < 0) {
            return e.token;
        }
    }
    // rounding: the last one that can come at all
    for (auto e = from.entries.rbegin(); e != from.entries.rend(); ++e) {
        if (e->p > 0) {
            return e->token;
        }
    }
    return from.entries.empty() ? -1 : from.entries.back().token;
}

verdict verify_drawn(law target, law draft, const std::vector<int32_t> & siblings, chance & by) {
    for (size_t i = 0; i < siblings.size(); i++) {
        const int32_t token = siblings[i];
        const double q = draft.of(token);
        if (q > 0 && by.happens(std::min(1.0, target.of(token) / q))) {
            return { token, (int32_t) i };
        }
        // what the draft's law covers of the target's has been given its chance
        double left = 0;
        law rest = target;
        for (const law::entry & e : draft.entries) {
            const auto at = find(rest.entries, e.token);
            if (at != rest.entries.end() && at->token == e.token) {
                at->p = std::max(at->p - e.p, 0.0);
            }
        }
        for (const law::entry & e : rest.entries) {
            left += e.p;
        }
        if (left <= 1e-12) {
            break; // the two laws were the same
        }
        target = std::move(rest);
        target.normalise();
        draft.remove(token);
    }
    return { by.draw(target), -1 };
}

} // namespace chq
