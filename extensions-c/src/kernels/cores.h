// Work on all processors for the length of one call.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <system_error>
#include <thread>
#include <vector>

namespace chq::kernels {

// Calls work(i) for every i of [first, end), `step` neighbours on one thread, on as many threads as so many bytes are worth.
template <class Work>
void on_cores(int64_t first, int64_t end, int64_t step, size_t bytes, Work work) {
    constexpr size_t BYTES_PER_THREAD = 1 << 20; // less is not worth starting one
    std::atomic<int64_t> next { first };
    const auto part = [&] {
        for (int64_t i; (i = next.fetch_add(step)) < end;) {
            for (int64_t k = i; k < std::min(i + step, end); k++) {
                work(k);
            }
        }
    };
    const size_t limit = std::min<size_t>(std::thread::hardware_concurrency(), bytes / BYTES_PER_THREAD);
    std::vector<std::thread> helpers;
    try {
        while (helpers.size() + 1 < limit) {
            helpers.emplace_back(part);
        }
    } catch (const std::system_error &) {
        // no thread to be had: fewer do it
    }
    part();
    for (std::thread & helper : helpers) {
        helper.join();
    }
}

} // namespace chq::kernels
