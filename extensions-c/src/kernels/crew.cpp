#include "crew.h"

namespace chq::kernels {

// About 20 microseconds, then the processor goes to whoever needs it.
template <class Done>
static bool spin(Done done) {
    for (int i = 0; i < 2000; i++) {
        if (done()) {
            return true;
        }
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        __asm__ __volatile__("yield");
#endif
    }
    return done();
}

crew::~crew() {
    {
        std::lock_guard<std::mutex> lock(mutex_);
        stop_ = true;
    }
    wake_.notify_all();
    for (std::thread & t : threads_) {
        t.join();
    }
}

void crew::start() {
    while ((int) threads_.size() + 1 < count_) {
        const int index = (int) threads_.size() + 1;
        threads_.emplace_back([this, index] { work(index); });
    }
}

void crew::run(const std::function<void(int)> & job) {
    if (count_ > 1) {
        start();
        {
            std::lock_guard<std::mutex> lock(mutex_);
            job_ = &job;
            round_.fetch_add(1, std::memory_order_release);
        }
        wake_.notify_all();
    }
    job(0);
    barrier();
}

void crew::work(int index) {
    uint64_t seen = 0;
    for (;;) {
        if (!spin([&] { return round_.load(std::memory_order_acquire) != seen; })) {
            std::unique_lock<std::mutex> lock(mutex_);
            wake_.wait(lock, [&] { return stop_ || round_.load(std::memory_order_acquire) != seen; });
            if (stop_) {
                return;
            }
        }
        const std::function<void(int)> * job;
        {
            std::lock_guard<std::mutex> lock(mutex_);
            seen = round_.load(std::memory_order_acquire);
            job  = job_;
        }
        (*job)(index);
        barrier();
    }
}

void crew::barrier() {
    if (count_ == 1) {
        return;
    }
    const uint64_t passed = passed_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == count_) {
        arrived_.store(0, std::memory_order_relaxed);
        passed_.fetch_add(1, std::memory_order_acq_rel);
        return;
    }
    while (!spin([&] { return passed_.load(std::memory_order_acquire) != passed; })) {
        std::this_thread::yield();
    }
}

} // namespace chq::kernels
