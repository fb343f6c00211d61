// The KV cache of one context on a file, as the kernels keep it.
#pragma once

#include "tier/policy.h"

#include <memory>

namespace chq {

class context_tier {
public:
    context_tier() = default;
    ~context_tier();
    context_tier(const context_tier &) = delete;

    // While one lives, the KV cache that this thread makes gets a file. CHQ_STATUS_UNSUPPORTED if the kernels cannot.
    class making {
    public:
        making(context_tier & tier, const char * folder, uint64_t budget);
        ~making();
        making(const making &) = delete;

        // Throws if there is no such cache now.
        void done();

    private:
        context_tier & tier;
        bool           ended = false;
    };

    explicit operator bool() const { return cache != nullptr; }

    // Before a decode.
    void begin() {
        if (cache) {
            calls->begin(cache);
        }
    }

    // Whether keys or values could not be read or written since then. The decode gives up by itself; the call fails with CHQ_STATUS_STORAGE.
    bool lost() const { return cache && calls->lost(cache); }

    // Whether that has left the cache half changed.
    bool broken() const { return cache && calls->broken(cache); }

    tier::counts read() const { return cache ? calls->read(cache) : tier::counts(); }

private:
    const tier::functions * calls = nullptr;
    tier::cache           * cache = nullptr;
};

} // namespace chq
