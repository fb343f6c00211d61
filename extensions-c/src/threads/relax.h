// Included ahead of ggml's CPU backend, which waits for its other threads by spinning on _mm_pause(), however long that takes. When one of
// them has lost its processor to another program, the spinning thread may be what keeps it from getting one back: two programs that
// decode at the same time on two cores were seen to take 200 times as long for a token. So a wait that lasts gives the processor away.
// One that does not must keep it: who yields to a busy program gets the processor back only when that has had its time slice.
#pragma once

#if (defined(__x86_64__) || defined(__i386__)) && !defined(_MSC_VER)

#include <immintrin.h>
#include <sched.h>
#include <x86intrin.h>

static inline void chq_pause(void) {
    // ticks of the time stamp counter, 2 to 4 in a nanosecond
    enum { SAME_WAIT = 10000, LONG_WAIT = 100000 };
    static __thread unsigned long long start = 0;
    static __thread unsigned long long last  = 0;
    _mm_pause();
    const unsigned long long now = __rdtsc();
    if (now - last > SAME_WAIT) {
        start = now;
    }
    last = now;
    if (now - start > LONG_WAIT) {
        sched_yield();
        start = last = __rdtsc();
    }
}

#define _mm_pause chq_pause

#endif
