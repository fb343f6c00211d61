// Threads for the backend's own instances, where the CPU backend does not compute for us. They spin for a moment only and then sleep.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace chq::kernels {

class crew {
public:
    explicit crew(int count) : count_(count) {}
    ~crew();
    crew(const crew &) = delete;
    crew & operator=(const crew &) = delete;

    int count() const { return count_; }

    // Runs job(index) on each thread, the caller being index 0.
    void run(const std::function<void(int)> & job);

    void barrier();
    void set_next(int item)  { next_.store(item, std::memory_order_relaxed); }
    int  take_next(int n)    { return next_.fetch_add(n, std::memory_order_relaxed); }

private:
    void work(int index);
    void start();

    const int                        count_;
    std::vector<std::thread>         threads_;
    std::mutex                       mutex_;
    std::condition_variable          wake_;
    const std::function<void(int)> * job_ = nullptr;
    std::atomic<uint64_t>            round_ { 0 };
    bool                             stop_ = false;
    std::atomic<int>                 next_ { 0 };
    std::atomic<int>                 arrived_ { 0 };
    std::atomic<uint64_t>            passed_ { 0 };
};

} // namespace chq::kernels
