// What owners of ggml thread pools have asked of the kernels, by pool. Safe from any thread.
#pragma once

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace chq::kernels {

template <class Wish>
class by_pool {
public:
    // Replaces what was asked before; nothing ends it.
    void set(const void * pool, std::optional<Wish> wish) {
        std::lock_guard<std::mutex> lock(mutex_);
        wishes_.erase(std::remove_if(wishes_.begin(), wishes_.end(), [&](const auto & entry) { return entry.first == pool; }), wishes_.end());
        if (wish) {
            wishes_.emplace_back(pool, *wish);
        }
    }

    std::optional<Wish> of(const void * pool) {
        std::lock_guard<std::mutex> lock(mutex_);
        for (const auto & [owner, wish] : wishes_) {
            if (owner == pool) {
                return wish;
            }
        }
        return std::nullopt;
    }

private:
    std::mutex                                mutex_;
    std::vector<std::pair<const void *, Wish>> wishes_; // a few at most
};

} // namespace chq::kernels
