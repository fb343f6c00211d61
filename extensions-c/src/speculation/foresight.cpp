#include "speculation/foresight.h"

#include <algorithm>

namespace chq {

namespace circumstance {

constexpr int32_t LENGTH_UPPER[LENGTHS] = { 1, 2, 3, 4, 6, 8, 12, 16, 32, INT32_MAX };
constexpr int     SHARE_UPPER[SHARES]   = { 5, 13, 26, 51, 102, 178, 229, 255 };

int of_repeated(int32_t length, agreement with) {
    int i = 0;
    while (length > LENGTH_UPPER[i]) {
        i++;
    }
    return REPEATED + i * AGREEMENTS + with;
}

int of_recycled(int order, uint8_t share, rival to) {
    int i = 0;
    while (share > SHARE_UPPER[i]) {
        i++;
    }
    return RECYCLED + ((order - 1) * SHARES + i) * RIVALS + to;
}

int of_suggested(int streak) { return SUGGESTED + std::min(streak, STREAKS - 1); }

// What to expect before anything is counted.
static double at_first(int c) {
    if (c >= SUGGESTED) {
        return 0.3 + 0.08 * (c - SUGGESTED);
    }
    if (c >= RECYCLED) {
        constexpr double SHARE[SHARES]  = { 0.01, 0.03, 0.07, 0.14, 0.28, 0.5, 0.75, 0.92 };
        constexpr double ORDER[ORDERS]  = { 0.45, 0.65, 0.75, 0.8 };
        constexpr double RIVAL[RIVALS]  = { 1, 0.7, 0.25 };
        const int i = c - RECYCLED;
        return SHARE[i / RIVALS % SHARES] * ORDER[i / RIVALS / SHARES] * RIVAL[i % RIVALS];
    }
    constexpr double LENGTH[LENGTHS] = { 0.12, 0.3, 0.45, 0.55, 0.65, 0.7, 0.78, 0.82, 0.87, 0.92 };
    const double p = LENGTH[c / AGREEMENTS];
    switch (c % AGREEMENTS) {
        case AMONG:  return p * 0.8;
        case ABSENT: return p * 0.6;
        default:     return p; // the table often knows it from that earlier place
    }
}

} // namespace circumstance

constexpr float OTHERS_KEEP   = 0.998f; // of older trials at each new one
constexpr float OTHERS_WEIGHT = 6;      // of at_first, in trials
constexpr float KEEP          = 0.97f;
constexpr float WEIGHT        = 4;      // of others' experience
constexpr float SOURCE_KEEP   = 0.985f;
constexpr float SOURCE_WEIGHT = 3;      // of a source that is neither better nor worse here, in hits
constexpr double MOST         = 0.97;   // of what is expected, for guesses that were not tried here

experience::experience() {
    for (int c = 0; c < circumstance::COUNT; c++) {
        trials[c] = OTHERS_WEIGHT;
        hits[c]   = OTHERS_WEIGHT * (float) circumstance::at_first(c);
    }
}

void experience::record(int c, bool hit) {
    hits[c]   = OTHERS_KEEP * hits[c] + hit;
    trials[c] = OTHERS_KEEP * trials[c] + 1;
}

double experience::probability(int c) const { return hits[c] / trials[c]; }

int foresight::source_of(int c) { return c < circumstance::RECYCLED ? 0 : c < circumstance::SUGGESTED ? 1 : 2; }

void foresight::record(int c, bool hit, const experience & others) {
    source & s = sources[source_of(c)];
    s.hits     = SOURCE_KEEP * s.hits + hit;
    s.expected = SOURCE_KEEP * s.expected + (float) others.probability(c);
    hits[c]    = KEEP * hits[c] + hit;
    trials[c]  = KEEP * trials[c] + 1;
}

double foresight::probability(int c, const experience & others) const {
    const source & s = sources[source_of(c)];
    const double here = (s.hits + SOURCE_WEIGHT) / (s.expected + SOURCE_WEIGHT);
    const double p    = std::min(others.probability(c) * here, MOST);
    return (hits[c] + WEIGHT * p) / (trials[c] + WEIGHT);
}

} // namespace chq
