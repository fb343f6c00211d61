#include "diffusion/proposal.h"

#include <cmath>

namespace chq {

static uint64_t mix(uint64_t x) { // the finaliser of SplitMix64
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

double uniform_of(uint64_t seed, int32_t position) {
    const uint64_t bits = mix(mix(seed + 0x9e3779b97f4a7c15ull) + 0x9e3779b97f4a7c15ull * ((uint64_t) (uint32_t) position + 1));
    return (double) (bits >> 11) * 0x1p-53;
}

proposal propose(const float * logits, int32_t n_vocab, int32_t excluded, float temperature, double uniform) {
    int32_t best   = -1;
    float   first  = -INFINITY;
    float   second = -INFINITY;
    for (int32_t t = 0; t < n_vocab; ++t) {
        const float x = logits[t];
        if (t == excluded || !(x > second)) {
            best = best < 0 && t != excluded ? t : best; // something, even if all are -INFINITY
            continue;
        }
        if (x > first) {
            second = first;
            first  = x;
            best   = t;
        } else {
            second = x;
        }
    }
    if (best < 0) {
        return { 0, 0, 0, 0 }; // a vocabulary of nothing but the mask
    }
    if (first == -INFINITY) {
        return { best, 0, 0, 0 };
    }
    if (first == INFINITY) {
        return { best, 1, 0, 1 }; // all the probability is there
    }
    // With d = x - first, Z = sum exp d:  H = log Z - sum(exp(d) d) / Z
    const double sharpness = temperature > 0 ? 1.0 / temperature : 1;
    double total    = 0;
    double weighted = 0;
    double tempered = 0;
    for (int32_t t = 0; t < n_vocab; ++t) {
        const double d = (double) logits[t] - first;
        if (t == excluded || !(d > -700)) {
            continue;
        }
        const double e = std::exp(d);
        total    += e;
        weighted += e * d;
        if (temperature > 0) {
            tempered += std::exp(d * sharpness);
        }
    }
    int32_t token = best;
    if (temperature > 0) {
        double left = uniform * tempered;
        for (int32_t t = 0; t < n_vocab; ++t) {
            const double d = (double) logits[t] - first;
            if (t == excluded || !(d > -700)) {
                continue;
            }
            const double e = std::exp(d * sharpness);
            if (e > 0) {
                token = t;
                left -= e;
                if (left < 0) {
                    break;
                }
            }
        }
    }
    proposal p;
    p.token       = token;
    p.probability = (float) (std::exp((double) logits[token] - first) / total);
    p.entropy     = (float) (std::log(total) - weighted / total);
    p.margin      = (float) ((1 - std::exp((double) second - first)) / total);
    return p;
}

} // namespace chq
