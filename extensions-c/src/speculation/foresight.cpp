#include "speculation/foresight.h"

namespace chq {

constexpr int32_t UPPER[]   = { 1, 2, 3, 4, 6, 8, 12, 16, 32, INT32_MAX };
constexpr double  FIRST[]   = { 0.12, 0.3, 0.45, 0.55, 0.65, 0.7, 0.78, 0.82, 0.87, 0.92 }; // what to expect of a text that is not known yet
constexpr double  WEIGHT    = 4;    // of that, in trials
constexpr double  KEEP      = 0.97; // of older trials at each new one

foresight::foresight() {
    for (int i = 0; i < BUCKETS; i++) {
        hits[i]   = 0;
        trials[i] = 0;
    }
}

int foresight::bucket_of(int32_t length) {
    int i = 0;
    while (length > UPPER[i]) {
        i++;
    }
    return i;
}

void foresight::record(int32_t length, bool hit) {
    const int i = bucket_of(length);
    hits[i]   = KEEP * hits[i] + hit;
    trials[i] = KEEP * trials[i] + 1;
}

double foresight::probability(int32_t length) const {
    const int i = bucket_of(length);
    return (hits[i] + WEIGHT * FIRST[i]) / (trials[i] + WEIGHT);
}

} // namespace chq
