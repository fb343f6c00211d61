// How many threads pay while other programs want the cores as well.
//
// A pass over a model makes its threads wait for each other hundreds of times. When a neighbour holds the core of one of them, all of them wait
// for as long as the scheduler lets it, and the pass takes several times as long as with a thread less. So when steps run short of processor
// time, or take much longer than they did, a thread less is tried, kept if it is faster, and the full number tried again from time to time.
#pragma once

namespace chq {

class crowd {
public:
    // n_threads: as many as the caller wants when nobody else does
    explicit crowd(int n_threads = 1) : full(n_threads), now(n_threads) {}

    int threads() const { return now; }

    // Tells of a step of one token with threads(): its duration and the time that this program's threads computed in it, in seconds.
    void record(double wall, double cpu);

private:
    enum phase { FULL, TRIAL, FEWER, PROBE };

    void begin(phase next);

    int    full;
    int    now;
    phase  at       = FULL;
    double wall_sum = 0;
    double cpu_sum  = 0;
    int    steps    = 0;
    double best     = 0; // of the windows with all threads, seconds a step; 0 = none yet
    double crowded  = 0; // what made the trial
    double fewer    = 0; // with a thread less
    double patience = 0; // seconds until the next trial or probe
    double pause    = 1; // what patience starts from
};

// Seconds that the threads of this program have computed, 0 where the system does not tell.
double process_cpu_seconds();

} // namespace chq
