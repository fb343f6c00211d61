#include "offer.h"

#include "trial.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <utility>
#include <vector>

namespace chq::kernels {

const kernel_set & best_kernels() {
    static const kernel_set & best = []() -> const kernel_set & {
        const kernel_set * const * sets = kernel_sets();
        const char * wanted = getenv("CHASQUI_KERNELS_ISA");
        for (int i = 0; wanted && sets[i]; i++) {
            if (strcmp(sets[i]->name, wanted) == 0) {
                return *sets[i];
            }
        }
        return *sets[0];
    }();
    return best;
}

static mode first_mode() {
    const char * m = getenv("CHASQUI_KERNELS");
    return !m ? MODE_AUTO : strcmp(m, "on") == 0 ? MODE_ON : strcmp(m, "off") == 0 ? MODE_OFF : MODE_AUTO;
}

static thread_local mode thread_mode = first_mode();

void set_mode(mode m) {
    thread_mode = m;
    forget_bytes_packed();
}

void reset_mode() { set_mode(first_mode()); }

bool offered(format f) {
    if (thread_mode != MODE_AUTO) {
        return thread_mode == MODE_ON;
    }
    const bool wins = wins_trial(f);
    forget_bytes_packed(); // the trial's own: a loader asks about all of its weights before it fills the first
    return wins;
}

static std::mutex                               attention_mutex;
static std::vector<std::pair<const void *, int>> attention_pools;

void set_attention(const void * pool, int what) {
    std::lock_guard<std::mutex> lock(attention_mutex);
    attention_pools.erase(std::remove_if(attention_pools.begin(), attention_pools.end(), [&](const auto & entry) { return entry.first == pool; }),
        attention_pools.end());
    if (what != ATTENTION_DEFAULT) {
        attention_pools.emplace_back(pool, what);
    }
}

bool attends_on(const void * pool, int64_t queries) {
    const int tried = attention_in_trial();
    if (tried != ATTENTION_DEFAULT) {
        return tried == ATTENTION_ON;
    }
    bool wanted = any_packed();
    {
        std::lock_guard<std::mutex> lock(attention_mutex);
        for (const auto & [owner, what] : attention_pools) {
            if (owner == pool) {
                wanted = what == ATTENTION_ON;
            }
        }
    }
    return wanted && attention_wins_trial(queries);
}

} // namespace chq::kernels
