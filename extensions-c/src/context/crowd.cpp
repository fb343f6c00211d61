#include "context/crowd.h"

#include <algorithm>
#include <ctime>

namespace chq {

// What is compared are windows of steps: the scheduler hands out cores for milliseconds.
constexpr double WINDOW       = 0.1;  // seconds
constexpr double PROBE_WINDOW = 0.05;
constexpr int    STEPS        = 6;    // at least
constexpr double LACK         = 0.3;  // of a core
constexpr double SLOWER       = 1.6;  // than the best window: more than memory or a longer text makes of it
constexpr double GAIN         = 0.9;  // of the time, or the number of threads stays
constexpr double MOST_PAUSE   = 16;   // seconds

void crowd::begin(phase next) {
    at       = next;
    now      = next == TRIAL || next == FEWER ? std::max(1, full - 1) : full;
    wall_sum = 0;
    cpu_sum  = 0;
    steps    = 0;
}

void crowd::record(double wall, double cpu) {
    if (full < 2) {
        return;
    }
    wall_sum += wall;
    cpu_sum  += cpu;
    steps++;
    patience -= wall;
    if (wall_sum < (at == PROBE ? PROBE_WINDOW : WINDOW) || steps < STEPS) {
        return;
    }
    const double step = wall_sum / steps;
    switch (at) {
        case FULL: {
            const bool starved = cpu_sum > 0 && cpu_sum < wall_sum * (full - LACK);
            const bool slow    = best > 0 && step > best * SLOWER;
            best = best > 0 ? std::min(best, step) : step;
            if ((starved || slow) && patience <= 0) {
                crowded = step;
                begin(TRIAL);
            } else {
                begin(FULL);
            }
            break;
        }
        case TRIAL:
            fewer = step;
            if (fewer < crowded * GAIN) {
                pause    = 1;
                patience = pause;
                begin(FEWER);
            } else {
                best     = std::max(best, std::min(crowded, best * SLOWER)); // not a neighbour's doing
                patience = pause;
                pause    = std::min(2 * pause, MOST_PAUSE);
                begin(FULL);
            }
            break;
        case FEWER:
            fewer = step;
            begin(patience <= 0 ? PROBE : FEWER);
            break;
        case PROBE:
            if (step < fewer * GAIN) {
                pause    = 1;
                patience = 0;
                begin(FULL);
            } else {
                pause    = std::min(2 * pause, MOST_PAUSE);
                patience = pause;
                begin(FEWER);
            }
            break;
    }
}

double process_cpu_seconds() {
#ifdef CLOCK_PROCESS_CPUTIME_ID
    timespec t;
    return clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t) == 0 ? (double) t.tv_sec + 1e-9 * (double) t.tv_nsec : 0;
#else
    return 0;
#endif
}

} // namespace chq
